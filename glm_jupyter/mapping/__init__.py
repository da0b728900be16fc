"""One prompt over many items: all the requests the account may have in flight, none paid twice."""

from .answers import Answers
from .asking import MapStopped, amap, map
from .dispatch import Mapped

__all__ = ["Answers", "MapStopped", "Mapped", "amap", "map"]

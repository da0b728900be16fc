"""One prompt over many items: all the requests the account may have in flight, none paid twice."""

from .answers import Answers
from .mapping import MapInterrupted, MapStopped, amap, batch, map
from .scheduler import Mapped

__all__ = ["Answers", "MapInterrupted", "MapStopped", "Mapped", "amap", "batch", "map"]

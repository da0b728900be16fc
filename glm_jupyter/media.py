"""Made: a picture, a video or a piece of sound that a model has made."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from glm_jupyter.language import _

from .api.errors import InputError

# The endings of what is kept, by type.
ENDINGS: Mapping[str, str] = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "audio/wav": ".wav",
    "audio/mpeg": ".mp3",
}
# Bytes of a picture or of sound that a notebook takes in; what is larger stays a file.
MOST_EMBEDDED = 12 << 20


@dataclass(slots=True, kw_only=True)
class Made:
    """What a model has made; shown when it is the value of a cell.

    `path` is the file it is kept in, relative to the notebook, where it could be kept. `width` and
    `height` are in pixels, `seconds` how long it lasts, `rate` its samples a second; `cover` is a
    video's first picture. `asked` is the beginning of what was asked for.
    """

    kind: Literal["image", "video", "audio"]
    mime: str
    content: bytes = b""
    path: Path | None = None
    folder: Path | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    rate: int | None = None
    cover: bytes = b""
    asked: str = ""

    @property
    def data(self) -> bytes:
        """Its bytes; a video's are read from its file. Raises InputError where that is gone."""
        if self.content or self.file is None:
            return self.content
        try:
            return self.file.read_bytes()
        except OSError as error:
            raise InputError(
                _("{path} cannot be read: {reason}.").format(
                    path=self.path, reason=error.strerror or type(error).__name__
                ),
                remedy=_("It was moved or removed; `%glm tasks` may fetch it again."),
            ) from None

    @property
    def file(self) -> Path | None:
        """The file it is kept in, wherever the kernel is now."""
        if self.path is None:
            return None
        return (self.folder or Path()) / self.path

    def save(self, file: str | Path) -> Path:
        """Write it to `file` and give its path. Raises InputError where that is not possible."""
        place = Path(file).expanduser()
        try:
            if self.content or self.file is None:
                place.write_bytes(self.content)
            else:
                shutil.copyfile(self.file, place)
        except OSError as error:
            raise InputError(
                _("Cannot save to {place}: {reason}.").format(
                    place=place, reason=error.strerror or type(error).__name__
                ),
                remedy=_("Name a file in a folder that exists and can be written."),
            ) from None
        return place

    def to_json(self) -> dict[str, Any]:
        """How the bundle of its answer lists it; its bytes are not in it."""
        return {
            "kind": self.kind,
            "mime": self.mime,
            "path": None if self.path is None else self.path.as_posix(),
            "width": self.width,
            "height": self.height,
            "seconds": self.seconds,
        }

    def __repr__(self) -> str:
        facts = [f"{self.width}x{self.height}"] if self.width else []
        facts += [f"{self.seconds:.1f} s"] if self.seconds is not None else []
        kept = f" in {self.path.as_posix()}" if self.path else ""
        return f"<{' '.join([self.kind, *facts])}{kept}>"


def base64_of(data: bytes) -> str:
    """The bytes as a MIME bundle holds them."""
    return base64.b64encode(data).decode()

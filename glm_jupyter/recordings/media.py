"""What was made, in a recording: files beside the JSONL, named by what they hold."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from glm_jupyter.api import events as ev
from glm_jupyter.api.errors import InputError
from glm_jupyter.language import _
from glm_jupyter.media import ENDINGS

_NAME = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{2,4}")


@dataclass(frozen=True, slots=True)
class RecordedMedia:
    """A picture, a video or a sound whose bytes are in `file`, and its cover in `cover`."""

    kind: Literal["image", "video", "audio"]
    mime: str
    file: str
    cover: str | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    rate: int | None = None

    @classmethod
    def of(cls, value: dict[str, Any]) -> RecordedMedia:
        """What a line of a recording says. Raises ValueError where that cannot be."""
        media = cls(**value)
        names = [media.file] if media.cover is None else [media.file, media.cover]
        numbers = (media.width, media.height, media.rate, media.seconds)
        if (
            media.kind not in ("image", "video", "audio")
            or media.mime not in ENDINGS
            or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in names)
            or not all(isinstance(number, int | float | None) for number in numbers)
        ):
            raise ValueError(_("it names media that cannot be"))
        return media

    def event(self, folder: Traversable) -> ev.Media:
        """The event, with the bytes from beside the recording. Raises InputError."""
        return ev.Media(
            self.kind,
            self.mime,
            data=_read(folder, self.file),
            width=self.width,
            height=self.height,
            seconds=self.seconds,
            rate=self.rate,
            cover=b"" if self.cover is None else _read(folder, self.cover),
        )


def kept(event: ev.Media, folder: Path) -> RecordedMedia:
    """Write the bytes of `event` beside the recording, unless they are there. Raises OSError."""
    data = event.data if event.file is None else event.file.read_bytes()
    return RecordedMedia(
        event.kind,
        event.mime,
        _written(data, ENDINGS.get(event.mime, ".bin"), folder),
        _written(event.cover, ".png", folder) if event.cover else None,
        event.width,
        event.height,
        event.seconds,
        event.rate,
    )


def _written(data: bytes, ending: str, folder: Path) -> str:
    name = hashlib.sha256(data).hexdigest() + ending
    if not (folder / name).exists():
        part = folder / f".{name}.part"
        part.write_bytes(data)
        part.replace(folder / name)
    return name


def _read(folder: Traversable, name: str) -> bytes:
    try:
        data = folder.joinpath(name).read_bytes()
    except OSError as error:
        raise InputError(
            _("The recording has lost {name}: {error}.").format(
                name=name, error=error.strerror or type(error).__name__
            ),
            remedy=_("Its files belong beside the JSONL; `--fresh` asks the service."),
        ) from None
    if hashlib.sha256(data).hexdigest() != name.partition(".")[0]:
        raise InputError(
            _("{name}, beside the recording, is not what was recorded.").format(name=name),
            remedy=_("Put the file back as it was; `--fresh` asks the service."),
        )
    return data

"""Keeping: what was made goes into a file beside the notebook, named by what was asked."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from glm_jupyter.api import events as ev
from glm_jupyter.language import _
from glm_jupyter.media import ENDINGS, Made

from .notebook import notebook_path

FOLDER = "glm-media"
LONGEST_ASKED = 512  # characters that are remembered
LONGEST_NAME = 40  # characters of what was asked
# Names that Windows keeps for devices.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(-|$)")


def keep(event: ev.Media, asked: str) -> tuple[Made, str]:
    """What was made, kept beside the notebook, and what is to be said where it could not be.

    The same thing made twice, as by a recording, is one file.
    """
    folder = beside()
    made = Made(
        kind=event.kind,
        mime=event.mime,
        content=event.data,
        folder=folder,
        width=event.width,
        height=event.height,
        seconds=event.seconds,
        rate=event.rate,
        cover=event.cover,
        asked=asked[:LONGEST_ASKED],
    )
    name = f"{named(asked) or event.kind}-{_digest(event)}{ENDINGS.get(event.mime, '')}"
    path = Path(FOLDER) / name
    try:
        (folder / FOLDER).mkdir(exist_ok=True)
        _write(event, folder / path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if event.file is not None:
            file = event.file.replace(event.file.with_suffix(ENDINGS.get(event.mime, "")))
            made.path, made.folder = Path(file.name), file.parent
            said = _("not kept beside the notebook ({reason}); it is {file}")
            return made, said.format(reason=reason, file=file)
        return made, _("not kept as a file ({reason})").format(reason=reason)
    made.path = path
    return made, ""


def beside() -> Path:
    """The folder of the notebook, or the kernel's own where that is not known."""
    known = notebook_path()
    folder = Path(known).parent if known else Path()
    return folder if known and folder.is_absolute() and folder.is_dir() else Path.cwd()


def named(asked: str) -> str:
    """The beginning of what was asked as a part of a file's name: letters, digits and "-"."""
    words = re.sub(r"[\W_]+", "-", asked.lower()).strip("-")
    name = words[:LONGEST_NAME].rsplit("-", 1)[0] if len(words) > LONGEST_NAME else words
    return f"a-{name}" if _DEVICES.match(name) else name


def _digest(event: ev.Media) -> str:
    if event.file is None:
        return hashlib.sha256(event.data).hexdigest()[:8]
    with event.file.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]


def _write(event: ev.Media, place: Path) -> None:
    """Put it there, whole or not at all."""
    if place.exists():
        if event.file is not None:
            event.file.unlink(missing_ok=True)
        return
    if event.file is not None:
        shutil.move(event.file, place)
        return
    handle, part = tempfile.mkstemp(dir=place.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(event.data)
        Path(part).replace(place)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise

"""What was made in a notebook's output: its bytes in their own type, and in words."""

from __future__ import annotations

import html
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from glm_jupyter.language import N_, _
from glm_jupyter.media import MOST_EMBEDDED, base64_of
from glm_jupyter.text import literal

if TYPE_CHECKING:
    from glm_jupyter.media import Made

WHAT = {"image": N_("A picture"), "video": N_("A video"), "audio": N_("Sound")}


def bundle(made: Sequence[Made]) -> dict[str, Any]:
    """The MIME bundle of what was made: the first thing's bytes, and all of it in words.

    A picture is a picture in every front end. Sound has a player where HTML may have one. A video
    is played from its file; its cover stands for it elsewhere.
    """
    first = made[0]
    shown: dict[str, Any] = {"text/plain": "\n".join(map(words, made))}
    if first.kind == "image" and len(first.content) <= MOST_EMBEDDED:
        shown |= _picture(first.content, first.mime)
    elif first.kind == "video" and first.cover:
        shown |= _picture(first.cover, "")
    elif first.kind == "audio":
        if len(first.content) <= MOST_EMBEDDED:
            shown[first.mime] = base64_of(first.content)
        if first.path is not None:
            shown["text/html"] = _player(first)
    return shown


def words(made: Made) -> str:
    """What it is, in a line: "A picture of 1024 x 1024 pixels: glm-media/a-cat-0a1b2c3d.png"."""
    what = _(WHAT[made.kind])
    if made.width and made.kind == "image":
        what = _("A picture of {width} x {height} pixels").format(
            width=made.width, height=made.height
        )
    elif made.seconds is not None and made.kind != "image":
        what = _("{what} of {seconds:.1f} s").format(what=what, seconds=made.seconds)
    if made.path is None:
        return what
    return _("{what}: {name}").format(what=what, name=made.path.as_posix())


def title(made: Made) -> str:
    """What it is and shows, for who cannot see it: "A picture: a cat on a roof"."""
    what, asked = _(WHAT[made.kind]), " ".join(made.asked.split())
    return _("{what}: {name}").format(what=what, name=asked) if asked else what


def link(made: Made) -> str:
    """A link to its file, as markdown; empty where there is none."""
    return f"[{literal(made.path.name)}]({url(made)})" if made.path is not None else ""


def url(made: Made) -> str:
    """The address of its file, relative to the notebook."""
    return quote(made.path.as_posix()) if made.path is not None else ""


def _picture(data: bytes, mime: str) -> dict[str, str]:
    """A picture in the types that front ends show: what is no PNG or JPEG becomes PNG."""
    if mime in ("image/png", "image/jpeg"):
        return {mime: base64_of(data)}
    from PIL import Image

    if data.startswith(b"\xff\xd8\xff"):
        return {"image/jpeg": base64_of(data)}
    if data.startswith(b"\x89PNG"):
        return {"image/png": base64_of(data)}
    file = BytesIO()
    with Image.open(BytesIO(data)) as picture:
        picture.convert("RGBA").save(file, "PNG")
    return {"image/png": base64_of(file.getvalue())}


def _player(made: Made) -> str:
    return (
        f'<audio controls src="{html.escape(url(made))}"></audio>'
        f"<p><small>{html.escape(words(made))}</small></p>"
    )

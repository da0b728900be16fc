"""Images for models that see: from files, URLs, figures, arrays and bytes to parts of a message."""

from __future__ import annotations

import base64
import binascii
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from glm_jupyter.api.errors import InputError
from glm_jupyter.language import _

# The services take JPEG and PNG up to this size (docs.bigmodel.cn, chat completions, 2026-10).
MAX_BYTES = 5_000_000
MAX_SIDE = 6000  # pixels

_KINDS = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"))


def image_part(source: Any) -> dict[str, Any]:
    """The part of a message that an image makes.

    `source` is a path, an http(s) or data URL, encoded bytes, a matplotlib figure or axes, a PIL
    image, a numpy array (rows x columns, with 1, 3 or 4 channels, integers from 0 to 255 or
    numbers from 0 to 1), or what can show itself as PNG. One that is too large for the services
    is made smaller. Raises InputError for anything else.
    """
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        return {"type": "image_url", "image_url": {"url": source}}
    data = _fitted(_bytes(source))
    encoded = base64.b64encode(data).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/{_kind(data)};base64,{encoded}"}}


def _bytes(source: Any) -> bytes:
    """The source as an encoded image of any kind."""
    if isinstance(source, str) and source.startswith("data:"):
        return _from_data_url(source)
    if isinstance(source, str | Path):
        path = Path(source).expanduser()
        try:
            return path.read_bytes()
        except OSError as error:
            raise InputError(
                _("Cannot read the image {path}: {error}. Nothing was sent.").format(
                    path=path, error=error.strerror
                ),
                remedy=_("Paths are relative to {folder}.").format(folder=Path.cwd()),
            ) from None
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    figure: Any = source if hasattr(source, "savefig") else getattr(source, "figure", None)
    if hasattr(figure, "savefig"):
        file = BytesIO()
        figure.savefig(file, format="png", bbox_inches="tight")
        return file.getvalue()
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(source, numpy.ndarray):
        source = _from_array(numpy, source)
    if hasattr(source, "save") and hasattr(source, "mode"):
        return _saved(source)
    shows_itself = getattr(source, "_repr_png_", None)
    data = shows_itself() if callable(shows_itself) else None
    if isinstance(data, str):
        data = base64.b64decode(data)
    if isinstance(data, bytes):
        return data
    raise InputError(
        _("A value of type {kind} is no image. Nothing was sent.").format(
            kind=type(source).__name__
        ),
        remedy=_("Give a path, a URL, bytes, a matplotlib figure, a PIL image or a numpy array."),
    )


def _from_data_url(url: str) -> bytes:
    try:
        return base64.b64decode(url.partition("base64,")[2], validate=True)
    except binascii.Error:
        raise InputError(
            _("The data URL holds no image in base64. Nothing was sent."),
            remedy=_("It begins with data:image/png;base64, or data:image/jpeg;base64,."),
        ) from None


def _from_array(numpy: Any, array: Any) -> Any:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if not fits or not array.size or array.dtype.kind not in "biuf":
        raise InputError(
            _("An array of shape {shape} and type {kind} is no image. Nothing was sent.").format(
                shape=array.shape, kind=array.dtype
            ),
            remedy=_("Give rows x columns, or rows x columns x 3 or 4 channels of numbers."),
        )
    if array.dtype.kind in "bf":  # as matplotlib takes them: from 0 to 1
        array = numpy.nan_to_num(array.astype(float)) * 255
    pixels = array.round()
    if pixels.min() < 0 or pixels.max() > 255:
        most = 1 if array.dtype.kind == "f" else 255
        raise InputError(
            _("An array with values beyond 0 to {most} is no image. Nothing was sent.").format(
                most=most
            ),
            remedy=_("Scale it first, or draw it with matplotlib's `imshow` and give the figure."),
        )
    pixels = pixels.astype("uint8")
    return _pillow().fromarray(pixels)


def _fitted(data: bytes) -> bytes:
    """The image as the services take it: PNG or JPEG, not too many pixels, not too many bytes."""
    if _kind(data) and len(data) <= MAX_BYTES and max(_size(data)) <= MAX_SIDE:
        return data
    pillow = _pillow()
    try:
        image = pillow.open(BytesIO(data))
        image.load()
    except (OSError, ValueError, pillow.DecompressionBombError):
        raise InputError(
            _("The image cannot be read: it is of no kind that is known here. Nothing was sent."),
            remedy=_("Give a PNG or JPEG image."),
        ) from None
    kind = "JPEG" if image.format == "JPEG" else "PNG"  # a photo would be too large as a PNG
    image = _upright(image)
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    while len(data := _saved(image, kind)) > MAX_BYTES:
        image.thumbnail((image.width * 3 // 4, image.height * 3 // 4))
    return data


def _upright(image: Any) -> Any:
    """The image turned as its camera noted, for the note is lost with the file."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _saved(image: Any, kind: str = "PNG") -> bytes:
    file = BytesIO()
    if image.mode.startswith(("I", "F")):  # more than 8 bits: from its darkest to its brightest
        image = image.convert("F")
        low, high = image.getextrema()
        scale = 255 / (high - low) if high > low else 1
        image = image.point(lambda value: value * scale - low * scale).convert("L")
    elif image.mode not in ("1", "L", "LA", "RGB", "RGBA", "P"):
        image = image.convert("RGB")
    image.save(file, format=kind)
    return file.getvalue()


def _kind(data: bytes) -> str:
    return next((kind for mark, kind in _KINDS if data.startswith(mark)), "")


def _size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the head of a PNG or JPEG; 0, 0 where it has none."""
    if _kind(data) == "png":
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = data[place + 5 : place + 7], data[place + 7 : place + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return 0, 0


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise InputError(
            _(
                "This image has to be converted or made smaller first, which needs Pillow. "
                "Nothing was sent."
            ),
            remedy=_(
                "`pip install pillow`, or give a PNG or JPEG file of at most {size} MB and "
                "{side} x {side} pixels."
            ).format(size=MAX_BYTES // 1000000, side=MAX_SIDE),
        ) from None
    return Image

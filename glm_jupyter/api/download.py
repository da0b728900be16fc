"""Download: fetches what the service has made, from the address that its answer gives.

That address comes from outside: it must be https, or where the endpoint itself is; the key never
goes there; what comes is limited in size and known by its first bytes.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import httpx

from glm_jupyter import bridge
from glm_jupyter.language import _, sentences

from . import events as ev
from .errors import GLMError, NetworkError, RequestError, clean
from .http import TIMEOUT, http_client
from .network import unreachable
from .proxies import proxy_for
from .retries import retrying

if TYPE_CHECKING:
    from .endpoints import Endpoint

Kind = Literal["image", "video"]

MEGABYTE = 1 << 20
LARGEST = {"image": 32 * MEGABYTE, "video": 512 * MEGABYTE}
MOST_REDIRECTS = 3
MOST_PIXELS = 64_000_000  # of a picture: more is meant to fill the memory

# The types by their first bytes: where they stand, what they are, of which kind. SVG and HTML
# are no pictures: they can act.
_TYPES: tuple[tuple[int, bytes, str, Kind], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png", "image"),
    (0, b"\xff\xd8\xff", "image/jpeg", "image"),
    (0, b"GIF8", "image/gif", "image"),
    (8, b"WEBP", "image/webp", "image"),
    (4, b"ftyp", "video/mp4", "video"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm", "video"),
)
_HEAD = 16  # bytes that tell the type


async def fetched(
    url: str, endpoint: Endpoint, kind: Kind, kept: str, cover: str | None = None
) -> ev.Media:
    """What was made, fetched: a picture in memory, a video in a temporary file.

    It is paid for: what may pass is tried again. `kept` says how long the service keeps it, for
    the error where it is gone. A `cover` that cannot be fetched is left out. Raises GLMError.
    """
    async for attempt in retrying():
        with attempt:
            made = await _fetched(url, endpoint, kind, kept)
    if made.file is not None and cover:
        return replace(made, cover=await _cover(cover, endpoint, made.file))
    return made


async def _fetched(url: str, endpoint: Endpoint, kind: Kind, kept: str) -> ev.Media:
    if kind == "image":
        data, mime = await _in_memory(url, endpoint, kept)
        width, height = picture_size(data)
        return ev.Media("image", mime, data=data, width=width, height=height)
    file, mime = await _in_file(url, endpoint, kept)
    return ev.Media("video", mime, file=file)


async def _cover(url: str, endpoint: Endpoint, video: Path) -> bytes:
    try:
        picture, _ = await _in_memory(url, endpoint, "")
        picture_size(picture)
    except GLMError:
        return b""
    except BaseException:
        _drop(video)
        raise
    return picture


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels. Raises RequestError for what is no picture."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data)) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise RequestError(
                    _("The picture is too large to show: {width} x {height} pixels.").format(
                        width=width, height=height
                    )
                )
            picture.verify()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise RequestError(
            _("What the service gave cannot be read as a picture ({error}).").format(
                error=type(error).__name__
            ),
            remedy=_("Run the cell again."),
        ) from None
    return width, height


async def _in_memory(url: str, endpoint: Endpoint, kept: str) -> tuple[bytes, str]:
    data = bytearray()
    async with _response(url, endpoint, kept) as response:
        async for piece in _pieces(response, LARGEST["image"]):
            data += piece
    return bytes(data), _type(bytes(data[:_HEAD]), "image")


async def _in_file(url: str, endpoint: Endpoint, kept: str) -> tuple[Path, str]:
    handle, name = await bridge.in_thread(tempfile.mkstemp, prefix="glm-", suffix=".part")
    path, head = Path(name), b""
    try:
        with os.fdopen(handle, "wb") as file:
            async with _response(url, endpoint, kept) as response:
                async for piece in _pieces(response, LARGEST["video"]):
                    if len(head) < _HEAD:
                        head = (head + piece)[:_HEAD]
                        if len(head) == _HEAD:
                            _type(head, "video")
                    await bridge.in_thread(file.write, piece)
        return path, _type(head, "video")
    except OSError as error:
        _drop(path)
        raise GLMError(
            _("The video could not be written: {error}.").format(
                error=error.strerror or type(error).__name__
            ),
            remedy=_("Make room in {folder}.").format(folder=path.parent),
        ) from None
    except BaseException:
        _drop(path)
        raise


def _drop(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _pieces(response: httpx.Response, most: int) -> AsyncIterator[bytes]:
    length = response.headers.get("content-length", "")
    read = int(length) if length.isascii() and length.isdigit() else 0
    if read <= most:
        read = 0
        async for piece in response.aiter_bytes(64 * 1024):
            read += len(piece)
            if read > most:
                break
            yield piece
    if read > most:
        raise RequestError(
            _("What the service made is larger than {size} MB, and was not fetched.").format(
                size=most // MEGABYTE
            ),
            remedy=_("Ask for a smaller one."),
        )


@asynccontextmanager
async def _response(url: str, endpoint: Endpoint, kept: str) -> AsyncIterator[httpx.Response]:
    for _hop in range(MOST_REDIRECTS + 1):
        place = await _allowed(url, endpoint)
        try:
            async with (
                http_client(url, timeout=TIMEOUT) as client,
                client.stream("GET", place, headers={"Accept": "*/*"}) as response,
            ):
                if response.is_redirect:
                    url = str(place.join(response.headers.get("location", "")))
                    continue
                if response.status_code != 200:
                    raise _gone(response.status_code, kept, url)
                yield response
                return
        except httpx.InvalidURL:
            raise _refused(_("is none")) from None
        except httpx.HTTPError as error:
            raise unreachable(error, str(place.copy_with(query=None, fragment=None))) from None
    raise _refused(_("leads on more than {most} times").format(most=MOST_REDIRECTS))


async def _allowed(url: str, endpoint: Endpoint) -> httpx.URL:
    """The address, if it is one that may be asked. Raises RequestError."""
    try:
        place, own = httpx.URL(url), httpx.URL(endpoint.base_url)
    except httpx.InvalidURL:
        raise _refused(_("is none")) from None
    if (place.scheme, place.host, place.port) == (own.scheme, own.host, own.port):
        return place
    if place.scheme != "https" or not place.host or place.userinfo:
        raise _refused(
            _("begins with {scheme}://, not https://").format(
                scheme=clean(place.scheme, 10) or "nothing"
            )
        )
    if proxy_for(url) is None:
        await _public(place)
    return place


async def _public(place: httpx.URL) -> None:
    """Refuse a host of this machine's or its network's: the service has nothing there."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(place.host, place.port or 443, type=socket.SOCK_STREAM)
    except OSError:
        raise NetworkError(
            _("The address of what was made cannot be found: {host}.").format(
                host=clean(place.host, 80)
            ),
            remedy=_("Check the network."),
            retryable=True,
        ) from None
    for *_family, address in found:
        if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_global:
            raise _refused(_("is one of this machine's own network"))


def _type(head: bytes, kind: Kind) -> str:
    for place, mark, mime, its in _TYPES:
        if its == kind and head[place : place + len(mark)] == mark:
            return mime
    says = _("What the service gave is no video: it begins with {head!r}.")
    if kind == "image":
        says = _("What the service gave is no picture: it begins with {head!r}.")
    raise RequestError(
        says.format(head=clean(head)),
        remedy=_("It was not kept. Run the cell again."),
    )


def _gone(status: int, kept: str, url: str) -> GLMError:
    if status in (404, 410):
        return RequestError(
            sentences(
                _("What was made is not at its address any more ({status}).").format(status=status),
                kept,
            ),
            remedy=_("Run the cell again to have another one made."),
            status=status,
        )
    return NetworkError(
        sentences(_("What was made could not be fetched ({status}).").format(status=status), kept),
        remedy=_("It is at {url}").format(url=clean(url, 400)),
        status=status,
        retryable=status >= 500 or status == 429,
    )


def _refused(why: str) -> RequestError:
    return RequestError(
        _("The service gave an address that {why}; nothing was fetched from there.").format(
            why=why
        ),
        remedy=_("Check the base URL of the endpoint."),
    )

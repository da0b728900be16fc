"""Chat: sends a chat request and reads the stream of its answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, cast

import httpx
from httpx_sse import EventSource

from glm_jupyter.language import _

from . import events as ev
from .endpoints import Endpoint
from .errors import IncompleteError, NetworkError
from .http import Http, refused, whole
from .redact import hidden
from .stream import StreamDecoder

if TYPE_CHECKING:
    from .request import ChatRequest

LONGEST_END = 0.2  # seconds from the end of an answer to that of its response


async def answer(
    http: Http, endpoint: Endpoint, request: ChatRequest
) -> AsyncGenerator[ev.Event, None]:
    """One try: the events of one response."""
    decoder = StreamDecoder(endpoint.base_url)
    begun = False
    body = request.body(endpoint.dialect)
    try:
        async with (
            http.response(endpoint, "POST", "/chat/completions", json=body) as response,
            aclosing(_data(endpoint, response)) as frames,
        ):
            async for data in frames:
                if isinstance(data, ev.Queued):
                    yield data
                    continue
                for event in decoder.decode(data):
                    begun = begun or isinstance(event, ev.OUTPUT)
                    yield event
                if decoder.done:
                    if http.keeps:
                        await _read_out(frames)
                    break
    except NetworkError as error:
        if not decoder.ended:
            if not begun:
                raise
            for event in decoder.rest():
                yield event
            raise IncompleteError(
                _("The answer broke off. {error}").format(error=error),
                remedy=_("Run the cell again; what had arrived is kept."),
                retryable=True,
            ) from None
    for event in decoder.flush():
        yield event


async def _read_out(frames: AsyncIterator[str | ev.Queued]) -> None:
    """Wait for the end of a response, without which its connection cannot be used again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_END):
            async for _ in frames:
                pass


async def _data(
    endpoint: Endpoint, response: httpx.Response
) -> AsyncGenerator[str | ev.Queued, None]:
    """The data of each server-sent event, or the one body of a server that does not stream.

    Before the first, the places that a gateway tells.
    """
    kind = response.headers.get("content-type", "")
    if response.status_code == 200 and "text/event-stream" in kind:
        source = EventSource(cast(httpx.Response, _EndedStream(response)))
        async with aclosing(source.aiter_sse()) as events:
            async for event in events:
                if event.event == _QUEUE:
                    yield ev.Queued(int(event.data))
                else:
                    yield hidden(event.data, endpoint.key)
        return
    body = await whole(response)
    if response.status_code == 200 and b'"choices"' in body:
        yield hidden(body.decode("utf-8", "replace"), endpoint.key)
        return
    raise refused(endpoint, response, body)


# How a gateway tells the place: in a comment, since clients that do not know it must skip it.
_PLACE = re.compile(r": queue ([0-9]{1,6})\n\n")
_PLACE_BEGINS = ": queue "
_LONGEST_PLACE = 16
_QUEUE = "glm-jupyter-queue"  # the event that it becomes


class _EndedStream:
    """A response whose last event counts though the blank line after it is missing.

    The comments in which a gateway tells the place in its queue, before the first event, become
    events themselves.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.headers = response.headers
        self._response = response
        # Server-sent events have no other encoding, and may begin with a byte order mark.
        response.encoding = "utf-8-sig"

    async def aiter_text(self) -> AsyncIterator[str]:
        held, looking = "", True
        async for text in self._response.aiter_text():
            held += text
            while looking and (place := _PLACE.match(held)):
                yield f"event: {_QUEUE}\ndata: {place[1]}\n\n"
                held = held[place.end() :]
            if looking and len(held) < _LONGEST_PLACE and _PLACE_BEGINS.startswith(held[:8]):
                continue
            looking = False
            yield held
            held = ""
        yield held + "\n\n"

"""Chat: sends a chat request and reads the stream of its answer."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, cast

import httpx
from httpx_sse import EventSource

from glm_jupyter.language import _

from . import events as ev
from .endpoints import Endpoint
from .errors import GLMError, IncompleteError, NetworkError
from .http import TIMEOUT, Http, refused, whole
from .redact import hidden
from .stream import DONE, StreamDecoder

if TYPE_CHECKING:
    from .request import ChatRequest

LONGEST_END = 0.2  # seconds from the end of an answer to that of its response
# How long a service may keep silent: a model may think before its first word, and not every
# service sends what it thinks; between two pieces of an answer, silence is a connection that is
# gone. Comments, by which a service says that it is still there, break the silence.
LONGEST_THINKING = 300.0
LONGEST_SILENCE = 120.0
LONGEST_ANSWER = 2_000_000  # characters; the longest that any model gives are a fraction of it
LONGEST_LINE = 1 << 24  # characters of one line of the stream


async def answer(
    http: Http, endpoint: Endpoint, request: ChatRequest
) -> AsyncGenerator[ev.Event, None]:
    """One try: the events of one response."""
    decoder = StreamDecoder(endpoint.base_url)
    begun, length = False, 0
    body = request.body(endpoint.dialect)
    timeout = httpx.Timeout(**{**TIMEOUT.as_dict(), "read": LONGEST_THINKING})
    try:
        async with (
            http.response(
                endpoint, "POST", "/chat/completions", json=body, timeout=timeout
            ) as response,
            aclosing(_data(endpoint, response, lambda: begun)) as frames,
        ):
            async for data in frames:
                if isinstance(data, ev.Queued):
                    yield data
                    continue
                for event in decoder.decode(data):
                    begun = begun or isinstance(event, ev.OUTPUT)
                    length += _length(event)
                    yield event
                if length > LONGEST_ANSWER:
                    raise NetworkError(
                        _("{url} does not come to an end: more than {most:,} characters.").format(
                            url=endpoint.base_url, most=LONGEST_ANSWER
                        )
                    )
                if decoder.done:
                    if http.keeps:
                        await _read_out(frames)
                    break
    except GLMError as error:
        if not decoder.ended:
            if not begun:
                raise
            for event in decoder.rest():
                yield event
            if not isinstance(error, NetworkError):
                raise
            raise IncompleteError(
                _("The answer broke off. {error}").format(error=error),
                remedy=_("Run the cell again; what had arrived is kept."),
                retryable=True,
            ) from None
    except asyncio.CancelledError:
        for event in decoder.rest():
            yield event
        raise
    for event in decoder.flush():
        yield event


async def _read_out(frames: AsyncIterator[str | ev.Queued]) -> None:
    """Wait for the end of a response, without which its connection cannot be used again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_END):
            async for _ in frames:
                pass


def _length(event: ev.Event) -> int:
    match event:
        case ev.TextDelta(text) | ev.ReasoningDelta(text) | ev.ToolCallDelta(arguments=text):
            return len(text)
    return 0


async def _data(
    endpoint: Endpoint, response: httpx.Response, begun: Callable[[], bool]
) -> AsyncGenerator[str | ev.Queued, None]:
    """The data of each server-sent event, or the one body of a server that does not stream.

    Before the first, the places that a gateway tells. `begun` says whether something of the
    answer has come.
    """
    kind = response.headers.get("content-type", "")
    if response.status_code == 200 and "text/event-stream" in kind:
        stream = _Stream(response, begun)
        source = EventSource(cast(httpx.Response, stream))
        async with aclosing(source.aiter_sse()) as events:
            async for event in events:
                if event.event == _QUEUE:
                    yield ev.Queued(int(event.data))
                elif not stream.ended or _is_whole(event.data):
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


class _Stream:
    """A response whose last event counts though the blank line after it is missing.

    The comments in which a gateway tells the place in its queue, before the first event, become
    events themselves. `ended` says that the service has closed it: what comes out of it then may
    be half an event.
    """

    def __init__(self, response: httpx.Response, begun: Callable[[], bool]) -> None:
        self.headers = response.headers
        self.ended = False
        self._response = response
        self._begun = begun
        # Server-sent events have no other encoding, and may begin with a byte order mark.
        response.encoding = "utf-8-sig"

    async def _pieces(self) -> AsyncIterator[str]:
        """The text as it comes, in lines that end and without long silence."""
        line = 0
        pieces = self._response.aiter_text()
        while True:
            try:
                # Before it has begun, the limit of the request itself is that of thinking.
                async with asyncio.timeout(LONGEST_SILENCE if self._begun() else None):
                    text = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise httpx.ReadTimeout("") from None
            end = text.rfind("\n")
            line = len(text) - end - 1 if end >= 0 else line + len(text)
            if line > LONGEST_LINE:
                raise NetworkError(
                    _("The service sent a line of more than {most:,} characters.").format(
                        most=LONGEST_LINE
                    ),
                    remedy=_("Run the cell again; check the base URL if it happens each time."),
                )
            yield text

    async def aiter_text(self) -> AsyncIterator[str]:
        held, looking = "", True
        async for text in self._pieces():
            held += text
            while looking and (place := _PLACE.match(held)):
                yield f"event: {_QUEUE}\ndata: {place[1]}\n\n"
                held = held[place.end() :]
            if looking and len(held) < _LONGEST_PLACE and _PLACE_BEGINS.startswith(held[:8]):
                continue
            looking = False
            yield held
            held = ""
        self.ended = True
        yield held + "\n\n"


def _is_whole(data: str) -> bool:
    """Whether the last event of a stream is more than the beginning of one."""
    if data.strip() == DONE:
        return True
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True

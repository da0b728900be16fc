"""Client: sends a request to an endpoint and yields the events of the answer."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import cache
from time import time
from typing import Any, TypeAlias, cast

import httpx
from httpx_sse import EventSource
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
)

from . import events as ev
from . import gateways
from .endpoints import Endpoint, Secret, not_a_base_url
from .errors import GLMError, IncompleteError, NetworkError, clean, not_the_api, refusal
from .network import unreachable
from .proxies import proxy_for
from .redact import hidden, hidden_in
from .request import ChatRequest
from .stream import StreamDecoder

# Reading waits long: a model may think before its first byte, and gateways keep silent meanwhile;
# theirs cut at 100 to 180 s.
TIMEOUT = httpx.Timeout(connect=10, read=120, write=30, pool=10)
TRIES = 3
LONGEST_WAIT = 30.0  # seconds between tries; a service that asks for more is not waited for
LONGEST_END = 0.2  # seconds from the end of an answer to that of its response
LARGEST_BODY = 1 << 24  # bytes of a reply that is not a stream
HEADERS = {
    "Accept": "text/event-stream, application/json",
    "Accept-Encoding": "identity",  # compression on the way would gather what should flow
    "Accept-Language": "en-US,en",  # the services' error texts in English
    "Cache-Control": "no-store",
    "Content-Type": "application/json",
}

Opener: TypeAlias = Callable[[Endpoint], AbstractAsyncContextManager[httpx.AsyncClient]]

_OUTPUT = (ev.ReasoningDelta, ev.TextDelta, ev.ToolCallDelta)


class Client:
    """Talks to services and servers, in whatever event loop it is called from.

    `pause` is the wait before the first retry, in seconds; it doubles for the next. `tries` is
    how often a request goes out at most.

    For many requests, `async with Client() as client` keeps connections open for the next ones,
    as long as the block, all in one event loop; without it each request has its own.
    """

    def __init__(self, pause: float = 1.0, tries: int = TRIES) -> None:
        self._pause = pause
        self._tries = tries
        self._kept: _Connections | None = None

    async def __aenter__(self) -> Client:
        with suppress(NetworkError):  # which plain http does not care about
            await asyncio.to_thread(_ssl_context)  # takes tens of milliseconds
        self._kept = _Connections()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._kept:
            await self._kept.aclose()
            self._kept = None

    async def stream(
        self, endpoint: Endpoint, request: ChatRequest
    ) -> AsyncGenerator[ev.Event, None]:
        """The events of the answer as they come; Finish is the last.

        A failure that may pass is retried, after a Retrying event, as long as nothing of the
        answer has been given out. Closing the generator, or cancelling the task that waits for
        it, closes the connection at once.

        Raises GLMError: AuthenticationError, RequestError, BusyError or NetworkError where there
        is no answer, IncompleteError where it broke off.
        """
        wait: float | None = None
        reason = ""

        async def note(seconds: float) -> None:
            nonlocal wait
            wait = seconds

        async for attempt in AsyncRetrying(
            sleep=note,
            stop=stop_after_attempt(self._tries),
            wait=self._wait,
            retry=retry_if_exception(_worth_another_try),
            reraise=True,
        ):
            if wait is not None:
                yield ev.Retrying(wait, reason)
                await asyncio.sleep(wait)
            kept = self._kept is not None
            answer = _answer(self._client, endpoint, request, to_its_end=kept)
            events = hidden_in(answer, endpoint.key)
            opening: list[ev.Event] = []
            with attempt:
                try:
                    async for queued in _before_output(events, opening):
                        yield queued
                except GLMError as error:
                    reason = str(error)
                    raise
                except (asyncio.CancelledError, GeneratorExit):
                    await events.aclose()
                    raise
        # Nothing is retried from here on: the answer has begun, or ended empty.
        async with aclosing(events):
            for event in opening:
                yield event
            async for event in events:
                yield event

    async def models(self, endpoint: Endpoint) -> list[str]:
        """The names of the models that the endpoint lists; it may answer under more.

        Raises GLMError where it gives no list.
        """
        async with _response(self._client, endpoint, "GET", "/models") as response:
            body = await _whole(response)
            if response.status_code != 200:
                raise _refused(endpoint, response, body)
        try:
            return [str(row["id"]) for row in json.loads(body)["data"]]
        except (ValueError, LookupError, TypeError):
            raise not_the_api(endpoint.base_url, "no list of models") from None

    @asynccontextmanager
    async def _client(self, endpoint: Endpoint) -> AsyncIterator[httpx.AsyncClient]:
        if self._kept:
            yield self._kept.to(endpoint)
        else:
            async with _http(endpoint) as client:
                yield client

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, GLMError) and error.retry_after is not None:
            return error.retry_after
        growing = wait_exponential(multiplier=self._pause, max=LONGEST_WAIT)
        return growing(state) + random.uniform(0, self._pause)  # noqa: S311, no secret


async def _before_output(
    events: AsyncIterator[ev.Event], opening: list[ev.Event]
) -> AsyncIterator[ev.Queued]:
    """Take events up to the first that shows something of the answer; give its place meanwhile."""
    async for event in events:
        if isinstance(event, ev.Queued):
            yield event
            continue
        opening.append(event)
        if isinstance(event, _OUTPUT):
            return


async def _answer(
    client: Opener, endpoint: Endpoint, request: ChatRequest, *, to_its_end: bool
) -> AsyncGenerator[ev.Event, None]:
    """One try: the events of one response, which is read `to_its_end` or to the answer's."""
    decoder = StreamDecoder(endpoint.base_url)
    begun = False
    body = request.body(endpoint.dialect)
    try:
        async with (
            _response(client, endpoint, "POST", "/chat/completions", body) as response,
            aclosing(_data(endpoint, response)) as frames,
        ):
            async for data in frames:
                if isinstance(data, ev.Queued):
                    yield data
                    continue
                for event in decoder.decode(data):
                    begun = begun or isinstance(event, _OUTPUT)
                    yield event
                if decoder.done:
                    if to_its_end:
                        await _read_out(frames)
                    break
    except NetworkError as error:
        if not decoder.ended:
            if not begun:
                raise
            for event in decoder.rest():
                yield event
            raise IncompleteError(
                f"The answer broke off. {error}",
                remedy="Run the cell again; what had arrived is kept.",
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
    body = await _whole(response)
    if response.status_code == 200 and b'"choices"' in body:
        yield hidden(body.decode("utf-8", "replace"), endpoint.key)
        return
    raise _refused(endpoint, response, body)


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


@asynccontextmanager
async def _response(
    client: Opener,
    endpoint: Endpoint,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
) -> AsyncIterator[httpx.Response]:
    """An open response, closed at the end. What httpx raises meanwhile is a NetworkError."""
    # In ASCII, so that half a surrogate pair in a prompt is no error here.
    content = None if body is None else json.dumps(body).encode()
    try:
        async with (
            client(endpoint) as http,
            http.stream(method, endpoint.base_url + path, content=content) as response,
        ):
            gateways.see(endpoint, response.headers)
            yield response
    except httpx.InvalidURL:
        raise not_a_base_url("its host is not a name") from None
    except httpx.HTTPError as error:
        raise unreachable(error, endpoint.base_url) from None


class _Connections:
    """An open client for each endpoint."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], httpx.AsyncClient] = {}

    def to(self, endpoint: Endpoint) -> httpx.AsyncClient:
        place = endpoint.name, endpoint.base_url
        if place not in self._clients:
            self._clients[place] = _http(endpoint)
        return self._clients[place]

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()


def _http(endpoint: Endpoint) -> httpx.AsyncClient:
    return http_client(
        endpoint.base_url,
        timeout=TIMEOUT,
        limits=httpx.Limits(),  # how many are in flight is for the caller to say
        auth=_Bearer(endpoint.key),
    )


def http_client(base_url: str, **options: Any) -> httpx.AsyncClient:
    """A client for `base_url`, by its `connection`; `options` are others of httpx.

    Raises NetworkError where a proxy or certificates that the environment names cannot be used.
    """
    try:
        return httpx.AsyncClient(headers=HEADERS, **connection(base_url), **options)
    except (ImportError, ValueError, httpx.InvalidURL):
        proxy = proxy_for(base_url)
        named = proxy.named_in if proxy else "the environment"
        # Not quoted: a proxy's URL may hold a password.
        raise NetworkError(
            f"The proxy that {named} names cannot be used.",
            remedy="For a SOCKS proxy, `pip install 'httpx[socks]'` and restart the kernel; "
            f"otherwise correct {named}, or remove it.",
        ) from None


def connection(base_url: str) -> dict[str, Any]:
    """httpx's options for the way to `base_url`: the environment's certificates and proxy for it.

    Raises NetworkError where the certificates cannot be read.
    """
    proxy = proxy_for(base_url)
    return {
        "verify": _ssl_context() if base_url.startswith("https:") else _no_tls(),
        # Where a redirect leads is not where the key was meant to go.
        "follow_redirects": False,
        "proxy": proxy.url if proxy else None,
        "trust_env": False,  # httpx reads NO_PROXY in its own way, and fails at some entries
    }


class _Bearer(httpx.Auth):
    """Adds the key as the request leaves, so that it is in no variable on the way."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        yield request


@cache
def _ssl_context() -> Any:
    try:
        return httpx.create_ssl_context()
    except OSError:  # also what ssl raises
        variable = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
        raise NetworkError(
            f"The certificates that {variable} names cannot be read: "
            f"{clean(os.environ.get(variable, ''))}",
            remedy="Name a file of certificates in PEM form, or remove the variable, and restart "
            "the kernel.",
        ) from None


@cache
def _no_tls() -> ssl.SSLContext:
    """For plain http, which needs no certificates: nothing is trusted."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _whole(response: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > LARGEST_BODY:
            break
    return bytes(body)


def _refused(endpoint: Endpoint, response: httpx.Response, body: bytes) -> GLMError:
    if response.is_redirect:
        return not_the_api(endpoint.base_url, "a redirect to another address")
    return refusal(
        hidden(body.decode("utf-8-sig", "replace"), endpoint.key),
        status=response.status_code,
        base_url=endpoint.base_url,
        retry_after=_retry_after(response.headers.get("retry-after")),
        login=f"%glm login -e {endpoint.name}" if endpoint.name == endpoint.base_url else "",
    )


def _retry_after(header: str | None) -> float | None:
    """Seconds to wait, from seconds or from a date; None where the header says nothing."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time())
    except ValueError:
        return None


def _worth_another_try(error: BaseException) -> bool:
    if not isinstance(error, GLMError) or not error.retryable:
        return False
    return (error.retry_after or 0) <= LONGEST_WAIT

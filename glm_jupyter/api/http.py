"""Http: the connections to endpoints, and the requests that go over them."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import cache
from time import time
from typing import Any

import httpx

from glm_jupyter.language import _

from . import gateways
from .endpoints import Endpoint, Secret, not_a_base_url
from .errors import GLMError, NetworkError, clean, not_the_api, refusal
from .network import unreachable
from .pools import Pools
from .proxies import proxy_for
from .redact import hidden, hidden_whole, hide_in_logs, unframed

# Reading waits long: what is asked for may take its time, and gateways keep silent meanwhile;
# theirs cut at 100 to 180 s. Chats have limits of their own: see chat.py.
TIMEOUT = httpx.Timeout(connect=10, read=120, write=30, pool=10)
LARGEST_BODY = 1 << 24  # bytes of a reply that is not a stream
HEADERS = {
    "Accept": "text/event-stream, application/json",
    "Accept-Encoding": "identity",  # compression on the way would gather what should flow
    "Accept-Language": "en-US,en",  # the services' error texts in English
    "Cache-Control": "no-store",
}

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Http:
    """Sends requests to endpoints, in whatever event loop it is called from.

    For many requests, `async with http:` keeps connections open for the next ones, as long as
    the block, all in one event loop; without it each request has its own.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], httpx.AsyncClient] | None = None

    async def __aenter__(self) -> Http:
        if sys.platform != "emscripten":  # where the browser looks after TLS
            with suppress(NetworkError):  # which plain http does not care about
                await asyncio.to_thread(_ssl_context)  # takes tens of milliseconds
        self._kept = {}
        return self

    async def __aexit__(self, *exc: object) -> None:
        kept, self._kept = self._kept, None
        for client in (kept or {}).values():
            await client.aclose()

    @property
    def keeps(self) -> bool:
        """Whether connections are kept open for further requests."""
        return self._kept is not None

    @asynccontextmanager
    async def response(
        self, endpoint: Endpoint, method: str, path: str, **content: Any
    ) -> AsyncIterator[httpx.Response]:
        """An open response, closed at the end. What httpx raises meanwhile is a NetworkError.

        `path` begins where the endpoint's base URL ends. `content` is httpx's `json`, `data`,
        `files` or `params`.
        """
        if "json" in content:
            # In ASCII, so that half a surrogate pair in a prompt is no error here.
            body = json.dumps(content.pop("json")).encode()
            content |= {"content": body, "headers": {"Content-Type": "application/json"}}
        try:
            async with (
                self._client(endpoint) as client,
                _sent(client, method, endpoint.base_url + path, **content) as response,
            ):
                gateways.see(endpoint, response.headers)
                yield response
        except httpx.InvalidURL:
            raise not_a_base_url(_("its host is not a name")) from None
        except httpx.HTTPError as error:
            failure = unreachable(error, endpoint.base_url)
            failure.sent = not isinstance(error, _NEVER_SENT)
            raise failure from None

    async def call(self, endpoint: Endpoint, method: str, path: str, **content: Any) -> Any:
        """The JSON of a reply; `content` as for `response`.

        Raises GLMError where the service refuses, or answers with something else.
        """
        async with self.response(endpoint, method, path, **content) as response:
            body = await whole(response)
            if response.status_code != 200:
                raise refused(endpoint, response, body)
        try:
            reply = json.loads(hidden(body.decode("utf-8-sig"), endpoint.key))
        except ValueError:
            raise not_the_api(endpoint.base_url, _("a reply that is not JSON")) from None
        if isinstance(reply, dict) and isinstance(reply.get("error"), dict):
            raise refused(endpoint, response, body)
        return reply

    @asynccontextmanager
    async def _client(self, endpoint: Endpoint) -> AsyncIterator[httpx.AsyncClient]:
        if self._kept is None:
            async with _client(endpoint) as client:
                yield client
            return
        place = endpoint.name, endpoint.base_url
        if place not in self._kept:
            self._kept[place] = _client(endpoint)
        yield self._kept[place]


@asynccontextmanager
async def _sent(
    client: httpx.AsyncClient, method: str, url: str, **content: Any
) -> AsyncIterator[httpx.Response]:
    """An open response, closed at the end."""
    request = client.build_request(method, url, **content)
    try:
        response = await client.send(request, stream=True)
    except httpx.HTTPError:
        raise
    except Exception as error:
        raise unframed(error) from None
    try:
        yield response
    finally:
        await response.aclose()


def _client(endpoint: Endpoint) -> httpx.AsyncClient:
    hide_in_logs(endpoint.key)
    return http_client(endpoint.base_url, timeout=TIMEOUT, auth=Bearer(endpoint.key))


def http_client(base_url: str, **options: Any) -> httpx.AsyncClient:
    """A client for `base_url`, by its `connection`; `options` are others of httpx.

    How many requests are in flight is for the caller to say. Raises NetworkError where a proxy or
    certificates that the environment names cannot be used.
    """
    try:
        return httpx.AsyncClient(
            headers=HEADERS,
            transport=_transport(base_url),
            trust_env=False,
            # Where a redirect leads is not where the key was meant to go.
            follow_redirects=False,
            **options,
        )
    except (ImportError, ValueError, httpx.InvalidURL):
        proxy = proxy_for(base_url)
        named = proxy.named_in if proxy else _("the environment")
        # Not quoted: a proxy's URL may hold a password.
        raise NetworkError(
            _("The proxy that {named} names cannot be used.").format(named=named),
            remedy=_(
                "For a SOCKS proxy, `pip install 'httpx[socks]'` and restart the kernel; "
                "otherwise correct {named}, or remove it."
            ).format(named=named),
        ) from None


def _transport(base_url: str) -> httpx.AsyncBaseTransport:
    if sys.platform == "emscripten":
        from .browser import Fetch

        return Fetch()
    return Pools(limits=httpx.Limits(), **connection(base_url))


def connection(base_url: str) -> dict[str, Any]:
    """httpx's options for the way to `base_url`: the environment's certificates and proxy for it.

    Raises NetworkError where the certificates cannot be read.
    """
    proxy = proxy_for(base_url)
    return {
        "verify": _ssl_context() if base_url.startswith("https:") else _no_tls(),
        "proxy": proxy.url if proxy else None,
        "trust_env": False,  # httpx reads NO_PROXY in its own way, and fails at some entries
    }


class Bearer(httpx.Auth):
    """Adds the key as the request leaves, so that it is in no variable on the way."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Httpx asks for the requests to send: the one, with its header."""
        request.headers.update(authorization(self._key))
        yield request


def authorization(key: Secret) -> dict[str, str]:
    """The header that shows the key, if there is one."""
    return {"Authorization": f"Bearer {key.reveal()}"} if key else {}


@cache
def _ssl_context() -> Any:
    try:
        return httpx.create_ssl_context()
    except OSError:  # also what ssl raises
        variable = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
        raise NetworkError(
            _("The certificates that {variable} names cannot be read: {path}").format(
                variable=variable, path=clean(os.environ.get(variable, ""))
            ),
            remedy=_(
                "Name a file of certificates in PEM form, or remove the variable, and restart "
                "the kernel."
            ),
        ) from None


@cache
def _no_tls() -> ssl.SSLContext:
    """For plain http, which needs no certificates: nothing is trusted."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def whole(response: httpx.Response) -> bytes:
    """The body, up to LARGEST_BODY."""
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > LARGEST_BODY:
            break
    return bytes(body)


def refused(endpoint: Endpoint, response: httpx.Response, body: bytes) -> GLMError:
    """The error that a reply tells of."""
    if response.is_redirect:
        return not_the_api(endpoint.base_url, _("a redirect to another address"))
    return refusal(
        hidden_whole(body.decode("utf-8-sig", "replace"), endpoint.key),
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

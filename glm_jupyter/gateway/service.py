"""Service: the way to the service, with the gateway's key, which no reply brings back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from urllib.parse import quote

import httpx

from glm_jupyter.api.http import LARGEST_BODY, authorization, http_client
from glm_jupyter.api.redact import hidden, hidden_whole, hide_in_logs

from .asked import Asked
from .config import Config
from .errors import Refused
from .key_filter import KeyFilter

# A model may think long before its first byte.
TIMEOUT = httpx.Timeout(connect=10, read=300, write=60, pool=None)
PASSED_ON = ("content-type", "retry-after", "x-request-id", "x-log-id")


class Service:
    """Opens requests to the service, over connections that are kept open for the next ones.

    What it reads of a response is without the gateway's key.
    """

    def __init__(self, config: Config) -> None:
        self._url = config.endpoint.base_url
        self._key = config.endpoint.key
        hide_in_logs(self._key)
        self._client = http_client(self._url, timeout=TIMEOUT)

    def stream(self, asked: Asked) -> AbstractAsyncContextManager[httpx.Response]:
        """The response to a request."""
        headers = {**authorization(self._key), "Content-Type": asked.content_type}
        url = f"{self._url}/{asked.path}"
        return self._client.stream("POST", url, content=asked.body, headers=headers)

    def result(self, task: str) -> AbstractAsyncContextManager[httpx.Response]:
        """The response to the question how a task stands."""
        url = f"{self._url}/async-result/{quote(task, safe='')}"
        return self._client.stream("GET", url, headers=authorization(self._key))

    async def read(self, response: httpx.Response) -> bytes:
        """All of a response. Raises Refused where it is far too long."""
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > LARGEST_BODY:
                raise _too_much()
        text = body.decode("utf-8", "surrogateescape")
        return hidden_whole(text, self._key).encode("utf-8", "surrogateescape")

    async def pieces(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """A response as it comes."""
        filter = KeyFilter(self._key)
        async for piece in response.aiter_bytes():
            if passed := filter.pass_on(piece):
                yield passed
            if filter.waiting > LARGEST_BODY:
                raise _too_much()
        if rest := filter.flush():
            yield rest

    def headers(self, response: httpx.Response) -> dict[str, str]:
        """The headers of a response that are passed on."""
        known = (name for name in PASSED_ON if name in response.headers)
        return {name: hidden(response.headers[name], self._key) for name in known}

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def check_key(response: httpx.Response) -> None:
    """Raise Refused where the service does not take the gateway's key."""
    if response.status_code == 401 or response.is_redirect:
        raise Refused(
            502,
            "gateway_key",
            "The service does not accept the gateway's own key. Tell who runs the gateway.",
        )


def _too_much() -> Refused:
    return Refused(502, "502", "The service sent too much, says the gateway.")

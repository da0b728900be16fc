"""Fetch: requests by the browser's own fetch, where Python runs in a page and has no sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx

# The page sets these itself, or must not.
_NOT_SENT = frozenset(
    ("accept-encoding", "cache-control", "connection", "content-length", "host", "user-agent")
)
# What came was decoded on the way.
_NOT_READ = frozenset(("content-encoding", "content-length"))


class Fetch(httpx.AsyncBaseTransport):
    """httpx's way to a server that lets pages ask it, in Pyodide."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; the response's body comes as the page gets it."""
        from js import AbortController, Object, fetch
        from pyodide.ffi import JsException, to_js

        headers = {name: value for name, value in request.headers.items() if name not in _NOT_SENT}
        options = {
            "method": request.method,
            "headers": headers,
            "body": await request.aread() or None,
            "cache": "no-store",
            "credentials": "omit",
            "redirect": "manual",  # where it leads is not where the key was meant to go
        }
        limits = request.extensions["timeout"]
        abort = AbortController.new()
        asked = to_js(options, dict_converter=Object.fromEntries)
        asked.signal = abort.signal
        try:
            async with asyncio.timeout(limits["read"]):
                response = await fetch(str(request.url), asked)
        except TimeoutError:
            raise httpx.ReadTimeout("", request=request) from None
        except JsException as error:
            # A page is not told whether nobody is there or it may not ask.
            raise httpx.ConnectError(str(error), request=request) from None
        except asyncio.CancelledError:
            abort.abort()
            raise
        return httpx.Response(
            response.status or httpx.codes.FOUND,  # a redirect is hidden from the page
            headers=[each for each in response.headers if each[0] not in _NOT_READ],
            stream=_Body(response.body, abort, limits["read"], request),
        )


class _Body(httpx.AsyncByteStream):
    def __init__(self, body: Any, abort: Any, limit: float, request: httpx.Request) -> None:
        self._body = body
        self._abort = abort
        self._limit = limit
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        from pyodide.ffi import JsException

        if self._body is None:
            return
        reader = self._body.getReader()
        while True:
            try:
                async with asyncio.timeout(self._limit):
                    piece = await reader.read()
            except TimeoutError:
                raise httpx.ReadTimeout("", request=self._request) from None
            except JsException as error:
                raise httpx.ReadError(str(error), request=self._request) from None
            if piece.done:
                return
            yield piece.value.to_bytes()

    async def aclose(self) -> None:
        self._abort.abort()

"""Pools: the connections of a client, in as many pools as keep each of them small."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import httpx

# What httpcore does for each request grows with the connections of its pool: with some hundreds
# in flight it would take more time than all else.
POOL_SIZE = 4


class Pools(httpx.AsyncBaseTransport):
    """httpx's own transport, several times over: each has POOL_SIZE requests in flight at most.

    `options` are those of `httpx.AsyncHTTPTransport`. A request goes to the first that has room,
    so that few in flight use few connections.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._pools = [self._new()]
        self._in_flight = [0]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request by a pool that has room."""
        number = self._with_room()
        self._in_flight[number] += 1
        try:
            response = await self._pools[number].handle_async_request(request)
        except BaseException:
            self._ended(number)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Told(response.stream, partial(self._ended, number))
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools:
            await pool.aclose()

    def _with_room(self) -> int:
        for number, count in enumerate(self._in_flight):
            if count < POOL_SIZE:
                return number
        self._pools.append(self._new())
        self._in_flight.append(0)
        return len(self._pools) - 1

    def _new(self) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(**self._options)

    def _ended(self, number: int) -> None:
        self._in_flight[number] -= 1


class _Told(httpx.AsyncByteStream):
    """The body of a response, which tells when it is closed."""

    def __init__(self, stream: httpx.AsyncByteStream, closed: Callable[[], None]) -> None:
        self._stream = stream
        self._closed = closed
        self._open = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            if self._open:
                self._open = False
                self._closed()

"""The connections of a client: few for few requests, used again, closed with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest

from glm_jupyter.api.pools import POOL_SIZE, Pools

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Server:
    """A server that answers each request once `go` is set, and counts its connections."""

    url: str = ""
    opened: int = 0
    open: int = 0
    waiting: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.open += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.waiting += 1
                await self.go.wait()
                self.waiting -= 1
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    served = Server()
    listening = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield served
    listening.close()


async def until(done) -> None:
    async with asyncio.timeout(30):
        while not done():
            await asyncio.sleep(0.01)


async def test_one_request_after_the_other_uses_one_connection(server: Server) -> None:
    server.go.set()
    async with httpx.AsyncClient(transport=Pools()) as client:
        for _ in range(3 * POOL_SIZE):
            assert (await client.get(server.url)).text == "ok"
    assert server.opened == 1
    await until(lambda: server.open == 0)


async def test_all_are_in_flight_at_once_and_the_next_use_their_connections(
    server: Server,
) -> None:
    many = 5 * POOL_SIZE
    async with httpx.AsyncClient(transport=Pools(limits=httpx.Limits())) as client:
        for _ in range(2):
            server.go.clear()
            asking = [asyncio.create_task(client.get(server.url)) for _ in range(many)]
            await until(lambda: server.waiting == many)
            server.go.set()
            assert [(await each).text for each in asking] == ["ok"] * many
    assert server.opened == many
    await until(lambda: server.open == 0)


async def test_what_has_failed_leaves_its_place(server: Server) -> None:
    server.go.set()
    async with httpx.AsyncClient(transport=Pools()) as client:
        for _ in range(2):
            assert (await client.get(server.url)).text == "ok"
            for _ in range(POOL_SIZE):
                with pytest.raises(httpx.ConnectError):
                    await client.get("http://127.0.0.1:9")
    assert server.opened == 1

"""What the class gateway costs on the way, and what 200 users at once get from it.

    python -m tests.benchmarks.gateway [USERS]

A stand-in for the service, in a process of its own, answers after 0.5 s with a stream of 20
pieces in 0.2 s. First 40 users ask one question after the other, directly and through the gateway
in turns, so that the machine is the same for both; then all users ask at once through a gateway
with 40 in flight, and
each must get the answer to the own question, once. Trust the ratios, not the milliseconds.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx

from tests.gateway.running import KEY, config, gateway
from tests.protocol_server import ProtocolServer, Reply, Request

IN_FLIGHT = 40  # what V2 has for the model below
MODEL = "glm-4-airx"
DELAY, PIECES, PAUSE = 0.5, 20, 0.01
ROUNDS, IN_A_ROW = 3, 4


@dataclass
class Timed:
    """One answer: its text, and the seconds to its first byte and its end."""

    user: str
    text: str
    first: float
    whole: float
    status: int


def reply_to(request: Request) -> Reply:
    """An answer that quotes the question."""
    question = request.json["messages"][-1]["content"]
    text = f"[{question}]".ljust(PIECES * 8, ".")
    return Reply(text=text, delay=DELAY, pause=PAUSE)


def serve(pipe: Connection) -> None:
    """The stand-in; it tells its URL, and at the end whose questions came, how many at once."""
    with ProtocolServer() as server:
        server.key = KEY
        most = 0

        def respond(request: Request) -> Reply:
            nonlocal most
            most = max(most, sum(not each.ended.is_set() for each in server.chats[-500:]))
            return reply_to(request)

        server.respond = respond
        pipe.send(server.url)
        while pipe.poll(None) and pipe.recv() == "asked":
            asked = Counter(r.json["messages"][-1]["content"] for r in server.chats)
            pipe.send((asked, most))
            most = 0
            server.requests.clear()


@contextmanager
def service() -> Iterator[tuple[str, Connection]]:
    """A stand-in that runs."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv(), here
    finally:
        here.send("end")
        process.join(10)
        process.kill()


async def ask(client: httpx.AsyncClient, url: str, user: str, key: str, question: str) -> Timed:
    """One question, read to its end."""
    begun = time.perf_counter()
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": question}],
        "stream": True,
        "max_tokens": 100,
    }
    headers = {"Authorization": f"Bearer {key}"}
    first, data = 0.0, b""
    address = f"{url}/chat/completions"
    async with client.stream("POST", address, json=body, headers=headers) as response:
        async for piece in response.aiter_raw():
            if not first and b"data:" in piece:
                first = time.perf_counter() - begun
            data += piece
    return Timed(user, data.decode(), first, time.perf_counter() - begun, response.status_code)


async def all_at_once(
    url: str, users: list[str], key: str | None = None, name: str = ""
) -> list[Timed]:
    """Every user asks one question, all at the same time."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(timeout=300, limits=limits) as client:
        asking = [ask(client, url, u, key or f"t-{u}", f"{name}{u}") for u in users]
        return await asyncio.gather(*asking)


async def one_after_the_other(url: str, users: list[str], key: str | None = None) -> list[Timed]:
    """Every user asks some questions in a row; the users begin one by one."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(timeout=300, limits=limits) as client:

        async def row(number: int, user: str) -> list[Timed]:
            await asyncio.sleep(number * (DELAY + PIECES * PAUSE) / len(users))
            return [await ask(client, url, user, key or f"t-{user}", user) for _ in range(IN_A_ROW)]

        rows = await asyncio.gather(*(row(n, user) for n, user in enumerate(users)))
        return [timed for row in rows for timed in row]


def users_of(number: int) -> list[str]:
    """Names for so many."""
    return [f"user{n:03}" for n in range(number)]


def wrong(found: list[Timed], name: str = "") -> list[str]:
    """Users that did not get the whole answer to their own question."""
    return [
        t.user
        for t in found
        if t.status != 200 or f"{name}{t.user}" not in words(t.text) or "[DONE]" not in t.text
    ]


def words(stream: str) -> str:
    """The text of an answer, from its pieces."""
    import json

    data = [line[6:] for line in stream.splitlines() if line.startswith("data: {")]
    chunks = [json.loads(text) for text in data]
    return "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])


def compared(direct: list[float], through: list[float]) -> str:
    """Two medians, in words."""
    one, two = statistics.median(direct), statistics.median(through)
    return (
        f"{one * 1e3:.1f} ms -> {two * 1e3:.1f} ms (+{(two - one) * 1e3:.1f} ms, x{two / one:.3f})"
    )


def main(number: int = 200) -> int:
    """Measure, and give the exit status."""
    everybody = users_of(number)
    with tempfile.TemporaryDirectory() as folder, service() as (url, pipe):
        path = Path(folder)
        budget = 'level = "V2"\n[budget]\nday = "100 RMB"\nmonth = "1000 RMB"'
        settings = config(path, budget, (*everybody, "grace"))
        stand_in = cast(ProtocolServer, SimpleNamespace(url=url))
        with gateway(path, stand_in, settings) as running:
            direct: list[Timed] = []
            through: list[Timed] = []
            for turn in range(ROUNDS + 1):
                a = asyncio.run(one_after_the_other(url, everybody[:IN_FLIGHT], KEY))
                b = asyncio.run(one_after_the_other(running.url, everybody[:IN_FLIGHT]))
                if turn:  # the first warms up
                    direct, through = direct + a, through + b
            print(f"{IN_FLIGHT} in flight, {len(direct)} requests each way, median:")
            firsts = [t.first for t in direct], [t.first for t in through]
            print("  first byte  ", compared(*firsts))
            wholes = [t.whole for t in direct], [t.whole for t in through]
            print("  whole answer", compared(*wholes))
            pipe.send("asked")
            pipe.recv()
            begun = time.perf_counter()
            found = asyncio.run(all_at_once(running.url, everybody, name="at once "))
            took = time.perf_counter() - begun
            pipe.send("asked")
            asked, most = pipe.recv()
            ideal = -(-number // IN_FLIGHT) * (DELAY + PIECES * PAUSE)
            bad = wrong(found, "at once ")
            twice = [question for question, count in asked.items() if count != 1]
            print(f"{number} users at once, {most} in flight at most:")
            print(f"  {took:.2f} s, ideal {ideal:.2f} s ({ideal / took:.0%})")
            print(f"  lost or wrong {len(bad)}, served twice {len(twice)}, asked {len(asked)}")
    return int(bool(bad or twice or len(asked) != number or most > IN_FLIGHT))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))

"""Many users at once, and a gateway that is killed among them: nobody lost, nothing twice."""

from __future__ import annotations

import asyncio
import csv
import io
import threading
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import httpx

from tests.benchmarks.gateway import all_at_once, users_of, wrong
from tests.gateway.running import Running, config, gateway, token
from tests.protocol_server import ProtocolServer, Reply, Request

COST = Decimal("0.00046")  # of the protocol server's answer
USERS = users_of(60)


def quoting(request: Request) -> Reply:
    return Reply(text=f"[{request.json['messages'][-1]['content']}]", delay=0.1)


def rows(running: Running) -> list[dict[str, str]]:
    text = httpx.get(f"{running.root}/usage.csv", headers=token("grace")).text
    return list(csv.DictReader(io.StringIO(text)))


def test_all_who_ask_at_once_get_their_own_answer_once(
    tmp_path: Path, server: ProtocolServer
) -> None:
    most = 0
    full = threading.Event()  # the first are answered when as many are there as V1 allows

    def respond(request: Request) -> Reply:
        nonlocal most
        most = max(most, sum(not r.ended.is_set() for r in server.chats))
        if most == 30:
            full.set()
        return replace(quoting(request), hold=full)

    server.respond = respond
    settings = config(tmp_path, 'level = "V1"', (*USERS, "grace"))
    with gateway(tmp_path, server, settings) as running:
        found = asyncio.run(all_at_once(running.url, USERS))
        counted = rows(running)
    assert not wrong(found)
    asked = Counter(request.json["messages"][-1]["content"] for request in server.chats)
    assert asked == dict.fromkeys(USERS, 1)
    assert most == 30  # what V1 allows, and no more
    assert {row["user"]: (row["requests"], row["cost"]) for row in counted} == {
        user: ("1", str(COST)) for user in USERS
    }


def test_killed_in_the_middle_it_counts_once_what_the_service_was_asked(
    tmp_path: Path, server: ProtocolServer
) -> None:
    half = threading.Event()

    def respond(request: Request) -> Reply:
        if len(server.chats) > 35:
            half.set()
        return quoting(request)

    server.respond = respond
    settings = config(tmp_path, 'level = "V1"', (*USERS, "grace"))
    with gateway(tmp_path, server, settings) as running:

        async def load() -> list[object]:
            asking = asyncio.ensure_future(
                asyncio.gather(
                    *(all_at_once(running.url, [user]) for user in USERS), return_exceptions=True
                )
            )
            await asyncio.to_thread(half.wait, 60)
            running.process.kill()
            return list(await asking)

        found = asyncio.run(load())
    whole = [f[0] for f in found if isinstance(f, list) and not wrong(f)]
    reached = {request.json["messages"][-1]["content"] for request in server.chats}
    assert 0 < len(whole) < len(USERS)
    for _ in range(2):
        with gateway(tmp_path, server, settings) as running:
            counted = rows(running)
            running.kill()
        assert all(row["requests"] == "1" for row in counted)
        costs = {row["user"]: Decimal(row["cost"]) for row in counted}
        assert {t.user for t in whole} <= reached <= set(costs)
        assert all(costs[t.user] == COST for t in whole)
        # What broke off may have been billed up to its worst; who only waited pays nothing.
        assert all(costs[user] > 0 for user in reached)
        assert len(server.chats) == len(reached)

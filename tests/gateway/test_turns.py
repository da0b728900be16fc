"""Who is served next: turns between users, places in the queue, a queue that is full."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from glm_jupyter.gateway.errors import Refused
from glm_jupyter.gateway.turns import Ticket, Turns
from tests.gateway.running import QUESTION, config, gateway, text, token
from tests.kernels import kernel
from tests.protocol_server import ProtocolServer, Reply


async def test_turns_go_round_the_users_then_by_arrival() -> None:
    turns = Turns("glm-4-airx", rights=1, longest=10)
    first: Ticket | None = turns.enter("ada")
    waiting = [turns.enter(user) for user in ("ada", "ada", "bob", "ada", "eve", "bob")]
    assert [turns.place(ticket) for ticket in waiting] == [4, 5, 1, 6, 2, 3]
    served = []
    while first is not None:
        turns.leave(first)
        first = next((t for t in waiting if t.granted.is_set()), None)
        if first:
            waiting.remove(first)
            served.append(first.user)
    assert served == ["bob", "eve", "ada", "bob", "ada", "ada"]


async def test_who_has_nothing_in_flight_goes_before_who_has() -> None:
    turns = Turns("glm-4-airx", rights=2, longest=10)
    ends, _ = turns.enter("ada"), turns.enter("ada")
    waiting = [turns.enter(user) for user in ("ada", "bob")]
    turns.leave(ends)
    assert [ticket.granted.is_set() for ticket in waiting] == [False, True]


async def test_who_gives_up_waiting_makes_room() -> None:
    turns = Turns("glm-4-airx", rights=1, longest=2)
    turns.enter("ada")
    leaves, stays = turns.enter("ada"), turns.enter("bob")
    with pytest.raises(Refused) as full:
        turns.enter("eve")
    assert full.value.status == 429
    assert full.value.retry_after == 30  # three ahead, at 10 s each until it is known better
    turns.leave(leaves)
    assert turns.place(stays) == 1
    turns.enter("eve")


def test_one_that_waits_is_told_its_place(tmp_path: Path, server: ProtocolServer) -> None:
    hold = threading.Event()
    server.default = Reply(hold=hold)
    settings = 'level = "V0"\nqueue = 2'
    with gateway(tmp_path, server, config(tmp_path, settings)) as running:
        body = {"model": "glm-4-airx", "messages": QUESTION, "stream": True}
        with ThreadPoolExecutor(10) as threads:
            asking = [threads.submit(running.ask) for _ in range(5)]  # V0: five in flight
            while len(server.chats) < 5:
                time.sleep(0.02)
            address, headers = f"{running.url}/chat/completions", token("bob")
            with httpx.stream("POST", address, json=body, headers=headers) as waits:
                pieces = waits.iter_text()
                assert next(pieces) == ": queue 1\n\n"
                asking.append(threads.submit(running.ask, stream=False))
                page = f"{running.root}/usage"
                while "2 waiting" not in httpx.get(page, headers=token("ada")).text:
                    time.sleep(0.02)
                full = running.ask("grace")
                assert full.status_code == 429
                assert int(full.headers["retry-after"]) > 0
                assert full.json()["error"]["code"] == "1302"
                hold.set()
                assert "[DONE]" in "".join(pieces)
            assert all(a.result().status_code == 200 for a in asking)
            assert [text(a.result()) for a in asking[:5]] == ["Hello."] * 5


def test_an_error_after_waiting_comes_within_the_stream(
    tmp_path: Path, server: ProtocolServer
) -> None:
    hold = threading.Event()
    server.enqueue(*[Reply(hold=hold)] * 5)
    server.default = Reply(status=400, body={"error": {"code": "1261", "message": "too long"}})
    with (
        gateway(tmp_path, server) as running,
        ThreadPoolExecutor(10) as threads,
    ):
        asking = [threads.submit(running.ask) for _ in range(5)]
        while len(server.chats) < 5:
            time.sleep(0.02)
        waits = threads.submit(running.ask, "bob")
        time.sleep(3)  # until it is in the queue
        hold.set()
        assert waits.result().text.endswith(
            'data: {"error":{"code":"1261","message":"too long"}}\n\n'
        )
        assert all(a.result().status_code == 200 for a in asking)


def test_a_cell_that_waits_says_its_place(tmp_path: Path, server: ProtocolServer) -> None:
    hold = threading.Event()
    server.default = Reply(hold=hold)
    with gateway(tmp_path, server) as running, ThreadPoolExecutor(10) as threads:
        env = {
            "HOME": str(tmp_path),
            "IPYTHONDIR": str(tmp_path / "ipython"),
            "XDG_DATA_HOME": str(tmp_path / "data"),
            "ZAI_BASE_URL": running.url,
            "ZAI_API_KEY": "t-bob",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        }
        asking = [threads.submit(running.ask) for _ in range(5)]
        while len(server.chats) < 5:
            time.sleep(0.02)
        said = []

        def see(message: dict[str, Any]) -> None:
            text = message["content"].get("data", {}).get("text/plain", "")
            said.append(text)
            if "queue" in text:
                hold.set()

        with kernel(env) as shell:
            run = shell.run("%%glm --model glm-4-airx\nWhat is the mean?", on_message=see)
        assert run.ok, run.error
        assert "Waiting for glm-4-airx: place 1 in the queue …" in said
        assert "Hello." in run.bundle["text/markdown"]
        assert all(a.result().status_code == 200 for a in asking)

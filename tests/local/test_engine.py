"""The embedded engine, for real: what it answers, and that it never outlives its owner."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from glm_jupyter.api.errors import InputError
from glm_jupyter.engine import EMBEDDED, Engine, EngineError, engine, installed
from tests.local.conftest import client

HELLO = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 16}


@pytest.fixture
def own():
    one = Engine()
    yield one
    one.stop()


def gone(pid: int, within: float = 10) -> bool:
    """Whether the process ends within so many seconds (a zombie has ended)."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_streams_an_answer_with_usage(running: Engine) -> None:
    body = HELLO | {"stream": True, "stream_options": {"include_usage": True}}
    with client(running).stream("POST", "/chat/completions", json=body) as reply:
        lines = [line[6:] for line in reply.iter_lines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    chunks = [json.loads(line) for line in lines]
    pieces = [chunk["choices"][0]["delta"].get("content") for chunk in chunks if chunk["choices"]]
    assert len([piece for piece in pieces if piece]) > 1
    usage = chunks[-1]["usage"]
    assert usage["prompt_tokens"] > 0
    assert 0 < usage["completion_tokens"] <= 16
    assert {chunk["model"] for chunk in chunks} == {EMBEDDED.name}


def test_a_json_schema_is_enforced(running: Engine) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green"]}, "size": {"type": "integer"}},
        "required": ["colour", "size"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema}}
    body = HELLO | {"response_format": wanted, "max_tokens": 60}
    reply = client(running).post("/chat/completions", json=body).json()
    value = json.loads(reply["choices"][0]["message"]["content"])
    assert set(value) == {"colour", "size"}
    assert value["colour"] in ("red", "green")
    assert isinstance(value["size"], int)


def test_a_short_answer_does_not_wait_for_a_long_one(running: Engine) -> None:
    http = client(running)
    story = [{"role": "user", "content": "Tell a long story."}]
    long = {"messages": story, "max_tokens": 400, "ignore_eos": True, "stream": True}
    told: list[str] = []
    begun, enough = threading.Event(), threading.Event()

    def listen() -> None:
        with http.stream("POST", "/chat/completions", json=long) as response:
            for line in response.iter_lines():
                told.append(line)
                begun.set()
                if enough.is_set():
                    return

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(listen)
        assert begun.wait(60)
        try:
            quick = http.post("/chat/completions", json=HELLO | {"max_tokens": 4})
            assert quick.status_code == 200
            assert told
            assert not any("[DONE]" in line for line in told)
        finally:
            enough.set()
        slow.result()


@pytest.mark.parametrize("path", ["chat/completions", "models", "completions"])
def test_nobody_is_answered_without_the_key(running: Engine, path: str) -> None:
    url = f"{running.status().url}/{path}"
    for headers in ({}, {"Authorization": "Bearer guess"}):
        assert httpx.post(url, json=HELLO, headers=headers).status_code == 401


def test_the_key_is_on_no_command_line(running: Engine) -> None:
    command = Path(f"/proc/{running.status().pid}/cmdline").read_bytes()
    assert b"server.py" in command
    assert running.key.encode() not in command


def test_it_listens_on_one_loopback_address_only(running: Engine) -> None:
    port = httpx.URL(running.status().url or "").port
    with socket.create_connection(("127.0.0.1", port)):
        pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), timeout=5)


async def test_callers_share_one_start(own: Engine) -> None:
    urls = await asyncio.gather(*(own.start() for _ in range(5)), own.start("local/smollm2-135m"))
    assert len(set(urls)) == 1
    pid = own.status().pid
    assert await own.start() == urls[0]
    assert own.status().pid == pid


async def test_status_says_what_runs_and_what_would(own: Engine) -> None:
    before = own.status()
    assert (before.running, before.model, before.pid) == (False, EMBEDDED.name, None)
    url = await own.start()
    now = own.status()
    assert (now.running, now.url, now.context) == (True, url, 8192)
    assert now.note == "tiny model, expect mistakes"
    assert own.key not in repr(now)


async def test_stop_ends_the_process_and_start_begins_anew(own: Engine) -> None:
    await own.start()
    first = own.status().pid
    assert first
    own.stop()
    assert gone(first, within=0.1)
    assert not own.status().running
    await own.start()
    assert own.status().pid != first


async def test_an_engine_that_was_killed_is_started_again(own: Engine) -> None:
    await own.start()
    first = own.status().pid
    assert first
    os.kill(first, signal.SIGKILL)
    while own.status().running:
        await asyncio.sleep(0.01)
    await own.start()
    assert own.status().running
    assert client(own).post("/chat/completions", json=HELLO).status_code == 200


async def test_a_cancelled_start_leaves_no_process(own: Engine) -> None:
    others = children_of(os.getpid())
    start = asyncio.create_task(own.start())
    while not (children := children_of(os.getpid()) - others):
        await asyncio.sleep(0.01)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert all(gone(pid) for pid in children)
    assert not own.status().running


async def test_one_cancelled_caller_does_not_stop_the_other(own: Engine) -> None:
    impatient, patient = (asyncio.create_task(own.start()) for _ in range(2))
    await asyncio.sleep(0.05)
    impatient.cancel()
    assert (await patient).endswith("/v1")
    assert impatient.cancelled()


async def test_stop_in_the_middle_of_a_start(own: Engine) -> None:
    start = asyncio.create_task(own.start())
    await asyncio.sleep(0.1)
    own.stop()
    with pytest.raises(EngineError, match="stopped"):
        await start
    assert not own.status().running


PARENT = """
import asyncio, os, sys, time
from glm_jupyter.engine import engine
asyncio.run(engine().start())
if sys.argv[1] == "fork" and os.fork() == 0:
    time.sleep(60)
    os._exit(0)
print(engine().status().pid, flush=True)
if sys.argv[1] != "exit":
    time.sleep(60)
"""


def run_parent(way: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, way],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_the_engine_dies_with_its_killed_parent(weights: Path) -> None:
    with run_parent("kill") as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.kill()
        assert gone(child)


def test_the_engine_dies_though_a_fork_of_its_parent_lives(weights: Path) -> None:
    with run_parent("fork") as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        (fork,) = children_of(parent.pid, "") - {child}
        parent.kill()
        try:
            assert gone(child)
        finally:
            os.kill(fork, signal.SIGKILL)


def test_the_engine_ends_when_its_parent_exits(weights: Path) -> None:
    with run_parent("exit") as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert parent.wait(30) == 0
        assert gone(child)


def children_of(parent: int, script: str = "server.py") -> set[int]:
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                command = (entry / "cmdline").read_text()
                if script in command:
                    found.add(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


async def test_a_file_is_used_by_path(own: Engine, weights: Path, tmp_path: Path) -> None:
    file = tmp_path / "My-Model-Q4.gguf"
    file.symlink_to(weights)
    assert own.use(file) == "my-model-q4"
    await own.start()
    status = own.status()
    assert (status.model, status.file, status.note) == ("my-model-q4", file, "")
    reply = client(own).post("/chat/completions", json=HELLO).json()
    assert reply["model"] == "my-model-q4"


async def test_another_model_takes_the_place_of_the_first(
    own: Engine, weights: Path, tmp_path: Path
) -> None:
    file = tmp_path / "other.gguf"
    file.symlink_to(weights)
    await own.start()
    first = own.status().pid
    assert first
    await own.start(file)
    assert own.status().model == "other"
    assert gone(first)
    await own.start("smollm2-135m")
    assert own.status().model == "smollm2-135m"


async def test_an_unknown_model_is_named_with_the_known_ones(own: Engine) -> None:
    with pytest.raises(InputError, match=r"no model 'glm-9'.*smollm2-135m") as caught:
        await own.start("glm-9")
    assert "%glm local use" in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "not a GGUF"),
        (b"PK\x03\x04 a zip file", "not a GGUF"),
        (b"GGUF\x03\0\0\0", "damaged"),
    ],
)
def test_what_is_no_gguf_file_is_refused(
    own: Engine, tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "model.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=message):
        own.use(file)
    assert own.status().model == EMBEDDED.name


async def test_a_cut_off_model_fails_with_the_reason(
    own: Engine, weights: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(weights.read_bytes()[:20_000_000])
    own.use(cut)
    with pytest.raises(
        EngineError, match=r"could not load cut\.gguf: .*(corrupt|bounds)"
    ) as caught:
        await own.start()
    assert caught.value.remedy
    assert not own.status().running


async def test_without_the_extra_it_says_how_to_install_it(
    own: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert installed()
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    assert not installed()
    with pytest.raises(InputError, match="not installed") as caught:
        await own.start()
    assert "glm-jupyter[local]" in caught.value.remedy


def test_there_is_one_engine_in_a_process() -> None:
    assert engine() is engine()

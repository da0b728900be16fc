"""`glm.map(batch=True)` against a real socket: half the price, found again, nothing paid twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel

import glm_jupyter as glm
from glm_jupyter.api import batches
from glm_jupyter.api.errors import InputError
from glm_jupyter.mapping import MapInterrupted, MapStopped, batch_run, batch_state
from glm_jupyter.money.budget import Budgets
from glm_jupyter.money.ledger import Ledger
from glm_jupyter.money.limit import BudgetError
from glm_jupyter.recordings.recorder import Recorder
from glm_jupyter.recordings.replayer import Replayer
from glm_jupyter.schema import SchemaError
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.session import Session
from tests.protocol_server import ProtocolServer, Reply, Request

MODEL = "glm-4-airx"  # 10 RMB for a million tokens; in a batch 5
BAD = Reply(status=400, body={"error": {"code": "1301", "message": "unsafe"}})
GOOD = Reply(text='{"positive": true}', prompt_tokens=2, completion_tokens=98)
BUSY = {"error": {"code": "1302", "message": "slow down"}}


@pytest.fixture(autouse=True)
def service(server: ProtocolServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The server as the service, a session of this test, and nothing kept from another."""
    for kind in ("CACHE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    monkeypatch.setenv("ZAI_API_KEY", "id.secret")
    monkeypatch.setenv("ZAI_BASE_URL", server.url)
    monkeypatch.setattr(batch_run, "FIRST_WAIT", 0.01)
    new_session(monkeypatch)
    server.respond = echo


class Review(BaseModel):
    positive: bool


def new_session(monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session as a new kernel has it."""
    session = Session(budgets=Budgets(Ledger()))
    monkeypatch.setattr(sessions, "_current", session)
    return session


def question(request: Request) -> str:
    return str(request.json["messages"][-1]["content"])


def echo(request: Request) -> Reply:
    return Reply(text=f"re {question(request)}", prompt_tokens=2, completion_tokens=98)


def but(replies: dict[str, Reply]) -> Callable[[Request], Reply]:
    """Give these replies, and an echo otherwise."""
    return lambda request: replies.get(question(request)) or echo(request)


def ask(items: object, prompt: str | None = None, **options: object) -> glm.Answers:
    return glm.map(items, prompt, model=MODEL, batch=True, **options)  # type: ignore[arg-type]


def texts(answers: glm.Answers) -> list[str]:
    return list(answers.text)


def posts(server: ProtocolServer, path: str) -> int:
    sent = [request for request in server.requests if request.method == "POST"]
    return len([request for request in sent if request.path.endswith(path)])


def lines(server: ProtocolServer) -> list[bytes]:
    """The lines of all files that were handed in."""
    handed_in = [job["input_file_id"] for job in server.batching.jobs.values()]
    return [line for file in handed_in for line in server.batching.files[file].splitlines()]


def stop_at(monkeypatch: pytest.MonkeyPatch, turn: int) -> None:
    """Interrupt the kernel when a batch is asked about for the `turn`th time."""
    asked, left = batches.retrieved, [turn]

    async def interrupted(*args: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return await asked(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(batches, "retrieved", interrupted)


def spent() -> Decimal:
    return sum((line.cost for line in Ledger().lines()), Decimal(0))


def test_answers_come_in_order_at_half_the_price(server: ProtocolServer) -> None:
    answers = ask(["a", "b", "a", "c"], "Say {{ item }}")
    assert texts(answers) == ["re Say a", "re Say b", "re Say a", "re Say c"]
    # 100 tokens each; a duplicate is asked once.
    assert answers.cost == Decimal("0.0015")
    assert spent() == Decimal("0.0015")
    sent = [json.loads(line) for line in lines(server)]
    assert [line["body"]["messages"][-1]["content"] for line in sent] == [
        "Say a",
        "Say b",
        "Say c",
    ]
    assert "stream" not in sent[0]["body"]
    assert sent[0]["url"] == "/v4/chat/completions"
    assert posts(server, "chat/completions") == 0


def test_kept_answers_are_used_first_and_kept_for_later(server: ProtocolServer) -> None:
    glm.map(["a"], model=MODEL)
    assert texts(ask(["a", "b"])) == ["re a", "re b"]
    assert texts(glm.map(["b", "a"], model=MODEL)) == ["re b", "re a"]
    assert texts(ask(["b", "a"])) == ["re b", "re a"]
    assert posts(server, "/batches") == 1
    assert posts(server, "chat/completions") == 1
    assert texts(ask(["a", "b"], fresh=True)) == ["re a", "re b"]
    assert texts(ask(["a", "b"], fresh=True)) == ["re a", "re b"]
    assert posts(server, "/batches") == 3


def test_one_item_s_error_is_at_its_position_and_asked_again(server: ProtocolServer) -> None:
    server.respond = but({"b": BAD})
    server.batching.missing = {"request-3"}
    server.batching.counts_on_top = True
    answers = ask(["a", "b", None, "c", "d"])
    assert texts(answers) == ["re a", None, None, "re c", None]
    assert "unsafe" in str(answers.errors[1])
    assert isinstance(answers.errors[2], InputError)
    assert "do not tell of this item" in str(answers.errors[4])
    server.batching.missing = set()
    server.respond = echo
    assert texts(ask(["a", "b", None, "c", "d"])) == ["re a", "re b", None, "re c", "re d"]
    (_, second) = [job["input_file_id"] for job in server.batching.jobs.values()]
    assert len(server.batching.files[second].splitlines()) == 2


def test_a_schema_gives_values(server: ProtocolServer) -> None:
    server.respond = but({"good": GOOD})
    assert ask(["good"], schema=Review).parsed == [Review(positive=True)]
    assert ask(["good"], schema=Review).parsed == [Review(positive=True)]
    assert posts(server, "/batches") == 1


def second_try(request: Request) -> Reply:
    """No value at first; at the second try one for "slow", none for "bad"."""
    first = request.json["messages"][1]["content"]
    if first == "good" or (first == "slow" and "does not fit" in question(request)):
        return GOOD
    return Reply(text=f"Well, {first}.", prompt_tokens=2, completion_tokens=98)


def test_what_does_not_fit_is_asked_once_more_in_a_second_batch(server: ProtocolServer) -> None:
    server.respond = second_try
    answers = ask(["good", "slow", "bad", "slow"], schema=Review)
    yes = Review(positive=True)
    assert answers.parsed == [yes, yes, None, yes]
    assert isinstance(answers.errors[2], SchemaError)
    assert len(answers.batches) == len(server.batching.jobs) == 2
    # Its first answer is paid, too.
    assert answers[1] is not None
    assert answers[1].usage.total_tokens == 200
    assert answers[1].cost == Decimal("0.001")
    assert spent() == Decimal("0.0025")
    assert {job.state for job in Ledger().jobs()} == {"completed"}
    # A plain map asks the same, in the same words.
    asked = [json.loads(line)["body"]["messages"] for line in lines(server)]
    glm.map(["slow"], model=MODEL, schema=Review, fresh=True)
    assert server.chats[-1].json["messages"] in asked
    for batch in answers.batches:
        again = glm.batch(batch, schema=Review)
        assert again.parsed == answers.parsed
        assert set(again.errors) == {2}
    assert ask(["good", "slow"], schema=Review).parsed == [Review(positive=True)] * 2
    assert len(server.batching.jobs) == 2


def test_the_second_batch_is_within_the_budget(server: ProtocolServer) -> None:
    server.respond = lambda request: replace(second_try(request), completion_tokens=998)
    options = {"schema": Review, "max_tokens": 1000}
    with pytest.raises(MapStopped, match="budget of this map") as stopped:
        ask(["good", "slow"], budget="0.015 RMB", **options)
    assert stopped.value.answers.parsed == [Review(positive=True), None]
    assert "What is answered is kept" in stopped.value.remedy
    assert len(server.batching.jobs) == 1
    answers = ask(["good", "slow"], budget="0.016 RMB", **options)
    assert answers.parsed == [Review(positive=True)] * 2
    assert len(server.batching.jobs) == 2
    assert spent() == Decimal("0.015")


@pytest.mark.parametrize("state", ["cancelled", "expired"])
def test_what_a_stopped_batch_left_out_is_an_error(server: ProtocolServer, state: str) -> None:
    server.batching.states = ["in_progress", state]
    server.batching.missing = {"request-1"}
    answers = ask(["a", "b"])
    assert texts(answers) == ["re a", None]
    assert {"cancelled": "was cancelled", "expired": "has expired"}[state] in str(answers.errors[1])
    assert spent() == Decimal("0.0005")


def test_a_failed_batch_says_why_and_costs_nothing(server: ProtocolServer) -> None:
    server.batching.states = ["failed"]
    server.batching.errors = [{"code": "1211", "message": "模型不支持"}]
    with pytest.raises(MapStopped, match=r"could not run the batch batch_.*模型不支持"):
        ask(["a", "b"])
    assert spent() == 0


def test_a_refused_model_is_said_in_the_service_s_words(
    server: ProtocolServer, tmp_path: Path
) -> None:
    server.batching.fail("/batches", 400, {"error": {"code": "1211", "message": "no batch here"}})
    with pytest.raises(MapStopped, match="no batch here") as stopped:
        ask(["a"])
    assert "goes on" not in stopped.value.remedy
    assert list((tmp_path / "data" / "glm-jupyter" / "batches").iterdir()) == []
    assert Ledger().jobs() == []
    assert sessions.current().budgets.limits("RMB") == []
    assert texts(ask(["a"])) == ["re a"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model": "zai/glm-4.7"}, "zai takes no batches"),
        ({"model": "local/smollm2-135m"}, "local takes no batches"),
        ({"model": "cogvideox-3"}, "cogvideox-3 takes no batches"),
        ({"model": "cogview-4"}, "makes no text"),
        ({"model": MODEL, "tools": [len]}, "cannot use tools"),
        ({"model": MODEL, "web": True}, "cannot use web"),
    ],
)
def test_what_cannot_be_a_batch_is_refused_before_anything_is_sent(
    server: ProtocolServer, options: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        glm.map(["a"], batch=True, **options)  # type: ignore[arg-type]
    assert server.requests == []


def test_trouble_that_passes_is_waited_out(server: ProtocolServer) -> None:
    server.batching.states = ["validating", "a_state_of_next_year", "finalizing", "completed"]
    server.making.fail("/files", 0, None)
    server.batching.fail("/batches", 429, BUSY)
    server.batching.fail("508288", 503, {"error": {"code": "500", "message": "down"}})
    server.batching.fail("508288", 0, None)
    server.batching.fail("/content", 0, None)
    assert texts(ask(["a"])) == ["re a"]
    assert len(server.batching.jobs) == 1


@pytest.mark.parametrize("metadata", [True, False])
def test_a_batch_whose_reply_was_lost_is_found(server: ProtocolServer, metadata: bool) -> None:
    server.batching.keeps_metadata = metadata
    server.batching.lose("/batches")
    assert texts(ask(["a"])) == ["re a"]
    assert len(server.batching.jobs) == 1
    assert spent() == Decimal("0.0005")


def test_the_budget_is_kept_by_half_the_worst_case(server: ProtocolServer) -> None:
    # 1,000 tokens of an answer cost 0.01 RMB, 0.005 in a batch.
    with pytest.raises(BudgetError, match="budget of this map"):
        ask(["a", "b"], max_tokens=1000, budget="0.009 RMB")
    assert server.requests == []
    assert texts(ask(["a", "b"], max_tokens=1000, budget="0.011 RMB")) == ["re a", "re b"]
    sessions.current().budgets.set("day", "RMB", Decimal("0.005"))
    with pytest.raises(BudgetError, match="of today"):
        ask(["c"], max_tokens=1000)


def test_shards(server: ProtocolServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glm_jupyter.mapping.batch_state.MOST_LINES", 2)
    assert texts(ask("abcde".__iter__())) == [f"re {letter}" for letter in "abcde"]
    assert len(server.batching.jobs) == 3
    assert spent() == Decimal("0.0025")
    assert len(Ledger().jobs()) == 3
    assert {job.state for job in Ledger().jobs()} == {"completed"}


def test_a_file_that_is_refused_leaves_the_others_under_way(
    server: ProtocolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glm_jupyter.mapping.batch_state.MOST_LINES", 2)
    create = batches.created

    async def refused(*args: object) -> object:
        if server.batching.jobs:
            server.batching.fail("/batches", 400, {"error": {"code": "1214", "message": "full"}})
        return await create(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(batches, "created", refused)
    with pytest.raises(MapStopped, match="full") as stopped:
        ask("abc".__iter__())
    assert "The batch goes on" in stopped.value.remedy
    monkeypatch.setattr(batches, "created", create)
    assert texts(ask("abc".__iter__())) == ["re a", "re b", "re c"]
    assert len(server.batching.jobs) == 2
    assert spent() == Decimal("0.0015")


def test_two_kernels_do_not_hand_in_the_same(server: ProtocolServer) -> None:
    answers = ask(["a"])
    state = batch_state.find(answers.batches[0])
    assert state is not None
    with pytest.raises(InputError, match="Another kernel is waiting for this batch"):
        ask(["a"], fresh=False)
    state.close()
    assert texts(ask(["a"])) == ["re a"]


@pytest.mark.parametrize("found", [False, True])
def test_a_recorded_batch_is_replayed_without_the_service(
    server: ProtocolServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: bool
) -> None:
    server.respond = second_try
    items = ["good", "slow", "bad", "slow"]
    if found:  # begun before the recording
        server.batching.states = ["in_progress"]
        stop_at(monkeypatch, 2)
        with pytest.raises(MapInterrupted):
            ask(items, schema=Review)
        server.batching.states = ["completed"]
    session = new_session(monkeypatch)
    session.recorder = Recorder(tmp_path / "lesson.jsonl")
    answers = ask(items, schema=Review)
    assert len(server.batching.jobs) == 2
    assert session.recorder.count == 5
    monkeypatch.setenv("ZAI_BASE_URL", "http://127.0.0.1:9/gone")
    monkeypatch.delenv("ZAI_API_KEY")
    session = new_session(monkeypatch)
    session.replayer = Replayer(str(tmp_path / "lesson.jsonl"))
    played = ask(items, schema=Review)
    assert played.parsed == answers.parsed
    assert set(played.errors) == {2}
    assert played.cost == 0


def test_kept_answers_of_a_batch_cannot_be_recorded(
    server: ProtocolServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    glm.map(["a"], model=MODEL)
    server.batching.states = ["in_progress"]
    stop_at(monkeypatch, 2)
    with pytest.raises(MapInterrupted):
        ask(["a", "b"])
    server.batching.states = ["completed"]
    session = new_session(monkeypatch)
    session.recorder = Recorder(tmp_path / "lesson.jsonl")
    with pytest.raises(InputError, match="begun without a recording"):
        ask(["a", "b"])
    session.recorder = None
    assert texts(ask(["a", "b"])) == ["re a", "re b"]
    session.recorder = Recorder(tmp_path / "lesson.jsonl")
    assert texts(ask(["a", "b"])) == ["re a", "re b"]
    assert session.recorder.count == 2


def test_a_batch_by_its_id(server: ProtocolServer, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ask(["a", "b", "a"])
    new_session(monkeypatch)
    (batch,) = answers.batches
    sent = len(server.requests)
    assert texts(glm.batch(batch)) == ["re a", "re b", "re a"]
    assert len(server.requests) == sent
    assert spent() == Decimal("0.001")
    with pytest.raises(InputError, match="no batch batch_7 on this machine"):
        glm.batch("batch_7")


def test_an_interrupt_leaves_the_batch_and_its_money_held(
    server: ProtocolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.batching.states = ["in_progress"]
    stop_at(monkeypatch, 2)
    with pytest.raises(MapInterrupted) as stopped:
        ask(["a"], max_tokens=1000)
    assert "The batch goes on" in stopped.value._render_traceback_()[0]
    for budgets in (sessions.current().budgets, new_session(monkeypatch).budgets):
        budgets.set("day", "RMB", Decimal(1))
        (limit,) = budgets.limits("RMB")
        assert limit.held > Decimal("0.005")
    server.batching.states = ["completed"]
    assert texts(ask(["a"], max_tokens=1000)) == ["re a"]
    (limit,) = budgets.limits("RMB")
    assert (limit.held, limit.spent) == (0, Decimal("0.0005"))
    assert len(server.batching.jobs) == 1


# Dies before or after a step, as a kernel does that is killed.
KILLED = """
import os, sys
import pydantic
import glm_jupyter as glm
from glm_jupyter.mapping import batch_run, batch_state
from glm_jupyter.money.ledger import Ledger

batch_run.FIRST_WAIT = 0.01
batch_state.MOST_LINES = 2
when, step, turn = sys.argv[1:4]
left = [int(turn)]

def die():
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), 9)

places = {"note": batch_state.BatchState, "finish": batch_state.BatchState,
          "add_misfit": batch_state.BatchState, "ask_again": batch_state.BatchState,
          "settled": batch_state.Draft, "reserve": batch_run.Quote,
          "add_job": Ledger, "end_job": Ledger}
if step != "none":
    home = places.get(step, batch_run.batches)
    real = getattr(home, step)
    if step in places:
        def wrapped(*args, **more):
            if when == "before":
                die()
            result = real(*args, **more)
            if when == "after":
                die()
            return result
    else:
        async def wrapped(*args, **more):
            if when == "before":
                die()
            result = await real(*args, **more)
            if when == "after":
                die()
            return result
    setattr(home, step, wrapped)
items, more = ["a", "b", "a", "c"], {}
if sys.argv[4:]:
    class Review(pydantic.BaseModel):
        positive: bool

    items, more = ["good", "slow"], {"schema": Review}
answers = glm.map(items, model="glm-4-airx", batch=True, **more)
print(list(answers.text))
"""

STEPS = [
    *(
        (when, step, turn)
        for step in ("uploaded", "created", "retrieved", "saved", "add_job", "end_job")
        for when in ("before", "after")
        for turn in (1, 2)
    ),
    ("before", "settled", 1),
    ("after", "settled", 1),
    ("before", "finish", 1),
    ("after", "finish", 1),
    *(("after", "note", turn) for turn in range(1, 11)),
]


# Of a map whose second item has to be asked once more.
SECOND_STEPS = [
    ("after", "add_misfit", 1),
    ("after", "ask_again", 1),
    ("after", "uploaded", 2),
    ("after", "created", 2),
    ("after", "saved", 2),
]


def in_a_process(when: str, step: str, turn: int, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", KILLED, when, step, str(turn), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("when", "step", "turn"), STEPS)
def test_a_kill_at_any_step_neither_loses_nor_repeats(
    server: ProtocolServer, when: str, step: str, turn: int
) -> None:
    killed = in_a_process(when, step, turn)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = in_a_process("", "none", 0)
    assert again.stdout.strip() == str(["re a", "re b", "re a", "re c"]), again.stderr
    assert len(server.batching.jobs) == 2
    assert spent() == Decimal("0.0015")
    assert {job.state for job in Ledger().jobs()} == {"completed"}
    assert len(Ledger().jobs()) == 2


@pytest.mark.parametrize(("when", "step", "turn"), SECOND_STEPS)
def test_a_kill_during_the_second_try_neither_loses_nor_repeats(
    server: ProtocolServer, when: str, step: str, turn: int
) -> None:
    server.respond = second_try
    killed = in_a_process(when, step, turn, "schema")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = in_a_process("", "none", 0, "schema")
    assert again.stdout.strip() == str([GOOD.text] * 2), again.stderr
    assert len(server.batching.jobs) == 2
    assert spent() == Decimal("0.0015")
    assert {job.state for job in Ledger().jobs()} == {"completed"}


class Disk:
    """A service that is nothing but files, so that the memory of a test is the map's own."""

    def __init__(self) -> None:
        self.files: list[Path] = []

    async def uploaded(self, http: object, endpoint: object, path: Path) -> str:
        self.files.append(path)
        return str(len(self.files) - 1)

    async def created(self, http: object, endpoint: object, file: str, key: str) -> batches.Batch:
        return await self.retrieved(http, endpoint, file)

    async def retrieved(self, http: object, endpoint: object, batch: str) -> batches.Batch:
        return batches.Batch(batch, "completed", output_file=batch)

    async def saved(self, http: object, endpoint: object, file: str, path: Path) -> None:
        with self.files[int(file)].open() as asked, path.open("w") as out:
            for line in asked:
                body = {**GOOD.whole(MODEL), "request_id": "request"}
                response = {"status_code": 200, "body": body}
                name = json.loads(line)["custom_id"]
                out.write(json.dumps({"custom_id": name, "response": response}) + "\n")


def test_the_memory_does_not_grow_with_the_items(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Disk()
    for step in ("uploaded", "created", "retrieved", "saved"):
        monkeypatch.setattr(batches, step, getattr(service, step))
    monkeypatch.setattr("glm_jupyter.mapping.batch_state.MOST_LINES", 100)

    async def run(name: str, count: int) -> int:
        """The most bytes that a map of so many items of 1,000 characters has had."""
        tracemalloc.reset_peak()
        items = (f"{name} {number} ".ljust(1000, "x") for number in range(count))
        answered = 0
        async for result in glm.amap(items, "Good? {{ item }}", model=MODEL, batch=True):
            answered += result.answer is not None
        assert answered == count
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        asyncio.run(run("warm", 100))
        few, many = asyncio.run(run("few", 200)), asyncio.run(run("many", 1200))
    finally:
        tracemalloc.stop()
    # Of 1,000 more items, not 200 bytes of each.
    assert many - few < 1000 * 200, (few, many)

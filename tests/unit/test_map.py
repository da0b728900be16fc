"""`glm.map` and `glm.amap` against a real socket: what is asked, kept, paid, and what stops it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

import glm_jupyter as glm
from glm_jupyter.api.errors import AuthenticationError, InputError, RequestError
from glm_jupyter.mapping import Answers, MapStopped
from glm_jupyter.mapping import scheduler as dispatch
from glm_jupyter.mapping.table import bundle
from glm_jupyter.money.budget import Budgets
from glm_jupyter.money.ledger import Ledger
from glm_jupyter.money.limit import BudgetError
from glm_jupyter.recordings.recorder import Recorder
from glm_jupyter.recordings.replayer import Replayer
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.session import Session
from tests.protocol_server import ProtocolServer, Reply, Request

MODEL = "glm-4-airx"
BUSY = Reply(status=429, body={"error": {"code": "1302", "message": "slow down"}})
BAD = Reply(status=400, body={"error": {"code": "1301", "message": "unsafe"}})


@pytest.fixture(autouse=True)
def service(server: ProtocolServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The server as the service, a session of this test, and nothing kept from another."""
    for kind in ("CACHE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    monkeypatch.setenv("ZAI_API_KEY", "id.secret")
    monkeypatch.setenv("ZAI_BASE_URL", server.url)
    monkeypatch.setattr(dispatch, "FIRST_WAIT", 0.01)
    new_session(monkeypatch, tmp_path)
    server.respond = echo


class Review(BaseModel):
    positive: bool


def new_session(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Session:
    """A session as a new kernel has it: the same ledger, nothing else."""
    session = Session(budgets=Budgets(Ledger(folder / "ledger.sqlite")))
    monkeypatch.setattr(sessions, "_current", session)
    return session


def question(request: Request) -> str:
    return str(request.json["messages"][-1]["content"])


def echo(request: Request) -> Reply:
    return Reply(text=f"re {question(request)}", prompt_tokens=2, completion_tokens=98)


def some(reply: Reply, *questions: str) -> Callable[[Request], Reply]:
    """Give `reply` to these questions, once each, and an echo otherwise."""
    left = list(questions)

    def respond(request: Request) -> Reply:
        if question(request) in left:
            left.remove(question(request))
            return reply
        return echo(request)

    return respond


def test_a_list_in_order_whatever_comes_first(server: ProtocolServer) -> None:
    server.respond = lambda request: Reply(
        text=f"re {question(request)}", delay=0.2 if question(request) == "a" else 0
    )
    answers = glm.map(["a", "b", "c"], model=MODEL)
    assert answers.text == ["re a", "re b", "re c"]
    assert [answer.text for answer in answers] == answers.text
    assert (len(answers), answers[0].text, answers.errors) == (3, "re a", {})
    assert glm.session.messages == []


def test_a_series_keeps_its_index(server: ProtocolServer) -> None:
    items = pd.Series(["good", "bad"], index=["x", "y"], name="review")
    answers = glm.map(items, "One word:", model=MODEL)
    assert answers.text.to_dict() == {"x": "re One word:\n\ngood", "y": "re One word:\n\nbad"}
    frame = answers.frame()
    assert list(frame.index) == ["x", "y"]
    assert frame["cost"].sum() == answers.cost == Decimal("0.002")


def test_the_rows_of_a_frame_fill_the_braces(server: ProtocolServer) -> None:
    frame = pd.DataFrame({"name": ["Ann", "Bo"], "the age": [3, np.nan]})
    template = "{{ name }} is {{ item['the age'] }}. {x} \\frac{a}{b}"
    answers = glm.map(frame, template, model=MODEL)
    assert answers.text.tolist() == [
        "re Ann is 3.0. {x} \\frac{a}{b}",
        "re Bo is nan. {x} \\frac{a}{b}",
    ]
    assert glm.map(frame, model=MODEL).text[1] == "re name: Bo"


def test_braces_in_a_value_are_text(server: ProtocolServer) -> None:
    answers = glm.map(["{{ 1 + 1 }}"], "Say {{ item }}", model=MODEL)
    assert answers.text == ["re Say {{ 1 + 1 }}"]


@pytest.mark.parametrize("nothing", [None, float("nan"), "", "  ", pd.NA, pd.NaT])
def test_empty_items_are_not_asked(server: ProtocolServer, nothing: object) -> None:
    answers = glm.map([nothing, "a"], model=MODEL)
    assert answers.text == [None, "re a"]
    assert "empty" in str(answers.errors[0])
    assert len(server.chats) == 1


def test_duplicates_are_asked_and_paid_once(server: ProtocolServer) -> None:
    hold = threading.Event()
    server.respond = lambda request: Reply(
        text="re", prompt_tokens=2, completion_tokens=98, hold=hold
    )
    threading.Timer(0.2, hold.set).start()
    answers = glm.map(["a", "a", "b", "a"] * 5, model=MODEL, concurrency=1)
    assert len(server.chats) == 2
    assert answers.text == ["re"] * 20
    assert answers.cost == Decimal("0.002")
    assert answers.usage.total_tokens == 200


def test_one_failure_does_not_stop_the_rest(server: ProtocolServer) -> None:
    server.respond = some(BAD, "b")
    answers = glm.map(["a", "b", "c"], model=MODEL)
    assert answers.text == ["re a", None, "re c"]
    assert isinstance(answers.errors[1], RequestError)
    assert "1 failed" in repr(answers)
    assert answers.frame()["error"].notna().tolist() == [False, True, False]


def test_what_may_pass_is_asked_again(server: ProtocolServer) -> None:
    dropped = Reply(text="re something", cut_after=2, abrupt=True)
    server.respond = some(dropped, "a", "b")
    assert glm.map(["a", "b", "c"], model=MODEL).text == ["re a", "re b", "re c"]
    server.respond = some(BUSY, "d", "d", "e")
    assert glm.map(["d", "e", "f"], model=MODEL).text == ["re d", "re e", "re f"]


@pytest.mark.parametrize(
    ("level", "options", "rights"),
    [(0, {}, 5), (1, {}, 30), (1, {"concurrency": 2}, 2), (3, {"concurrency": 7}, 7)],
)
def test_as_many_in_flight_as_the_account_may_have(
    server: ProtocolServer, level: int, options: dict[str, int], rights: int
) -> None:
    most, hold = 0, threading.Event()

    def respond(request: Request) -> Reply:
        nonlocal most
        most = max(most, sum(not each.ended.is_set() for each in server.chats))
        if most == rights:
            threading.Timer(0.2, hold.set).start()  # time for one too many
        return Reply(hold=hold, hold_after=0)

    server.respond = respond
    glm.session.settings.level = level
    glm.map(map(str, range(3 * rights)), model=MODEL, **options)
    assert most == rights


def test_connections_are_used_again(server: ProtocolServer) -> None:
    glm.map(map(str, range(40)), model=MODEL)
    assert len(server.chats) == 40
    assert len({request.peer for request in server.chats}) <= 5


def test_a_response_that_does_not_end_holds_up_nothing(server: ProtocolServer) -> None:
    hold = threading.Event()
    # Eight frames of text, the finish, [DONE], and then silence.
    frames = [*Reply(text="12345678", chunk=1).frames("m"), b": nothing more\n\n"]
    server.respond = lambda request: Reply(raw=frames, hold=hold, hold_after=len(frames) - 1)
    answers = glm.map(["a", "b"], model=MODEL)
    hold.set()
    assert answers.text == ["12345678"] * 2


def test_it_finds_the_limit_that_the_service_has(server: ProtocolServer) -> None:
    refused = 0

    def respond(request: Request) -> Reply:
        nonlocal refused
        if sum(not each.ended.is_set() for each in server.chats) > 3:
            refused += 1
            return BUSY
        return Reply(delay=0.02)

    server.respond = respond
    answers = glm.map(map(str, range(60)), model=MODEL, concurrency=20)
    assert answers.errors == {}
    assert len(answers) == 60
    assert refused < 60


def test_the_same_map_in_a_new_kernel_pays_only_for_what_is_missing(
    server: ProtocolServer, monkeypatch, tmp_path: Path
) -> None:
    server.respond = some(BAD, "b")
    first = glm.map(["a", "b", "c"], model=MODEL)
    assert first.text == ["re a", None, "re c"]
    session = new_session(monkeypatch, tmp_path)
    again = glm.map(["a", "b", "c"], model=MODEL)
    assert again.text == ["re a", "re b", "re c"]
    assert [question(request) for request in server.chats].count("a") == 1
    assert len(server.chats) == 4
    assert session.spent == {"RMB": Decimal("0.001")}
    # What it cost then is still known.
    assert again.cost == Decimal("0.003")
    assert again[0].id == first[0].id


def test_fresh_asks_anew_but_duplicates_still_once(server: ProtocolServer) -> None:
    glm.map(["a"], model=MODEL)
    glm.map(["a", "b", "a"], model=MODEL, fresh=True, concurrency=1)
    assert [question(request) for request in server.chats] == ["a", "a", "b"]


def test_another_request_is_another_answer(server: ProtocolServer) -> None:
    glm.map(["a"], model=MODEL)
    glm.map(["a"], model=MODEL, temperature=0.5)
    glm.map(["a"], model="glm-4-plus")
    assert len(server.chats) == 3


def test_kept_answers_hold_no_prompt_and_are_whole(server: ProtocolServer, tmp_path) -> None:
    reply = Reply(
        text="yes",
        reasoning="hm",
        sources=[{"title": "t", "link": "https://example.org"}],
        cached_tokens=3,
    )
    server.respond = lambda request: reply
    (first,) = glm.map(["a very private prompt"], model=MODEL)
    (again,) = glm.map(["a very private prompt"], model=MODEL)
    assert again is not first
    assert again.to_json() == first.to_json()
    (file,) = (tmp_path / "cache").rglob("answers.sqlite")
    assert b"private" not in file.read_bytes()
    assert b"id.secret" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0


def test_a_damaged_or_impossible_cache_is_no_obstacle(
    server: ProtocolServer, tmp_path: Path, monkeypatch
) -> None:
    glm.map(["a"], model=MODEL)
    (file,) = (tmp_path / "cache").rglob("answers.sqlite")
    file.write_bytes(b"this is no database" * 100)
    assert glm.map(["a", "b"], model=MODEL).text == ["re a", "re b"]
    assert glm.map(["a", "b"], model=MODEL).text == ["re a", "re b"]
    assert len(server.chats) == 3
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert glm.map(["a", "b", "a"], model=MODEL).text == ["re a", "re b", "re a"]


@pytest.mark.parametrize(("reason", "asked"), [("length", 2), ("abort", 4)])
def test_what_was_cut_off_is_said_and_asked_again_where_that_may_help(
    server: ProtocolServer, reason: str, asked: int
) -> None:
    server.respond = lambda request: Reply("Half", finish_reason=reason)
    for _ in range(2):
        answers = glm.map(["a", "b"], model="glm-4-airx")
        assert repr(answers).startswith("<Answers: 2 of 2 answered, 2 cut off")
        assert answers.frame()["complete"].tolist() == [False, False]
        assert "cut off: Half" in bundle(answers)["text/plain"]
    assert len(server.chats) == asked


def test_old_answers_are_forgotten(server: ProtocolServer, tmp_path: Path) -> None:
    glm.map(["a", "b"], model=MODEL)
    (file,) = (tmp_path / "cache").rglob("answers.sqlite")
    db = sqlite3.connect(file)
    db.execute("UPDATE answers SET day = '2001-01-01' WHERE answer LIKE '%re a%'")
    db.commit()
    db.close()
    glm.map(["a", "b"], model=MODEL)
    assert [question(request) for request in server.chats].count("a") == 2
    assert [question(request) for request in server.chats].count("b") == 1


def test_it_stops_before_the_budget_is_passed(server: ProtocolServer) -> None:
    # An answer costs 0.001 RMB; before it is sent, up to about 0.0013 must be assumed.
    items = [f"number {number:03}" for number in range(50)]
    options = {"model": MODEL, "max_tokens": 120}
    with pytest.raises(MapStopped) as caught:
        glm.map(items, budget="0.01 RMB", concurrency=8, **options)
    stopped = caught.value
    assert isinstance(stopped.__cause__, BudgetError)
    assert "0.01 RMB" in str(stopped)
    given = [answer for answer in stopped.answers if answer]
    assert len(stopped.answers) == 50
    assert 7 <= len(given) <= 10
    assert stopped.answers.cost == len(given) * Decimal("0.001")
    assert len(server.chats) == len(given)
    # The same goes on from there, with a budget of its own.
    answers = glm.map(items, budget=1, concurrency=8, **options)
    assert len(server.chats) == 50
    assert answers.errors == {}


def test_a_budget_of_the_session_stops_it_too(server: ProtocolServer) -> None:
    glm.session.budgets.set("session", "RMB", Decimal("0.01"))
    with pytest.raises(MapStopped, match="of this session") as caught:
        glm.map(map(str, range(50)), model=MODEL, max_tokens=120, concurrency=8)
    assert glm.session.spent["RMB"] <= Decimal("0.01")
    assert 7 <= len(server.chats) <= 10
    assert isinstance(caught.value.__cause__, BudgetError)


def test_a_budget_needs_a_price_and_its_currency(server: ProtocolServer) -> None:
    with pytest.raises(InputError, match="not known"):
        glm.map(["a", "b"], model="no-such-model", budget=1)
    with pytest.raises(InputError, match="bills in RMB"):
        glm.map(["a", "b"], model=MODEL, budget="1 USD")
    with pytest.raises(MapStopped, match="0 RMB, might be passed: 0 RMB are spent"):
        glm.map(["a"], model=MODEL, budget=0)
    assert server.chats == []


def test_a_budget_counts_the_requests_that_follow_from_an_answer(server: ProtocolServer) -> None:
    # Each item takes two requests: the first answer is no value, and is sent back.
    server.respond = lambda request: Reply(
        text="no JSON" if len(request.json["messages"]) < 4 else json.dumps({"positive": True}),
        prompt_tokens=100,
        completion_tokens=100,
    )
    options = {"model": MODEL, "max_tokens": 100, "schema": Review, "concurrency": 3}
    with pytest.raises(MapStopped, match="of this map") as caught:
        glm.map(map(str, range(20)), "Good?", budget="0.011 RMB", **options)
    assert any(caught.value.answers)
    assert Decimal(0) < glm.session.spent["RMB"] <= Decimal("0.011")


def test_the_limit_of_one_answer_concerns_that_answer_only(server: ProtocolServer) -> None:
    items = ["a", "too long " * 1000, "b"]
    answers = glm.map(items, model=MODEL, max_tokens=100, max_cost="0.01 RMB")
    assert answers.text == ["re a", None, "re b"]
    assert "--max-cost 0.01" in str(answers.errors[1])


def test_a_wrong_key_stops_it_at_once(server: ProtocolServer) -> None:
    server.key = "another"
    with pytest.raises(MapStopped) as caught:
        glm.map(map(str, range(100)), model=MODEL, concurrency=4)
    assert isinstance(caught.value.__cause__, AuthenticationError)
    assert len(server.chats) <= 8


@pytest.mark.parametrize(
    ("code", "most"),
    [("1308", 4), ("1113", 4), ("1211", 24)],  # quota used up, no balance, no such model
)
def test_what_would_refuse_every_item_stops_it(server: ProtocolServer, code: str, most) -> None:
    body = {"error": {"code": code, "message": "no"}}
    server.respond = lambda request: Reply(status=429, body=body, delay=0.05)
    with pytest.raises(MapStopped) as caught:
        glm.map(map(str, range(100)), model=MODEL, concurrency=4)
    assert caught.value.code == code
    assert len(server.chats) <= most


def test_no_key_fails_before_anything_is_sent(server: ProtocolServer, monkeypatch) -> None:
    monkeypatch.delenv("ZAI_API_KEY")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    with pytest.raises(AuthenticationError, match="no key"):
        glm.map(["a"], model=MODEL)
    assert server.chats == []


def test_it_fails_where_every_item_does(server: ProtocolServer) -> None:
    with pytest.raises(MapStopped, match="temperature"):
        glm.map(["a", "b"], model=MODEL, temperature=1.5)
    with pytest.raises(MapStopped, match="nothing") as caught:
        glm.map(["a", "b"], "{{ nothing }}", model=MODEL)
    assert "goes on" not in caught.value.remedy  # there is nothing to go on from
    assert server.chats == []


@pytest.mark.parametrize("items", ["text", b"bytes", {"a": 1}, 5, None])
def test_what_is_no_list_of_items_is_refused(server: ProtocolServer, items: object) -> None:
    with pytest.raises(InputError, match="not a list of items"):
        glm.map(items, model=MODEL)


@pytest.mark.parametrize("prompt", [5, ["a"], b"a"])
def test_a_prompt_is_text(server: ProtocolServer, prompt: object) -> None:
    with pytest.raises(InputError, match="A prompt is text"):
        glm.map(["a"], prompt, model=MODEL)


@pytest.mark.parametrize("concurrency", [0, -1, 2.5, "many"])
def test_a_concurrency_that_is_none_is_refused(server: ProtocolServer, concurrency) -> None:
    with pytest.raises(InputError, match="concurrency"):
        glm.map(["a"], model=MODEL, concurrency=concurrency)


def test_no_items_are_no_answers(server: ProtocolServer) -> None:
    answers = glm.map([], model=MODEL)
    assert len(answers) == 0
    assert answers.text == []
    assert repr(answers) == "<Answers: 0 of 0 answered>"
    assert answers.frame()["text"].tolist() == []


def test_values_are_validated_and_kept(server: ProtocolServer) -> None:
    server.respond = lambda request: Reply(
        text=json.dumps({"positive": "good" in str(request.json)})
    )
    items = pd.Series(["good", "bad"])
    for _ in range(2):
        answers = glm.map(items, "Is this positive?", model=MODEL, schema=Review)
        assert answers.parsed.tolist() == [Review(positive=True), Review(positive=False)]
    assert len(server.chats) == 2


def test_it_is_replayed_without_a_service(server: ProtocolServer, monkeypatch, tmp_path) -> None:
    file = tmp_path / "map.glm.jsonl"
    glm.map(["a"], model=MODEL)
    glm.session.recorder = Recorder(file)
    glm.map(["a", "b"], model=MODEL)
    monkeypatch.delenv("ZAI_API_KEY")
    session = new_session(monkeypatch, tmp_path)
    session.replayer = Replayer(str(file), speed=float("inf"))
    asked = len(server.chats)
    answers = glm.map(["a", "b"], model=MODEL)
    assert answers.text == ["re a", "re b"]
    assert answers[0].notes[0] == "recorded"
    assert answers.cost == 0
    assert len(server.chats) == asked


def test_in_a_replayed_map_equal_items_have_the_same_answer(
    server: ProtocolServer, monkeypatch, tmp_path
) -> None:
    numbers = iter("123456")
    server.respond = lambda request: Reply(text=next(numbers))
    file = tmp_path / "map.glm.jsonl"
    items = ["a", "b", "a"]

    def ask_twice() -> list[list[str]]:
        return [glm.map(items, model=MODEL, concurrency=1).text for _ in range(2)]

    glm.session.recorder = Recorder(file)
    live = ask_twice()
    assert live == [["1", "2", "1"], ["3", "4", "3"]]
    session = new_session(monkeypatch, tmp_path)
    session.replayer = Replayer(str(file), speed=float("inf"))
    assert ask_twice() == live
    # What was replayed is no answer of the service.
    session.replayer = None
    shelved = glm.map(items, model=MODEL, concurrency=1)
    assert shelved.text == live[1]
    assert shelved[0].notes == []


async def test_amap_gives_results_as_they_come(server: ProtocolServer) -> None:
    server.respond = lambda request: Reply(
        text=f"re {question(request)}", delay=0.3 if question(request) == "slow" else 0
    )
    found = [r async for r in glm.amap(["slow", "quick", None, "slow"], model=MODEL)]
    assert [result.position for result in found][-2:] == [0, 3]
    texts = {result.position: result.answer and result.answer.text for result in found}
    assert texts == {0: "re slow", 1: "re quick", 2: None, 3: "re slow"}
    (failed,) = [result for result in found if result.error]
    assert failed.position == 2


async def test_items_may_be_endless_and_leaving_cancels_what_is_in_flight(
    server: ProtocolServer,
) -> None:
    def endless():
        number = 0
        while True:
            number += 1
            yield str(number)

    count = 0
    results = glm.amap(endless(), model=MODEL, concurrency=3)
    async for _ in results:
        count += 1
        if count == 20:
            break
    await results.aclose()
    assert 20 <= len(server.chats) <= 30
    assert glm.session.running == ()


async def test_what_was_answered_but_not_taken_is_kept(server: ProtocolServer) -> None:
    results = glm.amap(["a", "b", "c"], model=MODEL)
    await anext(results)
    while glm.session.running:
        await asyncio.sleep(0.01)
    await results.aclose()
    assert len([result async for result in glm.amap(["a", "b", "c"], model=MODEL)]) == 3
    assert len(server.chats) == 3


async def test_a_cancelled_map_keeps_what_is_done(server: ProtocolServer) -> None:
    hold = threading.Event()
    server.respond = lambda request: (
        Reply(hold=hold, hold_after=0) if question(request) == "last" else echo(request)
    )
    seen = []

    async def ask() -> None:
        async for result in glm.amap(["a", "b", "last"], model=MODEL):
            seen.append(result.position)

    task = asyncio.create_task(ask())
    while len(seen) < 2:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    hold.set()
    server.respond = echo
    async for _ in glm.amap(["a", "b", "last"], model=MODEL):
        pass
    assert [question(request) for request in server.chats].count("a") == 1


async def test_it_stops_where_the_service_is_gone(server: ProtocolServer, monkeypatch) -> None:
    from glm_jupyter.mapping import concurrency as pace

    monkeypatch.setattr(pace, "FIRST_PAUSE", 0.001)
    monkeypatch.setenv("ZAI_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(glm.GLMError, match="nothing answers"):
        async for _ in glm.amap(map(str, range(1000)), model=MODEL):
            pass


@pytest.mark.timeout(60)
@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_wants_an_hour_of_silence_is_not_waited_for(
    server: ProtocolServer, status: int
) -> None:
    busy = Reply(status=status, headers={"Retry-After": "3600"}, body=BUSY.body)
    server.respond = some(busy, "b")
    with pytest.raises(MapStopped, match="after 1 answer") as raised:
        glm.map(["a", "b", "c"], model=MODEL, concurrency=1)
    assert "It asks to wait 3,600 s." in raised.value.remedy
    assert raised.value.answers.text == ["re a", None, None]


@pytest.mark.timeout(60)
def test_stopping_what_is_under_way_keeps_the_answers(server: ProtocolServer) -> None:
    hold = threading.Event()
    server.respond = lambda request: (
        Reply(hold=hold) if question(request) in ("c", "d") else echo(request)
    )

    def stop() -> None:
        while len(server.chats) < 4 or not server.chats[1].ended.wait(0.1):
            time.sleep(0.05)
        glm.session.stop_running()

    threading.Thread(target=stop).start()
    with pytest.raises(MapStopped, match="after 2 answers") as raised:
        glm.map(["a", "b", "c", "d", "e", "f"], model=MODEL, concurrency=2)
    hold.set()
    assert raised.value.answers.text == ["re a", "re b", None, None, None, None]
    assert "goes on from there" in raised.value.remedy
    assert len(server.chats) == 4
    assert glm.session.running == ()


def test_the_ledger_has_every_request(server: ProtocolServer) -> None:
    glm.map(map(str, range(40)), model=MODEL)
    rows = glm.session.budgets.ledger.rows()
    assert len(rows) == 40
    assert sum(row["cost"] for row in rows) == glm.session.spent["RMB"] == Decimal("0.04")


def test_answers_of_unknown_price_have_no_sum() -> None:
    answers = Answers(2)
    priced, unknown = glm.Answer("m", "e"), glm.Answer("m", "e")
    priced.cost = Decimal(1)
    answers.put(0, priced)
    assert answers.cost == 1
    answers.put(1, unknown)
    assert answers.cost is None
    assert "cost unknown" in repr(answers)

"""Budgets: what is let through, what is stopped, and what is said about it."""

from __future__ import annotations

import errno
import sqlite3
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_jupyter.answer import Answer
from glm_jupyter.api.errors import IncompleteError, InputError
from glm_jupyter.money import ceiling, ledger_file
from glm_jupyter.money.amounts import LARGEST, parse_amount
from glm_jupyter.money.budget import Budgets
from glm_jupyter.money.ledger import Ledger
from glm_jupyter.money.limit import BudgetError, Limit
from glm_jupyter.render.summary import line
from glm_jupyter.sessions.options import AskOptions
from glm_jupyter.sessions.session import Session
from glm_jupyter.sessions.turn import Turn
from tests.protocol_server import ProtocolServer, Reply


@pytest.fixture(autouse=True)
def no_ceiling(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(ceiling, "folders", lambda: [tmp_path / "etc"])
    ceiling.ceilings.cache_clear()
    yield
    ceiling.ceilings.cache_clear()


async def ask(session: Session, prompt: str = "Hello", **options: Any) -> Answer:
    turn = session.turn(prompt, AskOptions.of(**options))
    async for _ in turn.stream():
        pass
    return turn.answer


def paid(cost: str) -> Answer:
    answer = Answer("glm-5", "bigmodel")
    answer.cost, answer.currency = Decimal(cost), "RMB"
    return answer


def set_ceiling(tmp_path: Path, text: str, name: str = "ipython/ipython_config.py") -> None:
    path = tmp_path / "etc" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    ceiling.ceilings.cache_clear()


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("5", (Decimal(5), "RMB")),
        ("0.25", (Decimal("0.25"), "RMB")),
        ("5 USD", (Decimal(5), "USD")),
        ("5usd", (Decimal(5), "USD")),
        ("$2", (Decimal(2), "USD")),
        ("¥3.50", (Decimal("3.5"), "RMB")),
        (" 3 元 ", (Decimal(3), "RMB")),
        ("0", (Decimal(0), "RMB")),
        ("USD 2", (Decimal(2), "USD")),
        (str(0.00001), (Decimal("0.00001"), "RMB")),
    ],
)
def test_amounts(text: str, amount: tuple[Decimal, str]) -> None:
    assert parse_amount(text, "RMB") == amount


@pytest.mark.parametrize(
    "text",
    ["-5", "", "five", "1e9", "nan", "inf", "5 EUR", "$5 RMB", "1.2.3", ".", "5,5", "9999999"],
)
def test_what_is_no_budget_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_amount(text, "RMB")
    assert refusal.value.remedy


@given(st.text(max_size=12))
def test_any_text_is_an_amount_within_bounds_or_an_input_error(text: str) -> None:
    try:
        value, currency = parse_amount(text, "USD")
    except InputError:
        return
    assert 0 <= value <= LARGEST
    assert currency in ("RMB", "USD")


async def test_an_answer_is_booked_in_session_and_ledger(session: Session, ledger: Ledger) -> None:
    answer = await ask(session, model="glm-4-airx")
    assert session.spent == {"RMB": Decimal("0.00046")} == {"RMB": answer.cost}
    (row,) = ledger.rows()
    assert (row["cost"], row["finish"], row["model"]) == (answer.cost, "stop", "glm-4-airx")


async def test_the_worst_case_must_fit_into_what_is_left(
    session: Session, server: ProtocolServer
) -> None:
    session.budgets.set("session", "RMB", Decimal("0.01"))
    with pytest.raises(BudgetError) as refusal:
        await ask(session, model="glm-4-airx")
    assert server.requests == []
    assert "0.01 RMB" in str(refusal.value)
    fits = int(refusal.value.remedy.split("--max-tokens ")[1].split()[0])
    await ask(session, model="glm-4-airx", max_tokens=fits)
    assert len(server.requests) == 1
    with pytest.raises(BudgetError):
        await ask(session, model="glm-4-airx", max_tokens=fits)


async def test_a_refused_request_is_not_booked(session: Session, ledger: Ledger) -> None:
    session.budgets.set("session", "RMB", Decimal(0))
    with pytest.raises(BudgetError):
        await ask(session, model="glm-4-airx")
    assert ledger.rows() == []
    assert session.answers == 0


async def test_free_models_answer_without_any_budget(session: Session) -> None:
    session.budgets.set("session", "RMB", Decimal(0))
    answer = await ask(session, model="glm-4.7-flash")
    assert answer.complete


async def test_a_web_search_counts_also_with_a_free_model(
    session: Session, server: ProtocolServer
) -> None:
    session.budgets.set("session", "RMB", Decimal("0.015"))
    server.enqueue(Reply("It rains.", sources=[{"title": "Rain"}]))
    answer = await ask(session, model="glm-4.7-flash", web=True)
    assert answer.cost == Decimal("0.01")
    with pytest.raises(BudgetError, match="a web search for") as refusal:
        await ask(session, model="glm-4.7-flash", web=True)
    assert "Leave out --web" in refusal.value.remedy
    assert len(server.requests) == 1
    assert (await ask(session, model="glm-4.7-flash")).complete


async def test_the_longest_answer_that_fits_leaves_room_for_a_web_search(
    session: Session, server: ProtocolServer
) -> None:
    session.budgets.set("session", "RMB", Decimal("0.02"))
    with pytest.raises(BudgetError) as refusal:
        await ask(session, model="glm-4-plus", web=True)
    fits = int(refusal.value.remedy.split("--max-tokens ")[1].split()[0])
    with pytest.raises(BudgetError):
        await ask(session, model="glm-4-plus", web=True, max_tokens=fits + 1)
    assert (await ask(session, model="glm-4-plus", web=True, max_tokens=fits)).complete


async def test_a_search_made_counts_while_the_answer_grows(
    session: Session, server: ProtocolServer
) -> None:
    # A service that counts past --max-tokens, but for the search within the limit.
    server.enqueue(
        Reply("word " * 400, sources=[{"title": "Rain"}], usage="every", completion_tokens=1500)
    )
    with pytest.raises(BudgetError, match="was stopped"):
        await ask(session, model="glm-4-airx", web=True, max_tokens=500, max_cost="0.018")


async def test_images_count_with_the_most_tokens_they_can_take(session: Session) -> None:
    options = {"model": "glm-4.6v", "max_tokens": 10, "image": ["https://example.org/a.png"] * 2}
    session.budgets.set("session", "RMB", Decimal("0.015"))
    with pytest.raises(BudgetError, match="at most 7,502 for each image"):
        await ask(session, **options)
    session.budgets.set("session", "RMB", Decimal("0.0152"))
    assert (await ask(session, **options)).complete


async def test_images_of_unknown_size_are_said_not_to_be_counted(session: Session) -> None:
    session.budgets.set("session", "RMB", Decimal("0.0001"))
    images = ["https://example.org/a.png"]
    with pytest.raises(BudgetError, match="images are not counted"):
        await ask(session, model="glm-5v-turbo", image=images)


async def test_an_unknown_price_is_refused_only_where_there_is_a_budget(session: Session) -> None:
    answer = await ask(session, model="glm-from-tomorrow")
    assert answer.cost is None
    session.budgets.set("session", "RMB", Decimal(5))
    with pytest.raises(BudgetError, match="not known"):
        await ask(session, model="glm-from-tomorrow")


async def test_a_budget_in_dollars_limits_nothing_in_rmb(session: Session) -> None:
    session.budgets.set("session", "USD", Decimal(0))
    assert (await ask(session, model="glm-4-airx")).complete


async def test_a_budget_of_a_day_counts_other_kernels(session: Session, ledger: Ledger) -> None:
    other = Answer("glm-5", "bigmodel")
    other.cost, other.currency = Decimal("4.99"), "RMB"
    Ledger(ledger.path).finish(other, "stop")
    session.budgets.set("day", "RMB", Decimal(5))
    with pytest.raises(BudgetError, match="of today"):
        await ask(session, model="glm-4-airx")
    session.budgets.set("day", "RMB", Decimal("5.1"))
    assert (await ask(session, model="glm-4-airx")).complete


async def test_a_budget_of_a_day_holds_back_what_other_kernels_have_under_way(
    session: Session, ledger: Ledger
) -> None:
    session.budgets.set("day", "RMB", Decimal(5))
    other, elsewhere = Answer("glm-5", "bigmodel"), Ledger(ledger.path)
    elsewhere.begin(other, most=Decimal("4.99"), currency="RMB")
    with pytest.raises(BudgetError, match="under way"):
        await ask(session, model="glm-4-airx")
    other.cost, other.currency = Decimal("0.01"), "RMB"
    elsewhere.finish(other, "stop")
    assert (await ask(session, model="glm-4-airx")).complete


async def test_requests_of_one_session_at_the_same_time_share_its_budget(session: Session) -> None:
    session.budgets.set("session", "RMB", Decimal("0.015"))
    first = session.turn("Hello", AskOptions.of(model="glm-4-airx", max_tokens=1000)).stream()
    await anext(first)
    with pytest.raises(BudgetError, match="under way"):
        await ask(session, model="glm-4-airx", max_tokens=1000)
    async for _ in first:
        pass
    assert (await ask(session, model="glm-4-airx", max_tokens=1000)).complete


async def test_kernels_that_ask_at_once_share_the_budget_of_a_day(
    session: Session, ledger: Ledger, server: ProtocolServer
) -> None:
    session.budgets.set("day", "RMB", Decimal("0.015"))  # for one and a half requests
    others = [Session(budgets=Budgets(Ledger(ledger.path))) for _ in range(4)]
    turns = [one.turn("Hello", AskOptions(model="glm-4-airx", max_tokens=1000)) for one in others]
    meet = threading.Barrier(4)

    def send(turn: Turn) -> bool:
        meet.wait()
        try:
            turn.opening.reserve(turn.budgets)
        except BudgetError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(send, turns)) == 1


def test_nothing_is_lost_where_many_threads_book(ledger: Ledger) -> None:
    budgets = Budgets(ledger)
    seen: list[object] = []
    ended = threading.Event()

    def book() -> None:
        for _ in range(500):
            budgets.settle(paid("0.01"), "stop")

    def look() -> None:
        while not ended.is_set():
            seen.append((budgets.spent, budgets.so_far, budgets.booked))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ledger.in_background(), ThreadPoolExecutor() as pool:
            looking = pool.submit(look)
            for done in [pool.submit(book) for _ in range(8)]:
                done.result()
            ended.set()
            looking.result()
    finally:
        sys.setswitchinterval(before)
    assert budgets.spent == {"RMB": Decimal(40)}
    assert [line.requests for line in budgets.booked] == [4000]
    assert ledger.lines()[0].cost == 40


async def test_waiting_for_the_ledger_is_no_time_of_the_answer(
    session: Session, ledger: Ledger
) -> None:
    ledger.set_budget("day", "RMB", Decimal(5))
    await ask(session, model="glm-4-airx")
    with sqlite3.connect(ledger.path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        answer = await ask(session, model="glm-4-airx")
        other.execute("COMMIT")
    assert answer.complete
    assert any("locked by another program" in note for note in answer.notes)
    assert len(ledger.rows()) == 2
    assert answer.seconds
    assert answer.seconds < ledger_file.BUSY_SECONDS  # what it has waited for the ledger


@pytest.mark.parametrize("limit", ["0.01", "0.01 RMB", "¥0.01"])
async def test_max_cost_limits_one_cell(session: Session, limit: str) -> None:
    with pytest.raises(BudgetError, match="--max-cost"):
        await ask(session, model="glm-4-airx", max_cost=limit)
    assert (await ask(session, model="glm-4-airx", max_tokens=900, max_cost=limit)).complete


async def test_max_cost_in_a_currency_that_is_not_billed_is_an_error(session: Session) -> None:
    with pytest.raises(InputError, match="USD"):
        await ask(session, model="glm-4-airx", max_cost="1 USD")


async def test_an_answer_that_costs_more_than_it_could_is_stopped(
    session: Session, server: ProtocolServer, ledger: Ledger
) -> None:
    # A service that counts on and on, past --max-tokens.
    server.enqueue(Reply(text="word " * 400, usage="every", completion_tokens=5000))
    with pytest.raises(BudgetError, match="was stopped"):
        await ask(session, model="glm-4-airx", max_tokens=900, max_cost="0.01")
    assert session.last is not None
    assert not session.last.complete
    assert session.last.text
    (row,) = ledger.rows()
    assert row["finish"].startswith("error")
    assert row["cost"] == session.last.cost == session.spent["RMB"]


async def test_an_answer_that_has_ended_is_not_stopped_any_more(
    session: Session, server: ProtocolServer
) -> None:
    # An image may take more tokens than was known, and the count comes when all is there.
    server.enqueue(Reply("Hello.", prompt_tokens=20_000))
    images = ["https://example.org/a.png"]
    options = {"model": "glm-5v-turbo", "max_tokens": 100, "image": images}
    answer = await ask(session, **options, max_cost="0.01")
    assert answer.complete
    assert answer.cost == Decimal("0.100748")  # 20,000 x 5 + 34 x 22, per million


LONG = "word " * 3000


def look(text: str) -> str:
    """Look it up."""
    return text


@pytest.mark.parametrize(
    "reply",
    [
        Reply(LONG, chunk=200, usage="none"),
        Reply("", reasoning=LONG, chunk=200, usage="none"),
        Reply(
            "",
            tool_calls=[{"name": "look", "arguments": {"text": LONG}}],
            tool_stream=True,
            chunk=200,
            usage="none",
        ),
    ],
    ids=["text", "reasoning", "function call"],
)
async def test_without_a_known_longest_answer_the_stream_is_watched(
    session: Session, server: ProtocolServer, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    from dataclasses import replace

    from glm_jupyter.api import catalogue

    known = catalogue.find("glm-4-airx", "bigmodel")
    assert known
    monkeypatch.setattr(catalogue, "find", lambda *_: replace(known, max_output=None))
    server.enqueue(reply)
    with pytest.raises(BudgetError, match="was stopped"):
        await ask(session, model="glm-4-airx", tools=[look], max_cost="0.01")
    assert session.last is not None
    assert session.last.usage.estimated
    assert session.last.cost is not None
    assert Decimal("0.01") < session.last.cost < Decimal("0.02")


async def test_a_stopped_answer_is_booked_as_an_estimate(
    session: Session, server: ProtocolServer, ledger: Ledger
) -> None:
    server.enqueue(Reply(text="word " * 1000, pause=0.01))
    stream = session.turn("Hello", AskOptions.of(model="glm-4-airx")).stream()
    async for event in stream:
        if getattr(event, "text", ""):
            break
    await stream.aclose()
    (row,) = ledger.rows()
    assert (row["finish"], row["estimated"]) == ("stopped", True)
    assert row["cost"] > 0


async def test_what_was_counted_when_an_answer_broke_off_is_a_lower_bound(
    session: Session, server: ProtocolServer
) -> None:
    server.enqueue(Reply(text="word " * 20, usage="every", cut_after=5))
    with pytest.raises(IncompleteError):
        await ask(session, model="glm-4-airx")
    assert session.last is not None
    assert session.last.usage.completion_tokens == 34
    assert "at least 0.00046 RMB" in line(session.last)


async def test_a_refused_key_costs_nothing(session: Session, server: ProtocolServer) -> None:
    server.key = "another.key"
    with pytest.raises(Exception, match="key"):
        await ask(session, model="glm-4-airx")
    assert session.spent.get("RMB", 0) == 0
    assert session.unpriced == 0


async def test_a_ceiling_holds_beside_a_higher_budget(session: Session, tmp_path: Path) -> None:
    set_ceiling(tmp_path, "c = get_config()\nc.GLMCeiling.day = ['0.01 RMB']\n")
    session.budgets.set("day", "RMB", Decimal(100))
    with pytest.raises(BudgetError, match="administrator") as refusal:
        await ask(session, model="glm-4-airx")
    assert "administrator" in refusal.value.remedy
    limits = session.budgets.limits("RMB")
    assert [(limit.amount, limit.ceiling) for limit in limits] == [
        (Decimal(100), False),
        (Decimal("0.01"), True),
    ]


async def test_a_notebook_cannot_raise_the_ceiling_by_settings(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_ceiling(tmp_path, '{"GLMCeiling": {"session": ["0.01"]}}', "jupyter/jupyter_config.json")
    with pytest.raises(InputError, match="currency"):
        await ask(session, model="glm-4-airx")
    set_ceiling(
        tmp_path, '{"GLMCeiling": {"session": ["0.01 RMB"]}}', "jupyter/jupyter_config.json"
    )
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_CONFIG_PATH", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    session.settings.config.GLMCeiling.session = ["100 RMB"]
    session.settings.update_config(session.settings.config)
    with pytest.raises(BudgetError, match="ceiling"):
        await ask(session, model="glm-4-airx")


def test_of_several_ceilings_the_lowest_counts(tmp_path: Path) -> None:
    set_ceiling(tmp_path, "c.GLMCeiling.day = ['5 RMB', '1 USD']")
    set_ceiling(
        tmp_path,
        '{"GLMCeiling": {"day": ["3 RMB"], "month": ["9 RMB"]}}',
        "jupyter/jupyter_config.json",
    )
    assert ceiling.ceilings() == {
        ("day", "RMB"): 3,
        ("day", "USD"): 1,
        ("month", "RMB"): 9,
    }


@pytest.mark.parametrize(
    "text", ["c.GLMCeiling.dya = ['5 RMB']", "c.GLMCeiling.day = ['5 Taler']", "c.GLMCeiling.day ="]
)
def test_a_ceiling_with_a_slip_is_an_error_and_no_free_pass(tmp_path: Path, text: str) -> None:
    set_ceiling(tmp_path, text)
    with pytest.raises(InputError, match="ceiling"):
        ceiling.ceilings()


async def test_a_ceiling_that_may_not_be_read_lets_nothing_through(
    session: Session, server: ProtocolServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_ceiling(tmp_path, "c.GLMCeiling.day = ['5 RMB']")
    text_of = Path.read_text

    def refused(path: Path, *args: Any, **kwargs: Any) -> str:
        if path.name == "ipython_config.py":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return text_of(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", refused)  # root may read every file
    with pytest.raises(InputError, match="cannot be read: Permission denied") as refusal:
        await ask(session, model="glm-4-airx")
    assert "administrator" in refusal.value.remedy
    assert not server.chats


def test_a_ceiling_whose_file_fails_to_open_another_is_no_free_pass(tmp_path: Path) -> None:
    set_ceiling(tmp_path, "c.GLMCeiling.day = [open('/no/such/file').read()]")
    with pytest.raises(InputError, match="ceiling"):
        ceiling.ceilings()


def test_system_files_without_a_ceiling_are_not_run(tmp_path: Path) -> None:
    set_ceiling(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert ceiling.ceilings() == {}
    assert not (tmp_path / "ran").exists()


def test_a_budget_that_cannot_be_kept_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    budgets = Budgets(Ledger(tmp_path / "data" / "ledger.sqlite"))
    with pytest.raises(InputError) as refusal:
        budgets.set("day", "RMB", Decimal(5))
    assert "session" in refusal.value.remedy
    budgets.set("session", "RMB", Decimal(5))
    budgets.settle(paid("2"), "stop")
    (limit,) = budgets.limits("RMB")
    assert limit.left == 3


def test_a_ledger_that_cannot_be_read_still_counts_the_session(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    set_ceiling(tmp_path, "c.GLMCeiling.day = ['5 RMB']")
    budgets = Budgets(Ledger(tmp_path / "data" / "ledger.sqlite"))
    budgets.settle(paid("2"), "stop")
    (limit,) = budgets.limits("RMB")
    assert limit.left == 3


async def test_money_does_not_follow_the_precision_of_a_lesson_on_rounding(
    session: Session, server: ProtocolServer, ledger: Ledger
) -> None:
    server.enqueue(Reply("Hello.", prompt_tokens=123_457, completion_tokens=1_001))
    with localcontext(prec=3):
        answer = await ask(session, model="glm-4-airx")
        await ask(session, model="glm-4-airx")
        session.budgets.set("day", "RMB", Decimal("5.0000001"))
        (limit,) = session.budgets.limits("RMB")
        left = limit.left
    assert answer.cost == Decimal("1.24458")  # 124,458 tokens x 10, per million
    assert ledger.lines()[0].cost == session.spent["RMB"] == Decimal("1.24504")
    assert left == Decimal("3.7549601")


@given(
    spent=st.decimals(0, 100, places=6),
    held=st.decimals(0, 100, places=6),
    amount=st.decimals(0, 100, places=6),
)
def test_what_is_left_is_never_below_nothing_nor_above_the_budget(
    spent: Decimal, held: Decimal, amount: Decimal
) -> None:
    limit = Limit("day", amount, "RMB", spent, held)
    assert 0 <= limit.left <= amount
    assert limit.left == 0 or limit.left + spent + held == amount

"""The sums beside the ledger's rows: to the last digit what adding up the rows would give."""

from __future__ import annotations

import multiprocessing
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glm_jupyter.answer import Answer
from glm_jupyter.api.events import Usage
from glm_jupyter.money import ledger as module
from glm_jupyter.money import ledger_file
from glm_jupyter.money.ledger import Job, Ledger, span
from glm_jupyter.money.sums import stamp

BASE_URL = "https://a.example/v4"
NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
BY = (None, "model", "kind", "day", "notebook", "endpoint")


class Clock(datetime):
    """A clock that stands where a test has put it."""

    moment = NOON

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return cls.moment


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Clock]]:
    monkeypatch.setattr(module, "datetime", Clock)
    Clock.moment = NOON
    yield Clock
    Clock.moment = NOON


@pytest.fixture(params=["UTC", "Asia/Shanghai", "Asia/Kathmandu", "America/St_Johns"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def answered(cost: str | None = "0.5", currency: str | None = "RMB", number: int = 0) -> Answer:
    answer = Answer("glm-5", "bigmodel")
    answer.usage = Usage(3, 5, 8, 1, 2)
    answer.cost = None if cost is None else Decimal(cost)
    answer.currency = currency
    answer.id = str(number) if number else answer.id
    return answer


def added_up(
    ledger: Ledger, by: str | None, since: datetime | None, until: datetime | None
) -> dict[tuple[str, str | None], tuple[int, Decimal, int]]:
    """Requests, cost and unpriced ones of each group, from the rows alone."""
    with sqlite3.connect(ledger.path) as db:
        open_jobs = {row[0] for row in db.execute("SELECT request FROM jobs WHERE ended IS NULL")}
        ids = [row[0] for row in db.execute("SELECT id FROM requests ORDER BY begun, rowid")]
    sums: dict[tuple[str, str | None], tuple[int, Decimal, int]] = {}
    for number, row in zip(ids, ledger.rows(), strict=True):
        begun = row["begun"]
        if (since and begun < since) or (until and begun >= until) or number in open_jobs:
            continue
        if row["finish"] is None and begun >= Clock.moment - module.LONGEST_REQUEST:
            continue
        groups: dict[str | None, str] = {
            None: "",
            "model": f"{row['endpoint']}/{row['model']}",
            "kind": row["kind"],
            "day": begun.date().isoformat(),
            "notebook": row["notebook"] or "",
            "endpoint": row["endpoint"],
        }
        key = groups[by], row["currency"]
        requests, cost, unpriced = sums.get(key, (0, Decimal(0), 0))
        with localcontext(prec=100):
            cost += row["cost"] or Decimal(0)
        sums[key] = requests + 1, cost, unpriced + (row["cost"] is None)
    return sums


def kept(
    ledger: Ledger, by: str | None, since: datetime | None, until: datetime | None
) -> dict[tuple[str, str | None], tuple[int, Decimal, int]]:
    lines = ledger.lines(by, since, until)
    return {(one.key, one.currency): (one.requests, one.cost, one.unpriced) for one in lines}


def same(ledger: Ledger, since: datetime | None = None, until: datetime | None = None) -> None:
    for by in BY:
        assert kept(ledger, by, since, until) == added_up(ledger, by, since, until), by
    assert ledger.next_warning() is None


amounts = st.one_of(
    st.none(),
    st.decimals(0, 10**6, places=18).map(lambda amount: format(amount, "f")),
    st.sampled_from(["0", "0.1", "0.000000000000000000000001", "1000000"]),
)
moments = st.integers(-40 * 24 * 60, 60).map(lambda minutes: NOON + timedelta(minutes=minutes))
steps = st.lists(
    st.tuples(
        st.sampled_from(["begin", "finish", "finish", "job", "end", "tick"]),
        st.integers(1, 6),
        amounts,
        st.sampled_from(["RMB", "USD", None]),
        st.sampled_from(["a.ipynb", "b.ipynb", None]),
        st.sampled_from(["chat", "video"]),
        moments,
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps, moments, moments)
def test_sums_are_what_the_rows_add_up_to_whatever_happens_to_them(
    steps: list[tuple[Any, ...]], since: datetime, until: datetime
) -> None:
    with TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.sqlite")
        ledger.lines()
        Clock.moment = NOON
        for what, number, cost, currency, notebook, kind, moment in steps:
            answer = answered(cost, currency, number)
            answer.kind = kind
            if what == "begin":
                most = None if cost is None else Decimal(cost)
                ledger.begin(answer, most=most, currency=currency, notebook=notebook)
            elif what == "finish":
                ledger.finish(answer, "stop", notebook=notebook)
            elif what == "job":
                asked = str(number)
                ledger.add_job(
                    Job(asked, BASE_URL, asked, kind, answer.endpoint, answer.model, "waves")
                )
            elif what == "end":
                ledger.end_job(str(number), BASE_URL, "SUCCESS")
            else:
                Clock.moment = moment
        Clock.moment = NOON
        same(ledger)
        same(ledger, since, until)
        same(Ledger(ledger.path), since)
        same(ledger, None, until)


def test_days_and_months_are_those_of_the_users_zone(
    zone: str, tmp_path: Path, clock: type[Clock]
) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for minutes in range(0, 70 * 24 * 60, 397):
        clock.moment = NOON - timedelta(minutes=minutes)
        ledger.finish(answered("0.01", number=minutes + 1), "stop")
    clock.moment = NOON
    same(ledger)
    same(ledger, *span("day", NOON))
    same(ledger, *span("month", NOON))
    same(ledger, NOON - timedelta(days=14, minutes=7))


def test_a_file_of_before_gets_its_sums_from_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: type[Clock]
) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    rows = [
        (
            str(number),
            stamp(NOON - timedelta(minutes=1511 * number)),
            None if number % 3 else "a.ipynb",
            None if number % 5 == 0 else f"0.{number}",
            None if number % 7 == 0 else "RMB",
            None if number % 11 == 0 else "stop",
        )
        for number in range(60)
    ]
    with monkeypatch.context() as patch:
        patch.setattr(ledger_file, "MIGRATIONS", ledger_file.MIGRATIONS[:1])
        ledger.budgets()
        with sqlite3.connect(ledger.path) as db:
            db.executemany(
                "INSERT INTO requests (id, begun, endpoint, model, notebook, cost, currency, "
                "finish) VALUES (?, ?, 'bigmodel', 'glm-5', ?, ?, ?, ?)",
                rows,
            )
    same(ledger)
    same(ledger, *span("month", NOON))
    ledger.finish(answered("3"), "stop")
    same(ledger, *span("day", NOON))


def test_a_request_that_is_corrected_counts_once_as_it_is_now(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.finish(answered("0.30", number=1), "stop")
    ledger.finish(answered("0.1", number=1), "stop")
    ledger.finish(answered("0.2", "USD", number=1), "stop")
    assert [(line.currency, line.requests, line.cost) for line in ledger.lines()] == [
        ("USD", 1, Decimal("0.2"))
    ]
    same(ledger)


def test_sums_are_exact_though_the_notebook_rounds_its_decimals(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with localcontext(prec=3):
        for cost in ("1000.00001", "0.00001", "0.12345"):
            ledger.finish(answered(cost, number=1), "stop")
            ledger.finish(answered(cost), "stop")
    same(ledger)


def test_a_budget_of_the_day_counts_what_the_sums_say(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.set_budget("day", "RMB", Decimal(5))
    ledger.begin(answered(None, number=1), most=Decimal("0.7"), currency="RMB")
    ledger.finish(answered("0.25"), "stop")
    ledger.finish(answered("2", "USD"), "stop")
    standing = ledger.standing("RMB", ["month"])
    assert standing
    assert standing.spent == {"day": Decimal("0.25"), "month": Decimal("0.25")}
    assert standing.held == {"day": Decimal("0.7"), "month": Decimal("0.7")}


PATIENCE = 60.0  # a busy machine may leave a kernel standing in the midst of its write


def _write(path: Path, first: int, count: int) -> None:
    ledger_file.BUSY_SECONDS = PATIENCE
    ledger = Ledger(path)
    for number in range(first, first + count):
        answer = answered(f"0.{number}", number=number)
        ledger.begin(answer, most=Decimal(1), currency="RMB", notebook=f"{number % 3}.ipynb")
        ledger.finish(answer, "stop")
        ledger.add_job(Job(answer.id, BASE_URL, answer.id, "video", "bigmodel", "glm-5", "waves"))
        ledger.end_job(answer.id, BASE_URL, "SUCCESS")
    assert ledger.next_warning() is None


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the other processes, and their patience."""
    monkeypatch.setattr(module, "datetime", datetime)
    monkeypatch.setattr(ledger_file, "BUSY_SECONDS", PATIENCE)
    Clock.moment = datetime.now(UTC)


def test_several_kernels_keep_one_sum(real: None, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    spawn = multiprocessing.get_context("spawn")
    # The same requests from two of them: each counts once.
    kernels = [
        spawn.Process(target=_write, args=(path, first, 15)) for first in (100, 100, 200, 300)
    ]
    for kernel in kernels:
        kernel.start()
    for kernel in kernels:
        kernel.join()
    assert [kernel.exitcode for kernel in kernels] == [0] * 4
    ledger = Ledger(path)
    assert [line.requests for line in ledger.lines()] == [45]
    same(ledger)
    same(ledger, *span("month"))


def _write_for_ever(path: Path) -> None:
    for first in range(100, 10**6, 5):
        _write(path, first, 5)


def test_a_kernel_killed_at_any_moment_leaves_the_sums_right(real: None, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    spawn = multiprocessing.get_context("spawn")
    for _ in range(4):
        before = len(ledger.rows())
        kernel = spawn.Process(target=_write_for_ever, args=(ledger.path,))
        kernel.start()
        while len(ledger.rows()) < before + 7:
            time.sleep(0.003)
        kernel.kill()
        kernel.join()
        Clock.moment = datetime.now(UTC)
        same(ledger)
        with sqlite3.connect(ledger.path) as db:
            db.execute("DELETE FROM jobs")
            db.execute("DELETE FROM requests")
            db.execute("DELETE FROM sums")
    assert ledger.next_warning() is None


def test_a_job_that_two_kernels_end_is_spent_once(real: None, tmp_path: Path) -> None:
    ledger, other = (Ledger(tmp_path / "ledger.sqlite") for _ in range(2))
    asked = answered("2", number=1)
    ledger.begin(asked, most=Decimal(2), currency="RMB")
    ledger.add_job(Job("j", BASE_URL, asked.id, "video", "bigmodel", "glm-5", "waves"))
    ledger.finish(asked, "stop")
    assert ledger.lines() == []
    ended = [one.end_job("j", BASE_URL, "SUCCESS") for one in (ledger, other, ledger)]
    assert Counter(ended) == {True: 1, False: 2}
    assert [line.cost for line in other.lines()] == [2]
    Clock.moment = datetime.now(UTC)
    same(ledger)


def test_nobodys_budget_reads_the_rows_that_have_ended(tmp_path: Path) -> None:
    """What a request asks of the ledger does not grow with it: no row of before is looked at."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.set_budget("day", "RMB", Decimal(5))
    ledger.set_budget("month", "RMB", Decimal(50))

    def steps() -> int:
        """How many thousand steps of SQLite's machine the budgets of a request take."""
        taken = 0

        def count() -> int:
            nonlocal taken
            taken += 1
            return 0

        def work(db: sqlite3.Connection) -> None:
            db.set_progress_handler(count, 10)
            ledger._standing(db, "RMB", [])

        ledger._file.use(work, None)
        return taken

    for number in range(1, 11):
        ledger.finish(answered("0.01", number=number), "stop")
    few = steps()
    with ledger.in_background():
        for number in range(11, 2001):
            ledger.finish(answered("0.01", number=number), "stop")
    assert steps() <= few * 2

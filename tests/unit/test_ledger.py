"""The ledger: one row per request, whatever happens to file, clock and other kernels."""

from __future__ import annotations

import multiprocessing
import resource
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from glm_jupyter.answer import Answer
from glm_jupyter.api.events import TextDelta, Usage
from glm_jupyter.money import ledger as module
from glm_jupyter.money import ledger_file
from glm_jupyter.money.ledger import Job, Ledger, span


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def answered(cost: str | None = "0.5", currency: str | None = "RMB", **changes: object) -> Answer:
    answer = Answer(str(changes.pop("model", "glm-4-airx")), "bigmodel")
    answer.apply(TextDelta("the secret of the answer"))
    answer.usage = Usage(33, 885, 918, 5, 7, **changes)  # type: ignore[arg-type]
    answer.cost = None if cost is None else Decimal(cost)
    answer.currency = currency
    answer.request_id = "req-1"
    return answer


def clock(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return moment

    monkeypatch.setattr(module, "datetime", Clock)


def test_a_request_is_one_row_with_all_it_took(ledger: Ledger) -> None:
    answer = answered("0.00918")
    ledger.begin(answer, most=Decimal("0.1"), currency="RMB", notebook="lesson.ipynb")
    ledger.finish(answer, "stop")
    (row,) = ledger.rows()
    assert row.pop("begun").utcoffset() is not None
    assert row == {
        "kind": "chat",
        "endpoint": "bigmodel",
        "model": "glm-4-airx",
        "notebook": "lesson.ipynb",
        "prompt_tokens": 33,
        "cached_tokens": 5,
        "completion_tokens": 885,
        "reasoning_tokens": 7,
        "estimated": False,
        "cost": Decimal("0.00918"),
        "currency": "RMB",
        "finish": "stop",
        "seconds": None,
        "request_id": "req-1",
    }


def test_finishing_twice_or_without_beginning_is_still_one_row(ledger: Ledger) -> None:
    answer = answered()
    ledger.finish(answer, "stop")
    ledger.finish(answer, "stop")
    assert len(ledger.rows()) == 1


def test_no_text_of_an_answer_is_in_the_file(ledger: Ledger) -> None:
    answer = answered()
    ledger.begin(answer)
    ledger.finish(answer, "stop")
    assert b"secret" not in ledger.path.read_bytes()


def test_currencies_are_never_added_together(ledger: Ledger) -> None:
    for cost, currency in (("0.1", "RMB"), ("0.2", "RMB"), ("0.3", "USD"), ("0", None)):
        ledger.finish(answered(cost, currency), "stop")
    sums = {line.currency: line.cost for line in ledger.lines()}
    assert sums == {"RMB": Decimal("0.3"), "USD": Decimal("0.3"), None: 0}


def test_sums_of_many_small_amounts_are_exact(ledger: Ledger) -> None:
    for _ in range(50):
        ledger.finish(answered("0.000000000000000001"), "stop")
    (line,) = ledger.lines()
    assert line.cost == Decimal("0.00000000000000005")


def test_a_sum_tells_how_many_of_its_requests_are_estimated_or_unpriced(ledger: Ledger) -> None:
    ledger.finish(answered("1"), "stop")
    ledger.finish(answered("2", estimated=True), "stopped")
    ledger.finish(answered(None), "stop")
    (line,) = ledger.lines()
    assert (line.requests, line.cost, line.estimated, line.unpriced) == (3, 3, 1, 1)


def test_lines_by_model_and_by_notebook(ledger: Ledger) -> None:
    for model, notebook in (("glm-4.7", "a.ipynb"), ("glm-5", "a.ipynb"), ("glm-5", None)):
        ledger.finish(answered("1", model=model), "stop", notebook=notebook)
    assert [(line.key, line.requests) for line in ledger.lines("model")] == [
        ("bigmodel/glm-4.7", 1),
        ("bigmodel/glm-5", 2),
    ]
    assert {line.key: line.cost for line in ledger.lines("notebook")} == {"a.ipynb": 2, "": 1}


def test_a_request_under_way_holds_what_it_may_cost(ledger: Ledger) -> None:
    since, _ = span("day")
    answer = answered()
    ledger.begin(answer, most=Decimal("2.5"), currency="RMB")
    assert ledger.held(since) == {"RMB": Decimal("2.5")}
    ledger.finish(answer, "stop")
    assert ledger.held(since) == {}


def test_a_request_under_way_is_in_no_sum(ledger: Ledger) -> None:
    one = answered()
    ledger.begin(one, most=Decimal("2.5"), currency="RMB")
    assert ledger.lines() == ledger.lines("model") == []
    ledger.finish(one, "stop")
    assert [line.requests for line in ledger.lines()] == [1]


def test_the_request_of_a_killed_kernel_holds_nothing_for_ever(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    clock(monkeypatch, now - timedelta(hours=2))
    ledger.begin(answered(), most=Decimal("2.5"), currency="RMB")
    clock(monkeypatch, now)
    assert ledger.held(now - timedelta(days=1)) == {}
    (line,) = ledger.lines()
    assert (line.requests, line.unpriced, line.cost) == (1, 1, 0)


def test_a_clock_that_was_ahead_holds_nothing_until_then(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    clock(monkeypatch, now + timedelta(days=400))
    ledger.begin(answered(), most=Decimal("2.5"), currency="RMB")
    clock(monkeypatch, now)
    ledger.begin(answered(), most=Decimal("0.5"), currency="RMB")
    assert ledger.held(now - timedelta(days=1)) == {"RMB": Decimal("0.5")}


def test_a_clock_that_jumps_loses_and_doubles_no_row(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    clock(monkeypatch, now + timedelta(days=400))
    early = answered("1")
    ledger.begin(early)
    clock(monkeypatch, now)
    ledger.finish(early, "stop")
    ledger.finish(answered("2"), "stop")
    assert sum(line.cost for line in ledger.lines()) == 3
    start, end = span("day", now)
    assert [line.cost for line in ledger.lines(since=start, until=end)] == [2]


def test_days_are_local_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        start, end = span("day", datetime(2026, 11, 21, 17, 0, tzinfo=UTC))
        assert start == datetime(2026, 11, 21, 16, 0, tzinfo=UTC)
        assert end == datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
        start, end = span("month", datetime(2026, 12, 31, 17, 0, tzinfo=UTC))
        assert start == datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
        assert end == datetime(2027, 1, 31, 16, 0, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_day_with_a_change_of_clocks_is_as_long_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        start, end = span("day", datetime(2026, 10, 25, 12, 0, tzinfo=UTC))
        assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=25)
    finally:
        monkeypatch.undo()
        time.tzset()


def _write_many(path: Path, count: int) -> None:
    ledger_file.BUSY_SECONDS = 60  # a busy machine may leave a kernel standing in its write
    ledger = Ledger(path)
    for _ in range(count):
        answer = answered("0.01")
        ledger.begin(answer)
        ledger.finish(answer, "stop")
    assert ledger.next_warning() is None


def test_several_kernels_write_at_once(ledger: Ledger) -> None:
    spawn = multiprocessing.get_context("spawn")
    kernels = [spawn.Process(target=_write_many, args=(ledger.path, 20)) for _ in range(4)]
    for kernel in kernels:
        kernel.start()
    for kernel in kernels:
        kernel.join()
    assert [kernel.exitcode for kernel in kernels] == [0] * 4
    assert [line.cost for line in ledger.lines()] == [Decimal("0.8")]


def test_a_killed_kernel_loses_at_most_its_unfinished_request(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_file, "BUSY_SECONDS", 60)
    ledger.finish(answered("7"), "stop")
    kernel = multiprocessing.get_context("spawn").Process(
        target=_write_many, args=(ledger.path, sys.maxsize)
    )
    kernel.start()
    while len(ledger.rows()) < 5:
        time.sleep(0.01)
    kernel.kill()
    kernel.join()
    rows = ledger.rows()
    assert sum(row["finish"] is None for row in rows) <= 1
    assert sum(row["cost"] == 7 for row in rows) == 1
    ledger.finish(answered("8"), "stop")
    assert len(ledger.rows()) == len(rows) + 1
    assert ledger.next_warning() is None


def test_what_a_lock_keeps_from_being_written_is_written_when_it_is_free(ledger: Ledger) -> None:
    ledger.finish(answered("1"), "stop")
    with sqlite3.connect(ledger.path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        ledger.begin(late := answered("2"))
        ledger.finish(late, "stop")
        assert ledger.rows() == []
        assert ledger.broken
        assert "locked by another program" in str(ledger.next_warning())
        other.execute("COMMIT")
    assert [row["cost"] for row in ledger.rows()] == [1, 2]
    assert not ledger.broken
    assert ledger.next_warning() is None


def test_a_job_is_known_while_the_file_is_locked_and_written_when_it_is_free(
    ledger: Ledger,
) -> None:
    ledger.finish(answered("1"), "stop")
    job = Job("v1", "https://host/v4", "r1", "video", "bigmodel", "cogvideox-3", "A cat")
    with sqlite3.connect(ledger.path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert not ledger.add_job(job)
        assert [each.id for each in ledger.jobs()] == ["v1"]
        other.execute("COMMIT")
    assert [each.state for each in ledger.jobs()] == ["PROCESSING"]
    assert [each.id for each in Ledger(ledger.path).jobs()] == ["v1"]
    assert ledger.end_job("v1", "https://host/v4", "SUCCESS")
    assert not ledger.end_job("v1", "https://host/v4", "SUCCESS")


def test_requests_beside_an_ending_map_raise_nothing_and_are_kept(ledger: Ledger) -> None:
    def maps() -> None:
        for _ in range(50):
            with ledger.in_background():
                ledger.finish(answered("1"), "stop")

    def cells() -> None:
        for _ in range(100):
            ledger.finish(answered("1"), "stop")

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(maps), pool.submit(maps), pool.submit(cells)]:
            done.result()
    assert len(ledger.rows()) == 200
    assert ledger.next_warning() is None


def test_a_damaged_file_is_put_aside_and_said_once(ledger: Ledger) -> None:
    damage = b"this was a ledger once" * 100
    ledger.path.write_bytes(damage)
    ledger.finish(answered(), "stop")
    assert len(ledger.rows()) == 1
    (aside,) = ledger.path.parent.glob("ledger-damaged-*.sqlite")
    assert aside.read_bytes() == damage
    complaint = ledger.next_warning()
    assert complaint
    assert aside.name in complaint
    assert ledger.next_warning() is None


def test_a_page_damaged_in_the_middle_is_noticed(ledger: Ledger) -> None:
    for _ in range(100):
        ledger.finish(answered(), "stop")
    content = bytearray(ledger.path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    ledger.path.write_bytes(content)
    ledger.finish(answered("3"), "stop")
    assert [row["cost"] for row in ledger.rows()] == [3]
    assert ledger.next_warning()


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE requests SET cost = 'much'",
        "UPDATE requests SET begun = 'once'",
        "INSERT INTO budgets VALUES ('day', 'RMB', 'lots')",
    ],
)
def test_a_value_that_cannot_be_read_stops_nothing_and_is_said(ledger: Ledger, spoil: str) -> None:
    ledger.finish(answered(), "stop")
    with sqlite3.connect(ledger.path) as db:
        db.execute(spoil)
    ledger.rows()
    ledger.lines()
    assert ledger.budgets() == {}
    assert "cannot be used" in str(ledger.next_warning())
    assert ledger.next_warning() is None


def test_a_file_that_cannot_be_written_stops_nothing_and_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    ledger = Ledger(tmp_path / "data" / "ledger.sqlite")
    ledger.begin(answered())
    ledger.finish(answered(), "stop")
    assert ledger.rows() == []
    assert not ledger.set_budget("day", "RMB", Decimal(5))
    complaint = ledger.next_warning()
    assert complaint
    assert "go on" in complaint
    assert ledger.next_warning() is None


def test_a_full_disk_stops_nothing_and_loses_nothing_written_before(ledger: Ledger) -> None:
    ledger.finish(answered("1"), "stop")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ledger.path.stat().st_size // 2, hard))
    try:
        ledger.finish(answered("2"), "stop")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ledger.next_warning()
    ledger.finish(answered("3"), "stop")
    assert [row["cost"] for row in ledger.rows()] == [1, 3]


def test_a_file_of_a_newer_version_is_left_alone(ledger: Ledger) -> None:
    with sqlite3.connect(ledger.path) as db:
        db.execute("PRAGMA user_version = 99")
    before = ledger.path.read_bytes()
    ledger.finish(answered(), "stop")
    assert ledger.path.read_bytes() == before
    complaint = ledger.next_warning()
    assert complaint
    assert "newer" in complaint


def test_a_migration_keeps_the_rows(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.finish(answered("1"), "stop")
    later = "ALTER TABLE requests ADD COLUMN images INTEGER NOT NULL DEFAULT 0"
    monkeypatch.setattr(ledger_file, "MIGRATIONS", (*ledger_file.MIGRATIONS, later))
    ledger.finish(answered("2"), "stop")
    assert [row["cost"] for row in ledger.rows()] == [1, 2]
    with sqlite3.connect(ledger.path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(ledger_file.MIGRATIONS),)
        assert db.execute("SELECT images FROM requests").fetchall() == [(0,), (0,)]


def test_a_migration_that_fails_changes_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.finish(answered("1"), "stop")
    broken = "ALTER TABLE requests ADD COLUMN images INTEGER; ALTER TABLE nothing ADD COLUMN x"
    with monkeypatch.context() as patch:
        patch.setattr(ledger_file, "MIGRATIONS", (*ledger_file.MIGRATIONS, broken))
        ledger.finish(answered("2"), "stop")
        assert ledger.next_warning()
    assert [row["cost"] for row in ledger.rows()] == [1]


def test_budgets_are_kept_for_all_kernels(ledger: Ledger) -> None:
    assert ledger.set_budget("day", "RMB", Decimal("5.5"))
    assert ledger.set_budget("month", "USD", Decimal(10))
    other = Ledger(ledger.path)
    assert other.budgets() == {("day", "RMB"): Decimal("5.5"), ("month", "USD"): Decimal(10)}
    other.set_budget("day", "RMB", None)
    assert ledger.budgets() == {("month", "USD"): Decimal(10)}


def job(number: str = "1", **changes: object) -> Job:
    known = {"request": "r1", "kind": "video", "endpoint": "e", "model": "m", "asked": "waves"}
    known["base_url"] = "https://a.example/v4"
    return Job(id=number, **{**known, **changes})  # type: ignore[arg-type]


def test_a_file_of_before_has_chats_only(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_file, "MIGRATIONS", ledger_file.MIGRATIONS[:1])
    row = (
        "INSERT INTO requests (id, begun, endpoint, model, finish) VALUES (?, ?, 'e', 'm', 'stop')"
    )
    ledger._use(lambda db: db.execute(row, ["1", "2026-11-26 10:00:00"]), None)
    monkeypatch.undo()
    assert [row["kind"] for row in ledger.rows()] == ["chat"]


def test_a_job_holds_its_money_until_it_ends(ledger: Ledger) -> None:
    asked = answered("1")
    ledger.begin(asked, most=Decimal("1"), currency="RMB")
    assert ledger.add_job(job(request=asked.id))
    today, _ = span("day")
    assert ledger.held(today) == {"RMB": 1}
    other = Ledger(ledger.path)
    assert other.held(today) == {"RMB": 1}
    assert other.lines() == []
    assert other.end_job("1", "https://a.example/v4", "SUCCESS", ["glm-media/a.mp4"])
    assert not ledger.end_job("1", "https://a.example/v4", "SUCCESS")  # another one counted it
    assert ledger.held(today) == {}
    assert [line.cost for line in ledger.lines()] == [1]
    assert [(each.state, each.files) for each in ledger.jobs()] == [
        ("SUCCESS", ("glm-media/a.mp4",))
    ]


def test_a_job_that_nobody_hears_of_is_given_up(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    asked = answered("1")
    clock(monkeypatch, now - timedelta(days=6))
    ledger.begin(asked, most=Decimal("1"), currency="RMB")
    ledger.add_job(job(request=asked.id))
    clock(monkeypatch, now)
    assert ledger.held(now - timedelta(days=30)) == {"RMB": 1}
    clock(monkeypatch, now + timedelta(days=2))
    assert ledger.held(now - timedelta(days=30)) == {}


def test_a_job_is_one_however_often_it_is_written_down(ledger: Ledger) -> None:
    assert ledger.add_job(job())
    assert ledger.add_job(job(asked="again"))
    assert [each.asked for each in ledger.jobs()] == ["waves"]

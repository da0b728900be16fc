"""The ledger: one row per request in SQLite, shared by all kernels of a user; no answer, no key."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import RLock
from typing import Any, Literal, TypeVar, get_args

import platformdirs

from glm_jupyter.answer import Answer
from glm_jupyter.exact import add

from . import sums
from .ledger_file import LedgerFile
from .sums import Line, stamp

T = TypeVar("T")
Row = dict[str, Any]
Period = Literal["day", "month"]
PERIODS: tuple[Period, ...] = get_args(Period)

# A request that has not ended for so long never will: its kernel was killed.
LONGEST_REQUEST = timedelta(hours=1)
# A job outlives its kernel; one that nobody has heard of for so long is given up.
LONGEST_JOB = timedelta(days=7)
# What another program's lock keeps from being written is tried again for so many seconds, and
# then with the next request.
LONGEST_LOCK = 5.0
RETRY_SECONDS = 0.1

COLUMNS = (
    "begun",
    "endpoint",
    "model",
    "notebook",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "estimated",
    "cost",
    "currency",
    "finish",
    "seconds",
    "request_id",
    "kind",
)


@dataclass(frozen=True, slots=True)
class Job:
    """Something that the service works on while nobody need wait: a video, a picture.

    `id` is the service's, `request` that of its row in the ledger, `asked` what was asked for,
    `state` the service's word, `files` where the result is kept, relative to the notebook.
    """

    id: str
    base_url: str
    request: str
    kind: str
    endpoint: str
    model: str
    asked: str
    notebook: str | None = None
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    state: str = "PROCESSING"
    ended: datetime | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """The budgets of a day and a month in one currency, and what of them is used.

    `spent` and `held` are known for the periods that have a budget or were asked for.
    """

    budgets: dict[Period, Decimal] = field(default_factory=dict)
    spent: dict[Period, Decimal] = field(default_factory=dict)
    held: dict[Period, Decimal] = field(default_factory=dict)


class Ledger:
    """The requests of a user, in the file at `path` (default: the user's data folder).

    Nothing here raises: where the file cannot be read or written, answers go on, and
    `next_warning()` says once what is wrong. A damaged file is put aside under another name.
    What cannot be written because another program has locked the file is written later; a request
    waits a moment for the file only where there may be a budget in it.
    """

    def __init__(self, path: Path | None = None) -> None:
        data = platformdirs.user_data_path("glm-jupyter", appauthor=False)
        self.path = path or data / "ledger.sqlite"
        self._file = LedgerFile(self.path)
        self._lock = RLock()
        # To be written before anything is read. Rows are added without the lock, under which only
        # `_use` takes them away: an event loop must not wait for the disk.
        self._waiting: deque[Row] = deque()
        self._untold: dict[tuple[str, str], Job] = {}  # jobs that are still to be written
        self._batches = 0
        self._budgets: dict[tuple[Period, str], Decimal] = {}  # as they were last read
        self._seen = False  # whether they were ever read
        self._writer: ThreadPoolExecutor | None = None
        self._writing = False

    @property
    def broken(self) -> bool:
        """Whether the file could not be used, so that sums over it are not the whole."""
        return self._file.broken

    @property
    def complaint(self) -> str | None:
        """What is wrong with the file, also where it was told before."""
        return self._file.complaint

    def next_warning(self) -> str | None:
        """What is wrong with the file, each thing once."""
        return self._file.next_warning()

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Write from another thread meanwhile, many rows at a time.

        For many requests at once: none waits for the disk, but those that a budget of the day or
        the month concerns. Such a budget that another kernel sets counts from the next write on.
        """
        with self._lock:
            self._batches += 1
            self._budgets = self._read_budgets()
        try:
            yield
        finally:
            with self._lock:
                self._batches -= 1
                self._flush()

    def begin(
        self,
        answer: Answer,
        *,
        most: Decimal | None = None,
        currency: str | None = None,
        notebook: str | None = None,
    ) -> None:
        """Note that a request goes out now, and what it costs at most.

        Until it ends, this holds back the money in the budgets of all kernels.
        """
        self._write(_begun(answer, most, currency, notebook))

    def reserve(
        self,
        answer: Answer,
        allow: Callable[[Standing | None], None],
        *,
        most: Decimal | None,
        currency: str,
        notebook: str | None = None,
        periods: Collection[Period] = (),
    ) -> None:
        """`begin` where `allow` does not raise, with no other kernel coming between.

        `allow` is given the standing of `currency`, with what is used in `periods` besides those
        that have a budget; None where the file cannot be used.
        """
        row = _begun(answer, most, currency, notebook)

        def work(db: sqlite3.Connection) -> bool:
            db.execute("BEGIN IMMEDIATE")
            allow(self._standing(db, currency, periods))
            _write_row(db, row)
            db.execute("COMMIT")
            return True

        if self._batches and not self._limited(currency, periods):
            allow(Standing())
            self._write(row)
            return
        with self._lock:
            wait = not self._seen or self._limited(currency, periods)
            if not self._use(work, False, wait=wait, again=not wait):
                allow(None)
                self._write(row)

    def standing(self, currency: str, periods: Collection[Period] = ()) -> Standing | None:
        """The budgets in `currency` and what of them is used, also in `periods` without one.

        None where the file cannot be used.
        """
        with self._lock:
            wait = not self._seen or self._limited(currency, periods)
            found: Standing | None = self._use(
                lambda db: self._standing(db, currency, periods), None, wait=wait, again=not wait
            )
            return found

    def finish(self, answer: Answer, finish: str, *, notebook: str | None = None) -> None:
        """Note how a request ended and what it took. Saying it twice is saying it once."""
        usage = answer.usage
        values = {
            **_asked(answer, notebook),
            "prompt_tokens": usage.prompt_tokens,
            "cached_tokens": usage.cached_tokens,
            "completion_tokens": usage.completion_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "estimated": usage.estimated,
            "cost": _text(answer.cost),
            "currency": answer.currency,
            "finish": finish,
            "seconds": answer.seconds,
            "request_id": answer.request_id,
        }
        self._write(values)

    def add_job(self, job: Job) -> bool:
        """Keep a job, whose money is held in all kernels until it ends.

        False where it is known in this kernel only, until the file can be written.
        """
        with self._lock:
            self._untold[job.id, job.base_url] = job
            self._use(lambda db: None, None)
            if self._untold:
                self._write_soon()
            return not self._untold

    def end_job(self, job: str, base_url: str, state: str, files: Sequence[str] = ()) -> bool:
        """Note that a job has ended and where its result is; its money is spent then.

        False where it had ended before, so that of several kernels one alone counts it.
        """

        def work(db: sqlite3.Connection) -> bool | None:
            db.execute("BEGIN IMMEDIATE")
            found = db.execute(
                "SELECT request FROM jobs WHERE id = ? AND base_url = ?", [job, base_url]
            ).fetchone()
            if found is None:
                db.execute("COMMIT")
                return False
            with sums.kept(db, *found):
                changed = db.execute(
                    "UPDATE jobs SET state = ?, ended = ?, files = ? "
                    "WHERE id = ? AND base_url = ? AND ended IS NULL",
                    [state, stamp(datetime.now(UTC)), "\n".join(files), job, base_url],
                ).rowcount
                # A kernel that was killed has not booked what it asked for.
                db.execute(
                    "UPDATE requests SET cost = most, finish = 'task' "
                    "WHERE finish IS NULL AND id = ?",
                    found,
                )
            db.execute("COMMIT")
            return changed > 0

        with self._lock:
            ended: bool | None = self._use(work, None)
            if ended is None:
                ended = self._untold.pop((job, base_url), None) is not None
            return ended

    def jobs(self, *, under_way: bool = False) -> list[Job]:
        """All jobs, or those that are under way, newest first."""
        which = "WHERE ended IS NULL" if under_way else ""

        def work(db: sqlite3.Connection) -> list[Job]:
            rows = db.execute(
                "SELECT id, base_url, request, kind, endpoint, model, asked, notebook, begun, "
                f"state, ended, files FROM jobs {which} ORDER BY begun DESC, rowid DESC"
            )
            return [
                Job(
                    id=row[0],
                    base_url=row[1],
                    request=row[2],
                    kind=row[3],
                    endpoint=row[4],
                    model=row[5],
                    asked=row[6],
                    notebook=row[7],
                    begun=_moment(row[8]),
                    state=row[9],
                    ended=_moment(row[10]) if row[10] else None,
                    files=tuple(row[11].split("\n")) if row[11] else (),
                )
                for row in rows
            ]

        with self._lock:
            untold = list(self._untold.values())
            return self._use(work, []) or untold

    def lines(
        self,
        by: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Line]:
        """Sums of the requests begun in a span of time, by a key of `GROUPS` and by currency.

        Those under way are not counted until they have ended: see `held`.
        """
        return self._use(lambda db: _lines(db, by, since, until), [])

    def held(self, since: datetime) -> dict[str, Decimal]:
        """What the requests now under way in all kernels cost at most: currency -> amount."""
        return self._use(lambda db: _held(db, since), {})

    def rows(self, since: datetime | None = None) -> list[dict[str, Any]]:
        """Every request begun since then, oldest first; `begun` is local time, `cost` a Decimal."""
        where, moments = _where(since, None)
        query = f"SELECT {', '.join(COLUMNS)} FROM requests WHERE {where} ORDER BY begun, rowid"
        return self._use(
            lambda db: [
                _row(dict(zip(COLUMNS, values, strict=True)))
                for values in db.execute(query, moments)
            ],
            [],
        )

    @property
    def known_budgets(self) -> dict[tuple[Period, str], Decimal]:
        """The user's budgets as they were last read."""
        return dict(self._budgets)

    def budgets(self) -> dict[tuple[Period, str], Decimal]:
        """The user's budgets: (period, currency) -> amount."""
        return dict(self._budgets) if self._batches else self._read_budgets()

    def set_budget(self, period: Period, currency: str, amount: Decimal | None) -> bool:
        """Keep a budget for all kernels, or none; False where it could not be kept."""

        def work(db: sqlite3.Connection) -> bool:
            if amount is None:
                db.execute(
                    "DELETE FROM budgets WHERE period = ? AND currency = ?", [period, currency]
                )
            else:
                db.execute(
                    "INSERT OR REPLACE INTO budgets VALUES (?, ?, ?)",
                    [period, currency, _text(amount)],
                )
            self._budgets = _budgets(db)
            return True

        return self._use(work, False)

    def _read_budgets(self) -> dict[tuple[Period, str], Decimal]:
        return self._use(_budgets, {})

    def _limited(self, currency: str, periods: Collection[Period]) -> bool:
        """Whether a limit is known of a day or a month in a currency."""
        return bool(periods) or any(of == currency for _, of in self._budgets)

    def _standing(
        self, db: sqlite3.Connection, currency: str, periods: Collection[Period]
    ) -> Standing:
        self._budgets, self._seen = _budgets(db), True
        found = Standing()
        for period in PERIODS:
            budget = self._budgets.get((period, currency))
            if budget is not None:
                found.budgets[period] = budget
            if budget is not None or period in periods:
                since, until = span(period)
                of_all = _lines(db, None, since, until)
                costs = (line.cost for line in of_all if line.currency == currency)
                found.spent[period] = add(*costs)
                found.held[period] = _held(db, since).get(currency, Decimal(0))
        return found

    def _use(
        self,
        work: Callable[[sqlite3.Connection], T],
        otherwise: T,
        *,
        wait: bool = True,
        again: bool = False,
    ) -> T:
        """Do `work` with the file, after all that waits to be written; options as of its `use`."""

        rows: list[Row] = []

        def taken() -> None:
            for _ in rows:
                self._waiting.popleft()
            rows.clear()

        def both(db: sqlite3.Connection) -> T:
            if rows or self._untold:
                db.execute("BEGIN IMMEDIATE")
                for row in rows:
                    _write_row(db, row)
                for job in self._untold.values():
                    _write_job(db, job)
                if self._batches:
                    self._budgets = _budgets(db)
                db.execute("COMMIT")
                taken()
                self._untold.clear()
            return work(db)

        with self._lock:
            rows += self._waiting.copy()  # whole, whatever is added meanwhile
            result = self._file.use(both, otherwise, wait=wait, again=again)
            if not self._file.locked:
                taken()  # what cannot be written, and `next_warning` says why
            return result

    def _write(self, row: Row) -> None:
        self._waiting.append(row)
        if self._batches:
            self._write_soon()
            return
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        self._use(lambda db: None, None, wait=False, again=True)
        if self._waiting:
            self._write_soon()

    def _write_soon(self) -> None:
        if self._writing:
            return
        self._writer = self._writer or ThreadPoolExecutor(1, thread_name_prefix="glm-jupyter-disk")
        try:
            self._writer.submit(self._write_waiting)
            self._writing = True
        except RuntimeError:  # the interpreter ends
            self._use(lambda db: None, None)

    def _write_waiting(self) -> None:
        """Write what waits, also where the file is locked for some seconds."""
        until = time.monotonic() + LONGEST_LOCK
        while True:
            last = time.monotonic() > until
            with self._lock:
                self._use(lambda db: None, None, wait=False, again=not last)
                if last or not (self._waiting or self._untold):
                    self._writing = False
                    # Who has added a row just now may have seen that it is being written.
                    if last or not self._waiting:
                        return
                    self._writing = True
            time.sleep(RETRY_SECONDS)


def span(period: Period, now: datetime | None = None) -> tuple[datetime, datetime]:
    """When the day or month of `now` begins and when the next one does, in local time."""
    local = (now or datetime.now(UTC)).astimezone()
    first = datetime(local.year, local.month, local.day if period == "day" else 1)
    following = first + timedelta(days=1 if period == "day" else 31)
    after = following if period == "day" else following.replace(day=1)
    # Each with the offset of its own moment, which may not be that of now.
    return first.astimezone(), after.astimezone()


def _begun(answer: Answer, most: Decimal | None, currency: str | None, notebook: str | None) -> Row:
    return {**_asked(answer, notebook), "most": _text(most), "currency": currency}


def _asked(answer: Answer, notebook: str | None) -> Row:
    """The columns of a row that are known when the request goes out."""
    return {
        "id": answer.id,
        "begun": stamp(datetime.now(UTC)),
        "endpoint": answer.endpoint,
        "model": answer.model,
        "notebook": notebook,
        "kind": answer.kind,
    }


def _write_row(db: sqlite3.Connection, row: Row) -> None:
    """Write what is known of a request, and bring the sums up to date."""
    names = ", ".join(row)
    # What `begin` wrote about when and where stays, and what the end knows nothing about.
    unchanging = ("id", "begun", "notebook")
    changes = ", ".join(
        f"{name} = coalesce(excluded.{name}, {name})" for name in row if name not in unchanging
    )
    query = f"""
        INSERT INTO requests ({names}) VALUES ({", ".join("?" * len(row))})
        ON CONFLICT (id) DO UPDATE SET {changes}
    """
    with sums.kept(db, row["id"]):
        db.execute(query, list(row.values()))


def _write_job(db: sqlite3.Connection, job: Job) -> None:
    values = [
        job.id,
        job.base_url,
        job.request,
        job.kind,
        job.endpoint,
        job.model,
        job.asked,
        job.notebook,
        stamp(job.begun),
        job.state,
    ]
    with sums.kept(db, job.request):
        db.execute(
            "INSERT OR IGNORE INTO jobs (id, base_url, request, kind, endpoint, model, asked, "
            "notebook, begun, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )


def _budgets(db: sqlite3.Connection) -> dict[tuple[Period, str], Decimal]:
    rows = db.execute("SELECT period, currency, amount FROM budgets")
    return {(period, of): Decimal(amount) for period, of, amount in rows}


def _lines(
    db: sqlite3.Connection, by: str | None, since: datetime | None, until: datetime | None
) -> list[Line]:
    return sums.lines(db, by, since, until, datetime.now(UTC) - LONGEST_REQUEST)


def _held(db: sqlite3.Connection, since: datetime) -> dict[str, Decimal]:
    now = datetime.now(UTC)
    bounds = [
        stamp(max(since, now - LONGEST_REQUEST)),
        stamp(now - LONGEST_JOB),
        # A clock that was ahead leaves requests that seem to begin tomorrow.
        stamp(now + LONGEST_REQUEST),
    ]
    # By id, so that a request that became a job counts once. Each half has an index of its own.
    query = """
        SELECT currency, exact_sum(most) FROM requests WHERE id IN (
            SELECT id FROM requests WHERE finish IS NULL AND begun >= ?
            UNION SELECT requests.id FROM jobs JOIN requests ON requests.id = jobs.request
                WHERE jobs.ended IS NULL AND requests.begun >= ?
        ) AND most IS NOT NULL AND currency IS NOT NULL AND begun < ? GROUP BY 1
    """
    return {currency: Decimal(most) for currency, most in db.execute(query, bounds)}


def _where(since: datetime | None, until: datetime | None) -> tuple[str, list[str]]:
    tests = [("begun >= ?", since), ("begun < ?", until)]
    given = [(test, stamp(moment)) for test, moment in tests if moment]
    return " AND ".join(["true", *(test for test, _ in given)]), [moment for _, moment in given]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    begun = _moment(row["begun"]).astimezone()
    cost = None if row["cost"] is None else Decimal(row["cost"])
    return row | {"begun": begun, "cost": cost, "estimated": bool(row["estimated"])}


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp).replace(tzinfo=UTC)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")

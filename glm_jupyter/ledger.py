"""The ledger: one row per request in SQLite, shared by all kernels of a user; no text, no key."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeVar

import platformdirs

from .answer import Answer
from .background import Background

T = TypeVar("T")
Statement = tuple[str, list[Any]]
Period = Literal["day", "month"]

# How long a write may wait for other kernels. One write takes milliseconds.
BUSY_SECONDS = 5.0

# A request that has not ended for so long never will: its kernel was killed.
LONGEST_REQUEST = timedelta(hours=1)

# Each brings the file from one `user_version` to the next. What has shipped is never edited.
# Money is decimal text: a binary fraction would not add up. Times are UTC.
MIGRATIONS = (
    """
    CREATE TABLE requests (
        id TEXT PRIMARY KEY,
        begun TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        model TEXT NOT NULL,
        notebook TEXT,
        prompt_tokens INTEGER NOT NULL DEFAULT 0,
        cached_tokens INTEGER NOT NULL DEFAULT 0,
        completion_tokens INTEGER NOT NULL DEFAULT 0,
        reasoning_tokens INTEGER NOT NULL DEFAULT 0,
        estimated INTEGER NOT NULL DEFAULT 0,
        most TEXT,
        cost TEXT,
        currency TEXT,
        finish TEXT,
        seconds REAL,
        request_id TEXT
    );
    CREATE INDEX requests_by_time ON requests (begun);
    CREATE TABLE budgets (
        period TEXT NOT NULL,
        currency TEXT NOT NULL,
        amount TEXT NOT NULL,
        PRIMARY KEY (period, currency)
    );
    """,
)

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
)

GROUPS = {
    "model": "endpoint || '/' || model",
    "day": "date(begun, 'localtime')",
    "notebook": "coalesce(notebook, '')",
    "endpoint": "endpoint",
}

# A request counts as unpriced where its price is not known, or where it never came to an end.
_SUMS = """
    count(*), sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens),
    sum(reasoning_tokens), exact_sum(cost), sum(estimated AND cost IS NOT NULL),
    sum(cost IS NULL AND (finish IS NOT NULL OR begun < ?))
"""


@dataclass(frozen=True, slots=True)
class Line:
    """Requests of one group and one currency, added up.

    `cost` is a lower bound where `estimated` requests (whose usage the service did not send)
    or `unpriced` ones (whose price is unknown) are among them.
    """

    key: str
    currency: str | None
    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost: Decimal = Decimal(0)
    estimated: int = 0
    unpriced: int = 0

    def plus(self, answer: Answer) -> Line:
        """The line with one more answer."""
        usage, priced = answer.usage, answer.cost is not None
        return Line(
            self.key,
            self.currency,
            self.requests + 1,
            self.prompt_tokens + usage.prompt_tokens,
            self.cached_tokens + usage.cached_tokens,
            self.completion_tokens + usage.completion_tokens,
            self.reasoning_tokens + usage.reasoning_tokens,
            self.cost + (answer.cost or 0),
            self.estimated + (usage.estimated and priced),
            self.unpriced + (not priced),
        )


@dataclass(slots=True)
class Ledger:
    """The requests of a user, in the file at `path` (default: the user's data folder).

    Nothing here raises: where the file cannot be read or written, answers go on, and
    `complaint()` says once what is wrong. A damaged file is put aside under another name.
    The file is opened for each use and keeps SQLite's rollback journal, because the
    write-ahead log does not work on network home folders.
    """

    path: Path = field(
        default_factory=lambda: (
            platformdirs.user_data_path("glm-jupyter", appauthor=False) / "ledger.sqlite"
        )
    )
    _complaints: dict[str, str] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)
    _background: Background[Statement] | None = None
    _budgets: dict[tuple[str, str], Decimal] = field(default_factory=dict)

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Write from another thread meanwhile, many rows at a time.

        For many requests at once: none waits for the disk. Sums wait for what is not written
        yet; a budget that another kernel sets counts from the next write on.
        """
        if self._background:
            yield
            return
        self._budgets = self._read_budgets()
        self._background = Background(self._write_all)
        try:
            yield
        finally:
            self._background.close()
            self._background = None

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
        values = {
            "id": answer.id,
            "begun": _stamp(datetime.now(UTC)),
            "endpoint": answer.endpoint,
            "model": answer.model,
            "notebook": notebook,
            "most": _text(most),
            "currency": currency,
        }
        self._write(values)

    def finish(self, answer: Answer, finish: str, *, notebook: str | None = None) -> None:
        """Note how a request ended and what it took. Saying it twice is saying it once."""
        usage = answer.usage
        values = {
            "id": answer.id,
            "begun": _stamp(datetime.now(UTC)),
            "endpoint": answer.endpoint,
            "model": answer.model,
            "notebook": notebook,
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

    def lines(
        self,
        by: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Line]:
        """Sums of the requests begun in a span of time, by a key of `GROUPS` and by currency."""
        self._all_written()
        key = GROUPS[by] if by else "''"
        where, moments = _where(since, until)
        values = [_stamp(datetime.now(UTC) - LONGEST_REQUEST), *moments]
        query = f"""
            SELECT {key}, currency, {_SUMS} FROM requests {where}
            GROUP BY 1, 2 ORDER BY 1, 2
        """
        return self._use(lambda db: [Line(*row) for row in _lines(db, query, values)], [])

    def held(self, since: datetime) -> dict[str, Decimal]:
        """What the requests now under way in all kernels cost at most: currency -> amount."""
        self._all_written()
        earliest = max(since, datetime.now(UTC) - LONGEST_REQUEST)
        query = """
            SELECT currency, exact_sum(most) FROM requests
            WHERE finish IS NULL AND most IS NOT NULL AND begun >= ? GROUP BY 1
        """
        return self._use(
            lambda db: {
                currency: Decimal(most) for currency, most in db.execute(query, [_stamp(earliest)])
            },
            {},
        )

    def rows(self, since: datetime | None = None) -> list[dict[str, Any]]:
        """Every request begun since then, oldest first; `begun` is local time, `cost` a Decimal."""
        self._all_written()
        where, moments = _where(since, None)
        query = f"SELECT {', '.join(COLUMNS)} FROM requests {where} ORDER BY begun, rowid"
        found: list[Any] = self._use(lambda db: db.execute(query, moments).fetchall(), [])
        return [_row(dict(zip(COLUMNS, values, strict=True))) for values in found]

    def budgets(self) -> dict[tuple[str, str], Decimal]:
        """The user's budgets: (period, currency) -> amount."""
        return dict(self._budgets) if self._background else self._read_budgets()

    def _read_budgets(self) -> dict[tuple[str, str], Decimal]:
        query = "SELECT period, currency, amount FROM budgets"
        return self._use(
            lambda db: {(period, of): Decimal(amount) for period, of, amount in db.execute(query)},
            {},
        )

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
            return True

        kept = self._use(work, False)
        self._budgets = self._read_budgets()
        return kept

    @property
    def broken(self) -> bool:
        """Whether the file could not be used, so that sums over it are not the whole."""
        return "file" in self._complaints

    def complaint(self) -> str | None:
        """What is wrong with the file, each thing once."""
        for kind, text in self._complaints.items():
            if kind not in self._said:
                self._said.add(kind)
                return text
        return None

    def _write(self, values: dict[str, Any]) -> None:
        names = ", ".join(values)
        # What `begin` wrote about when and where stays, and what the end knows nothing about.
        kept = ("id", "begun", "notebook")
        changes = ", ".join(
            f"{name} = coalesce(excluded.{name}, {name})" for name in values if name not in kept
        )
        query = f"""
            INSERT INTO requests ({names}) VALUES ({", ".join("?" * len(values))})
            ON CONFLICT (id) DO UPDATE SET {changes}
        """

        statement = query, list(values.values())
        if self._background:
            self._background.add(statement)
        else:
            self._write_all([statement])

    def _write_all(self, statements: list[Statement]) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("BEGIN IMMEDIATE")
            for query, values in statements:
                db.execute(query, values)
            db.execute("COMMIT")

        self._use(work, None)
        if self._background:
            self._budgets = self._read_budgets()

    def _all_written(self) -> None:
        if self._background:
            self._background.submit(lambda: None).result()

    def _use(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        try:
            try:
                return self._with_file(work)
            except sqlite3.DatabaseError as error:
                if not _damaged(error):
                    raise
                self._set_aside()
                return self._with_file(work)
        except (OSError, sqlite3.Error, _Newer) as error:
            self._complaints.setdefault(
                "file",
                f"The ledger {_homely(self.path)} cannot be used: {_reason(error)}. Answers go "
                "on, but what they cost is missing in the sums of today and this month.",
            )
            return otherwise

    def _sound(self) -> bool:
        try:
            found = self._with_file(lambda db: db.execute("PRAGMA quick_check").fetchone())
        except sqlite3.DatabaseError as error:
            if not _damaged(error):
                raise
            return False
        return bool(found == ("ok",))

    def _with_file(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Without isolation level, each statement is a transaction of its own.
        with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)) as db:
            db.create_aggregate("exact_sum", 1, _ExactSum)  # type: ignore[arg-type]
            _migrate(db)
            return work(db)

    def _set_aside(self) -> None:
        if self._sound():
            return  # another kernel was faster
        aside = self.path.with_name(f"ledger-damaged-{datetime.now():%Y%m%d-%H%M%S}.sqlite")
        # The journal goes too: SQLite would play it back into the new file.
        for suffix in ("", "-journal"):
            here, there = Path(f"{self.path}{suffix}"), Path(f"{aside}{suffix}")
            if here.exists():
                here.replace(there)
        self._complaints["damaged"] = (
            f"The ledger was damaged; it is kept as {_homely(aside)}, and a new one was begun. "
            "The sums of today and this month start again from zero."
        )


def span(period: Period, now: datetime | None = None) -> tuple[datetime, datetime]:
    """When the day or month of `now` begins and when the next one does, in local time."""
    local = (now or datetime.now(UTC)).astimezone()
    first = datetime(local.year, local.month, local.day if period == "day" else 1)
    following = first + timedelta(days=1 if period == "day" else 31)
    after = following if period == "day" else following.replace(day=1)
    # Each with the offset of its own moment, which may not be that of now.
    return first.astimezone(), after.astimezone()


class _Newer(Exception):
    """The file was written by a later version."""


class _ExactSum:
    """SQL's sum() for decimal text."""

    def __init__(self) -> None:
        self._sum = Decimal(0)

    def step(self, value: str | None) -> None:
        if value is not None:
            self._sum += Decimal(value)

    def finalize(self) -> str:
        return format(self._sum, "f")


def _migrate(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise _Newer
    if version == len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another kernel may have been faster.
        (version,) = db.execute("PRAGMA user_version").fetchone()
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            for statement in script.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _lines(db: sqlite3.Connection, query: str, values: Iterable[str]) -> Iterator[list[Any]]:
    cost = 7  # the place of exact_sum among the columns
    for row in db.execute(query, list(values)):
        yield [*row[:cost], Decimal(row[cost]), *row[cost + 1 :]]


def _where(since: datetime | None, until: datetime | None) -> tuple[str, list[str]]:
    tests = [("begun >= ?", since), ("begun < ?", until)]
    given = [(test, _stamp(moment)) for test, moment in tests if moment]
    where = "WHERE " + " AND ".join(test for test, _ in given) if given else ""
    return where, [moment for _, moment in given]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    begun = datetime.fromisoformat(row["begun"]).replace(tzinfo=UTC).astimezone()
    cost = None if row["cost"] is None else Decimal(row["cost"])
    return row | {"begun": begun, "cost": cost, "estimated": bool(row["estimated"])}


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")


def _damaged(error: sqlite3.DatabaseError) -> bool:
    code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _reason(error: Exception) -> str:
    if isinstance(error, _Newer):
        return "a newer version of glm-jupyter wrote it"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)


def _homely(path: Path) -> str:
    """The path as a user writes it, without the name of the home folder."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)

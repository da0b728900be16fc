"""The ledger: one row per request in SQLite, shared by all kernels of a user; no text, no key."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import platformdirs

from glm_jupyter.answer import Answer
from glm_jupyter.exact import add

from .background import Background
from .ledger_file import LedgerFile

Statement = tuple[str, list[Any]]
Period = Literal["day", "month"]

# A request that has not ended for so long never will: its kernel was killed.
LONGEST_REQUEST = timedelta(hours=1)

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
    sum(cost IS NULL)
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
            add(self.cost, answer.cost or Decimal(0)),
            self.estimated + (usage.estimated and priced),
            self.unpriced + (not priced),
        )


@dataclass(slots=True)
class Ledger:
    """The requests of a user, in the file at `path` (default: the user's data folder).

    Nothing here raises: where the file cannot be read or written, answers go on, and
    `next_warning()` says once what is wrong. A damaged file is put aside under another name.
    """

    path: Path = field(
        default_factory=lambda: (
            platformdirs.user_data_path("glm-jupyter", appauthor=False) / "ledger.sqlite"
        )
    )
    _file: LedgerFile = field(init=False)
    _background: Background[Statement] | None = None
    _budgets: dict[tuple[str, str], Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._file = LedgerFile(self.path)

    @property
    def broken(self) -> bool:
        """Whether the file could not be used, so that sums over it are not the whole."""
        return self._file.broken

    def next_warning(self) -> str | None:
        """What is wrong with the file, each thing once."""
        return self._file.next_warning()

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
        """Sums of the requests begun in a span of time, by a key of `GROUPS` and by currency.

        Those under way are not counted until they have ended: see `held`.
        """
        self._all_written()
        key = GROUPS[by] if by else "''"
        where, moments = _where(since, until)
        values = [*moments, _stamp(datetime.now(UTC) - LONGEST_REQUEST)]
        query = f"""
            SELECT {key}, currency, {_SUMS} FROM requests
            WHERE {where} AND (finish IS NOT NULL OR begun < ?)
            GROUP BY 1, 2 ORDER BY 1, 2
        """
        return self._file.use(lambda db: [Line(*row) for row in _lines(db, query, values)], [])

    def held(self, since: datetime) -> dict[str, Decimal]:
        """What the requests now under way in all kernels cost at most: currency -> amount."""
        self._all_written()
        now = datetime.now(UTC)
        # A clock that was ahead leaves requests that seem to begin tomorrow.
        bounds = [_stamp(max(since, now - LONGEST_REQUEST)), _stamp(now + LONGEST_REQUEST)]
        query = """
            SELECT currency, exact_sum(most) FROM requests
            WHERE finish IS NULL AND most IS NOT NULL AND begun >= ? AND begun < ? GROUP BY 1
        """
        return self._file.use(
            lambda db: {currency: Decimal(most) for currency, most in db.execute(query, bounds)}, {}
        )

    def rows(self, since: datetime | None = None) -> list[dict[str, Any]]:
        """Every request begun since then, oldest first; `begun` is local time, `cost` a Decimal."""
        self._all_written()
        where, moments = _where(since, None)
        query = f"SELECT {', '.join(COLUMNS)} FROM requests WHERE {where} ORDER BY begun, rowid"
        return self._file.use(
            lambda db: [
                _row(dict(zip(COLUMNS, values, strict=True)))
                for values in db.execute(query, moments)
            ],
            [],
        )

    def budgets(self) -> dict[tuple[str, str], Decimal]:
        """The user's budgets: (period, currency) -> amount."""
        return dict(self._budgets) if self._background else self._read_budgets()

    def _read_budgets(self) -> dict[tuple[str, str], Decimal]:
        query = "SELECT period, currency, amount FROM budgets"
        return self._file.use(
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

        kept = self._file.use(work, False)
        self._budgets = self._read_budgets()
        return kept

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

        self._file.use(work, None)
        if self._background:
            self._budgets = self._read_budgets()

    def _all_written(self) -> None:
        if self._background:
            self._background.submit(lambda: None).result()


def span(period: Period, now: datetime | None = None) -> tuple[datetime, datetime]:
    """When the day or month of `now` begins and when the next one does, in local time."""
    local = (now or datetime.now(UTC)).astimezone()
    first = datetime(local.year, local.month, local.day if period == "day" else 1)
    following = first + timedelta(days=1 if period == "day" else 31)
    after = following if period == "day" else following.replace(day=1)
    # Each with the offset of its own moment, which may not be that of now.
    return first.astimezone(), after.astimezone()


def _lines(db: sqlite3.Connection, query: str, values: Iterable[str]) -> Iterator[list[Any]]:
    cost = 7  # the place of exact_sum among the columns
    for row in db.execute(query, list(values)):
        yield [*row[:cost], Decimal(row[cost]), *row[cost + 1 :]]


def _where(since: datetime | None, until: datetime | None) -> tuple[str, list[str]]:
    tests = [("begun >= ?", since), ("begun < ?", until)]
    given = [(test, _stamp(moment)) for test, moment in tests if moment]
    return " AND ".join(["true", *(test for test, _ in given)]), [moment for _, moment in given]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    begun = datetime.fromisoformat(row["begun"]).replace(tzinfo=UTC).astimezone()
    cost = None if row["cost"] is None else Decimal(row["cost"])
    return row | {"begun": begun, "cost": cost, "estimated": bool(row["estimated"])}


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")

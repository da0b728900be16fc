"""Sums of the ledger's rows, kept beside them: what a budget asks takes as long with many rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from glm_jupyter.exact import add

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer

GROUPS = {
    "model": "endpoint || '/' || model",
    "day": "date(begun, 'localtime')",
    "notebook": "notebook",
    "endpoint": "endpoint",
    "kind": "kind",
}
# Sums of whole days of UTC know neither the notebook nor the user's day, which may begin at any
# quarter of an hour of UTC.
_GROUPS_OF_DAYS = (None, "model", "endpoint", "kind")

_DAY = timedelta(days=1)
_QUARTER = timedelta(minutes=15)
_LAST = datetime(9999, 12, 31)
_KEYS = ("begun", "endpoint", "model", "kind", "notebook", "currency")
_NUMBERS = (
    "requests",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cost",
    "estimated",
    "unpriced",
)
_COST = _NUMBERS.index("cost")
_COLUMNS = ", ".join(_KEYS + _NUMBERS)

# A row in the columns of the sums. A request counts as unpriced where its price is not known, or
# where it never came to an end.
_ROWS = """
    SELECT begun, endpoint, model, kind, coalesce(notebook, ''), coalesce(currency, ''),
        1, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens,
        coalesce(cost, '0'), estimated AND cost IS NOT NULL, cost IS NULL
    FROM requests
"""
# What a job costs is spent when the job ends, whatever the request that began it has come to.
_NO_JOB = "id NOT IN (SELECT request FROM jobs WHERE ended IS NULL)"
_ENDED = f"{_ROWS} WHERE finish IS NOT NULL AND {_NO_JOB}"
_NEVER_ENDED = f"{_ROWS} WHERE finish IS NULL AND {_NO_JOB}"

_PLUS = ", ".join(f"{name} = {name} + excluded.{name}" for name in _NUMBERS if name != "cost")
_ADD = f"""
    INSERT INTO sums (span, {_COLUMNS}) VALUES (?, {", ".join("?" * len(_KEYS + _NUMBERS))})
    ON CONFLICT DO UPDATE SET {_PLUS}, cost = exact_add(cost, excluded.cost)
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


@contextmanager
def kept(db: sqlite3.Connection, request: str) -> Iterator[None]:
    """Bring the sums up to date with what is done meanwhile to the row of `request`.

    To be used within the transaction that changes the row, or the jobs that it belongs to.
    """
    query = f"{_ENDED} AND id = ?"
    before = db.execute(query, [request]).fetchone()
    yield
    after = db.execute(query, [request]).fetchone()
    if before == after:
        return
    if before:
        _count(db, before, -1)
    if after:
        _count(db, after, 1)


def lines(
    db: sqlite3.Connection,
    by: str | None,
    since: datetime | None,
    until: datetime | None,
    given_up: datetime,
) -> list[Line]:
    """Sums of the requests begun in a span of time, by a key of `GROUPS` and by currency.

    Requests that have not ended count only where they were begun before `given_up`.
    """
    begin = min(_utc(since), _LAST) if since else datetime.min
    end = min(_utc(until), _LAST) if until else _LAST
    parts = list(_parts(begin, end, by in _GROUPS_OF_DAYS))
    parts.append((_NEVER_ENDED, begin, min(end, _utc(given_up))))
    chosen = [part for part in parts if part[1] < part[2]]
    if not chosen:
        return []
    rows = " UNION ALL ".join(f"{query} AND begun >= ? AND begun < ?" for query, _, _ in chosen)
    sums = ", ".join(f"{'exact_sum' if name == 'cost' else 'sum'}({name})" for name in _NUMBERS)
    query = f"""
        WITH found ({_COLUMNS}) AS ({rows})
        SELECT {GROUPS[by] if by else "''"}, nullif(currency, ''), {sums} FROM found
        GROUP BY 1, 2 HAVING sum(requests) > 0 ORDER BY 1, 2
    """
    values = [stamp(moment) for _, *bounds in chosen for moment in bounds]
    return [_line(*row) for row in db.execute(query, values)]


def stamp(moment: datetime) -> str:
    """A moment as the ledger writes it: in UTC, to the second."""
    return _utc(moment).isoformat(" ", "seconds")


def _parts(
    begin: datetime, end: datetime, by_days: bool
) -> Iterator[tuple[str, datetime, datetime]]:
    """What to add up for a span of time: whole days, the quarters around them, rows at its ends."""
    first, last = _ceiling(begin, _QUARTER), _floor(end, _QUARTER)
    if first >= last:
        yield _ENDED, begin, end
        return
    yield _ENDED, begin, first
    yield _ENDED, last, end
    quarters = _summed("quarter")
    from_day, to_day = _ceiling(first, _DAY), _floor(last, _DAY)
    if not by_days or from_day >= to_day:
        yield quarters, first, last
        return
    yield quarters, first, from_day
    yield _summed("day"), from_day, to_day
    yield quarters, to_day, last


def _summed(span: str) -> str:
    return f"SELECT {_COLUMNS} FROM sums WHERE span = '{span}'"


def _line(key: str, currency: str | None, *numbers: Any) -> Line:
    named = dict(zip(_NUMBERS, numbers, strict=True))
    return Line(key, currency, **named | {"cost": Decimal(named["cost"])})


def _count(db: sqlite3.Connection, row: tuple[Any, ...], sign: int) -> None:
    (begun, endpoint, model, kind, notebook, currency), numbers = row[:6], row[6:]
    amounts = [
        format(Decimal(number) if sign > 0 else Decimal(number).copy_negate(), "f")
        if index == _COST
        else sign * number
        for index, number in enumerate(numbers)
    ]
    moment = datetime.fromisoformat(begun)
    of_quarter = (stamp(_floor(moment, _QUARTER)), endpoint, model, kind, notebook, currency)
    of_day = (stamp(_floor(moment, _DAY)), endpoint, model, kind, "", currency)
    db.execute(_ADD, ["quarter", *of_quarter, *amounts])
    db.execute(_ADD, ["day", *of_day, *amounts])


def _utc(moment: datetime) -> datetime:
    """The moment in UTC, without its zone; what has none is in UTC already."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - datetime.min) % step


def _ceiling(moment: datetime, step: timedelta) -> datetime:
    below = _floor(moment, step)
    return below if below == moment else below + step

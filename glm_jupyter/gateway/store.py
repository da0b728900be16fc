"""Store: what users have asked and spent, and the money held for what is under way.

One gateway writes to a database. A request is one row: held before it goes out, settled when it
ends. The sums that budgets are held against change in the same transactions.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import uuid4

import sqlalchemy as sa

from glm_jupyter.api.errors import InputError
from glm_jupyter.api.events import Usage

from .config import PERIODS

T = TypeVar("T")

_META = sa.MetaData()
_NAME = sa.String(255)
REQUESTS = sa.Table(
    "glm_requests",
    _META,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("user", _NAME, nullable=False),
    sa.Column("model", _NAME, nullable=False),
    sa.Column("currency", sa.String(16), nullable=False),
    sa.Column("day", sa.String(10), nullable=False, index=True),  # of the gateway's clock
    sa.Column("begun", sa.Float, nullable=False),
    sa.Column("seconds", sa.Float),
    # waiting | sent | done | stopped (by the user) | failed | lost (the gateway died)
    sa.Column("state", sa.String(8), nullable=False, index=True),
    sa.Column("held", sa.BigInteger, nullable=False),
    sa.Column("sums", sa.Text, nullable=False),  # the rows of glm_sums that it counts in
    sa.Column("cost", sa.BigInteger),  # in units; NULL is not known
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False, default=0),
    sa.Column("cached_tokens", sa.BigInteger, nullable=False, default=0),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False, default=0),
    sa.Column("estimated", sa.Boolean, nullable=False, default=False),
)
SUMS = sa.Table(
    "glm_sums",
    _META,
    sa.Column("owner", _NAME, primary_key=True),  # "user ada", "group assistants"
    sa.Column("span", sa.String(16), primary_key=True),  # "2026-11-26", "2026-11", "total"
    sa.Column("currency", sa.String(16), primary_key=True),
    sa.Column("spent", sa.BigInteger, nullable=False),
    sa.Column("held", sa.BigInteger, nullable=False),
)
REFUSALS = sa.Table(
    "glm_refusals",
    _META,
    sa.Column("user", _NAME, primary_key=True),
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("code", sa.String(40), primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False),
)
TASKS = sa.Table(
    "glm_tasks",
    _META,
    sa.Column("id", _NAME, primary_key=True),  # the service's
    sa.Column("user", _NAME, nullable=False),
)

OPEN = ("waiting", "sent")
NO_LIMIT = 2**63 - 1

# These run for every request. Built once: SQLAlchemy takes longer to build and compare a
# statement than SQLite to run it, and the streams wait meanwhile.
_OF_SUM = (
    SUMS.c.owner == sa.bindparam("of_owner"),
    SUMS.c.span == sa.bindparam("of_span"),
    SUMS.c.currency == sa.bindparam("of_currency"),
)
_MORE = sa.bindparam("more", type_=sa.BigInteger)
_RESERVE = (
    sa.update(SUMS)
    .where(
        *_OF_SUM, SUMS.c.spent + SUMS.c.held + _MORE <= sa.bindparam("most", type_=sa.BigInteger)
    )
    .values(held=SUMS.c.held + _MORE)
)
_PAY = (
    sa.update(SUMS)
    .where(*_OF_SUM)
    .values(
        held=SUMS.c.held - sa.bindparam("was_held", type_=sa.BigInteger),
        spent=SUMS.c.spent + sa.bindparam("paid", type_=sa.BigInteger),
    )
)
_ADD = sa.insert(REQUESTS)
_CLOSE = sa.update(REQUESTS).where(
    REQUESTS.c.id == sa.bindparam("of_id"), REQUESTS.c.state.in_(OPEN)
)


class OverBudgetError(Exception):
    """A request may pass a limit; the sums are in units."""

    def __init__(self, owner: str, period: str, limit: int, spent: int, held: int) -> None:
        super().__init__(owner, period)
        self.owner = owner
        self.period = period
        self.limit = limit
        self.spent = spent
        self.held = held


@dataclass(frozen=True, slots=True)
class Hold:
    """A request before it goes out. `worst` is what it costs at most, None where not known.

    `limits` are those that it counts against: (owner, period) -> limit.
    """

    user: str
    model: str
    currency: str
    worst: int | None
    limits: Mapping[tuple[str, str], int | None]
    waits: bool
    id: str = field(default_factory=lambda: uuid4().hex)
    begun: float = field(default_factory=time.time)

    @property
    def day(self) -> str:
        """The day that it counts for."""
        return date.fromtimestamp(self.begun).isoformat()

    @property
    def sums(self) -> dict[tuple[str, str], int | None]:
        """The sums that it counts in, owner and span, with their limits; none for what is free.

        In the one order in which every request locks them: else two could block each other.
        """
        if not self.worst:
            return {}
        found = {
            (owner, span(period, self.day)): limit for (owner, period), limit in self.limits.items()
        }
        return dict(sorted(found.items(), key=lambda item: item[0]))


def span(period: str, day: str) -> str:
    """What a day belongs to: itself, its month, or the total."""
    return {"day": day, "month": day[:7], "total": "total"}[period]


class Store:
    """The database. The methods are for one thread at a time with SQLite; `run` sees to that."""

    def __init__(self, url: str) -> None:
        try:
            self._engine = sa.create_engine(url)
            sqlite = self._engine.dialect.name == "sqlite"
            if sqlite:
                sa.event.listen(self._engine, "connect", _prepare_sqlite)
            _META.create_all(self._engine)
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            # Not quoted whole: a URL may hold a password.
            raise InputError(
                f"The database of the gateway cannot be used ({type(error).__name__}).",
                remedy="Correct `database` (a URL as SQLAlchemy takes it), install its driver, "
                "and check that the server runs.",
            ) from None
        self._threads = ThreadPoolExecutor(1 if sqlite else 8, "database")

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """One of the methods below, off the event loop; it always runs to its end."""
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._threads, work, *args))

    def close(self) -> None:
        """Let go of the database."""
        self._threads.shutdown()
        self._engine.dispose()

    def recover(self) -> int:
        """Settle what a gateway that died has left, and give the number of requests.

        What had not gone out costs nothing; what had may have been billed, up to the money that
        was held for it, and that is what it counts as.
        """
        with self._engine.begin() as db:
            left = db.execute(sa.select(REQUESTS).where(REQUESTS.c.state.in_(OPEN))).all()
            for row in left:
                sent = row.state == "sent"
                cost = row.held if sent else 0
                self._close(db, row, "lost", cost, Usage(estimated=sent))
        return len(left)

    def hold(self, hold: Hold) -> None:
        """Hold the money of a request, or raise OverBudgetError; one transaction."""
        while True:
            with self._engine.begin() as db:
                if self._reserve(db, hold):
                    db.execute(_ADD, _row(hold))
                    return
                db.rollback()
            self._explain(hold)

    def send(self, id: str) -> None:
        """The turn of a request that waited has come."""
        with self._engine.begin() as db:
            db.execute(sa.update(REQUESTS).where(REQUESTS.c.id == id).values(state="sent"))

    def settle(self, hold: Hold, state: str, cost: int | None, usage: Usage) -> None:
        """Count what a request has cost, once, in the place of what was held for it."""
        with self._engine.begin() as db:
            self._close(db, SimpleNamespace(**_row(hold)), state, cost, usage)

    def remember(self, task: str, user: str) -> None:
        """Whose a task of the service is."""
        self._insert(TASKS, {"id": task, "user": user})

    def owner(self, task: str) -> str | None:
        """The user who asked for a task; None where nobody is known to have."""
        with self._engine.connect() as db:
            return db.scalar(sa.select(TASKS.c.user).where(TASKS.c.id == task))

    def refuse(self, user: str, code: str) -> None:
        """Count a request that was refused."""
        key = {"user": user, "day": date.today().isoformat(), "code": code}
        more = (
            sa.update(REFUSALS)
            .where(*(REFUSALS.c[name] == value for name, value in key.items()))
            .values(requests=REFUSALS.c.requests + 1)
        )
        while True:
            with self._engine.begin() as db:
                if db.execute(more).rowcount:
                    return
            if self._insert(REFUSALS, {**key, "requests": 1}):
                return

    def sums(self, owners: Sequence[str], currency: str) -> dict[tuple[str, str], tuple[int, int]]:
        """Of today, this month and in total: (owner, period) -> spent and held, in units."""
        today = date.today().isoformat()
        spans = {span(period, today): period for period in PERIODS}
        query = sa.select(SUMS).where(
            SUMS.c.owner.in_(owners), SUMS.c.span.in_(spans), SUMS.c.currency == currency
        )
        with self._engine.connect() as db:
            return {
                (r.owner, spans[r.span]): (int(r.spent), int(r.held)) for r in db.execute(query)
            }

    def totals(
        self, by: Sequence[str], since: str = "", user: str | None = None
    ) -> list[dict[str, Any]]:
        """Requests that have ended, added up by columns such as "user", "day", "model".

        `unpriced` counts those whose cost is not known; `cost` is in units.
        """
        columns = [REQUESTS.c[name] for name in (*by, "currency")]
        c = REQUESTS.c
        query = (
            sa.select(
                *columns,
                sa.func.count().label("requests"),
                *(sa.func.sum(c[name]).label(name) for name in COUNTS),
                sa.func.coalesce(sa.func.sum(c.cost), 0).label("cost"),
                (sa.func.count() - sa.func.count(c.cost)).label("unpriced"),
                sa.func.sum(sa.case((c.estimated, 1), else_=0)).label("estimated"),
            )
            .where(c.day >= since, c.state.not_in(OPEN))
            .group_by(*columns)
            .order_by(*columns)
        )
        if user is not None:
            query = query.where(c.user == user)
        with self._engine.connect() as db:
            rows = db.execute(query).mappings().all()
        # Sums of PostgreSQL are Decimals.
        return [{k: v if isinstance(v, str) else int(v) for k, v in row.items()} for row in rows]

    def refused(
        self, by: Sequence[str], since: str = "", user: str | None = None
    ) -> list[dict[str, Any]]:
        """Refused requests, added up by "user", "day", "code"."""
        columns = [REFUSALS.c[name] for name in by]
        query = (
            sa.select(*columns, sa.func.sum(REFUSALS.c.requests).label("requests"))
            .where(REFUSALS.c.day >= since)
            .group_by(*columns)
            .order_by(*columns)
        )
        if user is not None:
            query = query.where(REFUSALS.c.user == user)
        with self._engine.connect() as db:
            rows = db.execute(query).mappings().all()
        return [{**row, "requests": int(row["requests"])} for row in rows]

    def _reserve(self, db: sa.Connection, hold: Hold) -> bool:
        """Add the worst cost to all the sums, if no limit is in the way."""
        for (owner, name), limit in hold.sums.items():
            asked = {
                "of_owner": owner,
                "of_span": name,
                "of_currency": hold.currency,
                "more": hold.worst,
                "most": NO_LIMIT if limit is None else limit,
            }
            if not db.execute(_RESERVE, asked).rowcount:
                return False
        return True

    def _explain(self, hold: Hold) -> None:
        """Why nothing was reserved: a limit, or sums that begin only now, which are made."""
        owners = sorted({owner for owner, _ in hold.limits})
        with self._engine.connect() as db:
            query = sa.select(SUMS).where(
                SUMS.c.owner.in_(owners), SUMS.c.currency == hold.currency
            )
            found = {(row.owner, row.span): row for row in db.execute(query)}
        for (owner, period), limit in hold.limits.items():
            key = owner, span(period, hold.day)
            row = found.get(key)
            spent, held = (int(row.spent), int(row.held)) if row else (0, 0)
            if limit is not None and spent + held + (hold.worst or 0) > limit:
                raise OverBudgetError(owner, period, limit, spent, held)
            if row is None:
                names = {"owner": key[0], "span": key[1], "currency": hold.currency}
                self._insert(SUMS, {**names, "spent": 0, "held": 0})

    def _insert(self, table: sa.Table, values: dict[str, Any]) -> bool:
        """Whether the row is new; another may have made it at the same time."""
        try:
            with self._engine.begin() as db:
                db.execute(sa.insert(table).values(**values))
        except sa.exc.IntegrityError:
            return False
        return True

    def _close(
        self, db: sa.Connection, row: Any, state: str, cost: int | None, usage: Usage
    ) -> None:
        closed = db.execute(
            _CLOSE,
            {
                "of_id": row.id,
                "state": state,
                "cost": cost,
                "seconds": max(0.0, time.time() - row.begun),
                "prompt_tokens": usage.prompt_tokens,
                "cached_tokens": usage.cached_tokens,
                "completion_tokens": usage.completion_tokens,
                "estimated": usage.estimated,
            },
        )
        if not closed.rowcount:
            return
        # A cost that nobody knows counts as the most that it can be.
        paid = {
            "of_currency": row.currency,
            "was_held": row.held,
            "paid": row.held if cost is None else cost,
        }
        for owner, name in json.loads(row.sums):
            db.execute(_PAY, {**paid, "of_owner": owner, "of_span": name})


COUNTS = ("prompt_tokens", "cached_tokens", "completion_tokens")


def _row(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "user": hold.user,
        "model": hold.model,
        "currency": hold.currency,
        "day": hold.day,
        "begun": hold.begun,
        "state": "waiting" if hold.waits else "sent",
        "held": hold.worst or 0,
        "sums": json.dumps(list(hold.sums)),
    }


def _prepare_sqlite(connection: Any, record: object) -> None:
    # With a write-ahead log a transaction outlives the process without waiting for the disk.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")

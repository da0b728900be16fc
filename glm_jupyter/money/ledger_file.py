"""The file of the ledger: opened for each use, brought up to date, put aside where damaged."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from glm_jupyter.exact import CONTEXT
from glm_jupyter.language import _

T = TypeVar("T")

# How long to wait for other kernels, whose writes take milliseconds; no answer waits longer.
BUSY_SECONDS = 1.0
# For so long after that has been too short, nothing waits again.
NO_WAIT_SECONDS = 5.0

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
    """
    ALTER TABLE requests ADD COLUMN kind TEXT NOT NULL DEFAULT 'chat';
    CREATE TABLE jobs (
        id TEXT NOT NULL,
        base_url TEXT NOT NULL,
        request TEXT NOT NULL,
        kind TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        model TEXT NOT NULL,
        asked TEXT NOT NULL,
        notebook TEXT,
        begun TEXT NOT NULL,
        state TEXT NOT NULL,
        ended TEXT,
        files TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (id, base_url)
    )
    """,
    # Sums of the requests that have ended: of each quarter of an hour, and of each day of UTC for
    # all notebooks together. What is not known is empty text, which a key can hold.
    """
    CREATE TABLE sums (
        span TEXT NOT NULL,
        begun TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        model TEXT NOT NULL,
        kind TEXT NOT NULL,
        notebook TEXT NOT NULL,
        currency TEXT NOT NULL,
        requests INTEGER NOT NULL,
        prompt_tokens INTEGER NOT NULL,
        cached_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL,
        cost TEXT NOT NULL,
        estimated INTEGER NOT NULL,
        unpriced INTEGER NOT NULL,
        PRIMARY KEY (span, begun, endpoint, model, kind, notebook, currency)
    ) WITHOUT ROWID;
    INSERT INTO sums
        SELECT 'quarter',
            substr(begun, 1, 14) || printf('%02d', substr(begun, 15, 2) / 15 * 15) || ':00',
            endpoint, model, kind, coalesce(notebook, ''), coalesce(currency, ''),
            count(*), sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens),
            sum(reasoning_tokens), exact_sum(cost), sum(estimated AND cost IS NOT NULL),
            sum(cost IS NULL)
        FROM requests
        WHERE finish IS NOT NULL AND id NOT IN (SELECT request FROM jobs WHERE ended IS NULL)
        GROUP BY 1, 2, 3, 4, 5, 6, 7;
    INSERT INTO sums
        SELECT 'day', substr(begun, 1, 10) || ' 00:00:00', endpoint, model, kind, '', currency,
            sum(requests), sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens),
            sum(reasoning_tokens), exact_sum(cost), sum(estimated), sum(unpriced)
        FROM sums GROUP BY 1, 2, 3, 4, 5, 6, 7;
    CREATE INDEX requests_under_way ON requests (begun) WHERE finish IS NULL;
    CREATE INDEX jobs_under_way ON jobs (request) WHERE ended IS NULL
    """,
)


@dataclass(slots=True)
class LedgerFile:
    """A SQLite file that never raises: where it cannot be used, `next_warning()` says why, once.

    It is opened for each use and keeps SQLite's rollback journal, because the write-ahead log
    does not work on network home folders.
    """

    path: Path
    _complaints: dict[str, str] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)
    locked: bool = False  # by another program, when it was last used
    _no_wait_until: float = 0.0

    @property
    def broken(self) -> bool:
        """Whether the file could not be used, so that sums over it are not the whole."""
        return self.locked or "file" in self._complaints

    @property
    def complaint(self) -> str | None:
        """What is wrong with the file, also where it was told before."""
        return next(iter(self._complaints.values()), None)

    def next_warning(self) -> str | None:
        """What is wrong with the file, each thing once."""
        for kind, text in self._complaints.items():
            if kind not in self._said:
                self._said.add(kind)
                return text
        return None

    def use(
        self,
        work: Callable[[sqlite3.Connection], T],
        otherwise: T,
        *,
        wait: bool = True,
        again: bool = False,
    ) -> T:
        """Do `work` with the file open; give `otherwise` where it cannot be done.

        `wait` for a moment where another program has locked it. That it is locked is no matter
        for a warning where the work is done `again`.
        """
        try:
            try:
                result = self._with_file(work, wait)
            except sqlite3.DatabaseError as error:
                if not _damaged(error):
                    raise
                self._set_aside()
                result = self._with_file(work, wait)
            self.locked = False
            return result
        except (OSError, sqlite3.Error, _Newer, ArithmeticError, ValueError) as error:
            self.locked = _busy(error)
            if self.locked:
                if wait:
                    self._no_wait_until = time.monotonic() + NO_WAIT_SECONDS
                if again:
                    return otherwise
                self._complaints.setdefault(
                    "locked",
                    _(
                        "The ledger {path} is locked by another program. Answers go on; what "
                        "they cost is missing in the sums of today and this month until it is "
                        "free."
                    ).format(path=_homely(self.path)),
                )
                return otherwise
            self._complaints.setdefault(
                "file",
                _(
                    "The ledger {path} cannot be used: {reason}. Answers go on, but what they "
                    "cost is missing in the sums of today and this month."
                ).format(path=_homely(self.path), reason=_reason(error)),
            )
            return otherwise

    def _sound(self) -> bool:
        try:
            found = self._with_file(lambda db: db.execute("PRAGMA quick_check").fetchone(), True)
        except sqlite3.DatabaseError as error:
            if not _damaged(error):
                raise
            return False
        return bool(found == ("ok",))

    def _with_file(self, work: Callable[[sqlite3.Connection], T], wait: bool) -> T:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Without isolation level, each statement is a transaction of its own.
        longest = BUSY_SECONDS if wait and time.monotonic() >= self._no_wait_until else 0
        with closing(sqlite3.connect(self.path, timeout=longest, isolation_level=None)) as db:
            db.create_aggregate("exact_sum", 1, _ExactSum)  # type: ignore[arg-type]
            db.create_function("exact_add", 2, _exact_add, deterministic=True)
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
        self._complaints["damaged"] = _(
            "The ledger was damaged; it is kept as {path}, and a new one was begun. The sums of "
            "today and this month start again from zero."
        ).format(path=_homely(aside))


class _Newer(Exception):
    """The file was written by a later version."""


class _ExactSum:
    """SQL's sum() for decimal text."""

    def __init__(self) -> None:
        self._sum = Decimal(0)

    def step(self, value: str | None) -> None:
        if value is not None:
            self._sum = CONTEXT.add(self._sum, Decimal(value))

    def finalize(self) -> str:
        return format(self._sum, "f")


def _exact_add(one: str, other: str) -> str:
    """SQL's + for decimal text."""
    return format(CONTEXT.add(Decimal(one), Decimal(other)), "f")


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


def _damaged(error: sqlite3.DatabaseError) -> bool:
    code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _busy(error: Exception) -> bool:
    code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _reason(error: Exception) -> str:
    if isinstance(error, _Newer):
        return _("a newer version of glm-jupyter wrote it")
    if isinstance(error, ArithmeticError | ValueError):
        return _("a value in it cannot be read")
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)


def _homely(path: Path) -> str:
    """The path as a user writes it, without the name of the home folder."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)

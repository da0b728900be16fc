"""Answers kept on disk by the hash of their request, so that none is paid for twice.

The file is in the user's cache folder. It holds answers as the models gave them, but no prompts,
and no answer for longer than `KEPT_DAYS`.
"""

from __future__ import annotations

import json
import sqlite3
from asyncio import wrap_future
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from uuid import uuid4

import platformdirs

from glm_jupyter.answer import Answer
from glm_jupyter.api import events as ev
from glm_jupyter.api.stream import REFUSAL
from glm_jupyter.media import Made
from glm_jupyter.money.background import Background

KEPT_DAYS = 30
BUSY_SECONDS = 5.0
LASTING = ("length", "model_context_window_exceeded", REFUSAL)
VERSION = 1
Row: TypeAlias = tuple[str, str]  # the run that brought an answer, and the answer as text
SCHEMA = """
    CREATE TABLE IF NOT EXISTS answers (
        hash TEXT PRIMARY KEY, run TEXT NOT NULL, day TEXT NOT NULL, answer TEXT NOT NULL
    )
"""


class Kept(Protocol):
    """Where answers are kept: on this machine's disk, or for all workers at one place."""

    async def get(self, key: str) -> tuple[Answer, bool] | None:
        """The answer kept under `key`, and whether it is from an earlier run."""

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer that came to its end, be it at the token limit."""


class AnswerCache:
    """The kept answers, shared by all kernels of the user.

    A `fresh` cache gives only what the same `run` has put there; one that is not `lasting` is in
    memory, for itself alone. A file that cannot be used is replaced by memory, too.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        run: str | None = None,
        fresh: bool = False,
        lasting: bool = True,
    ) -> None:
        folder = platformdirs.user_cache_path("glm-jupyter", appauthor=False)
        self.path = path or folder / "answers.sqlite"
        self._fresh = fresh
        self._lasting = lasting
        self._run = run or uuid4().hex
        self._background = Background(self._write)
        # SQLite's connections belong to the thread that made them.
        self._db = self._background.submit(self._opened).result()

    def __enter__(self) -> AnswerCache:
        return self

    def __exit__(self, *exc: object) -> None:
        self._background.submit(self._db.close)
        self._background.close()

    async def get(self, key: str) -> tuple[Answer, bool] | None:
        """The answer kept under `key`, and whether it is from an earlier run."""
        return restored(await self.row(key), self._run, fresh=self._fresh)

    async def get_all(self, keys: Iterable[str]) -> dict[str, Answer]:
        """Those of the answers that are kept, at the price of one look at the disk."""
        rows = await wrap_future(self._background.submit(lambda: {k: self._read(k) for k in keys}))
        found = {key: restored(row, self._run, fresh=self._fresh) for key, row in rows.items()}
        return {key: kept[0] for key, kept in found.items() if kept}

    async def put_all(self, answers: Mapping[str, Answer]) -> None:
        """`put` each of these, at the price of one; all is on disk when this returns."""
        rows = [
            (key, self._run, _today(), packed(answer))
            for key, answer in answers.items()
            if lasting(answer)
        ]
        await wrap_future(self._background.submit(lambda: self._write(rows)))

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer that would end so again."""
        if lasting(answer):
            self.put_row(key, self._run, packed(answer))

    async def row(self, key: str) -> Row | None:
        """What is kept under `key`."""
        return await wrap_future(self._background.submit(lambda: self._read(key)))

    def put_row(self, key: str, run: str, answer: str) -> None:
        """Keep a packed answer of a run."""
        self._background.add((key, run, _today(), answer))

    def _read(self, key: str) -> Row | None:
        query = "SELECT run, answer FROM answers WHERE hash = ?"
        with suppress(sqlite3.Error):
            run, answer = self._db.execute(query, [key]).fetchone() or ("", "")
            return (run, answer) if run else None
        return None

    def _write(self, rows: Sequence[tuple[str, ...]]) -> None:
        try:
            _insert(self._db, rows)
        except sqlite3.Error:
            # A full disk, or a file that went away. What duplicates need is kept all the same.
            self._db = _prepared(sqlite3.connect(":memory:", isolation_level=None))
            _insert(self._db, rows)

    def _opened(self) -> sqlite3.Connection:
        for _ in range(2 if self._lasting else 0):
            try:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.path.touch(mode=0o600)
                db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
                return _prepared(db)
            except sqlite3.OperationalError:
                break  # locked, or read-only
            except sqlite3.DatabaseError:
                with suppress(OSError):
                    self.path.unlink()  # a cache: what is damaged is not worth keeping
            except OSError:
                break
        return _prepared(sqlite3.connect(":memory:", isolation_level=None))


def lasting(answer: Answer) -> bool:
    """Whether an answer would end so again: it is whole, or has come to a limit."""
    return answer.complete or answer.finish_reason in LASTING


def packed(answer: Answer) -> str:
    """An answer as text."""
    kept = answer.to_json()
    for entry, made in zip(kept["media"], answer.media, strict=True):
        entry |= {"folder": str(made.folder or ""), "rate": made.rate, "asked": made.asked}
    return json.dumps(kept)


def restored(row: Row | None, run: str, *, fresh: bool) -> tuple[Answer, bool] | None:
    """The answer in a row, and whether it is from another run, which a `fresh` one has not."""
    if row is None or (fresh and row[0] != run):
        return None
    try:
        return unpacked(row[1]), row[0] != run
    except (ValueError, LookupError, TypeError):
        return None  # what cannot be read is asked again


def _insert(db: sqlite3.Connection, rows: Sequence[tuple[str, ...]]) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", rows)
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _prepared(db: sqlite3.Connection) -> sqlite3.Connection:
    # It must outlive the kernel, not the machine: waiting for the disk would cost more than the
    # last answers before a power cut.
    db.execute("PRAGMA synchronous = OFF")
    with closing(db.execute("PRAGMA user_version")) as found:
        (version,) = found.fetchone()
    if version != VERSION:
        db.execute("DROP TABLE IF EXISTS answers")
        db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute(SCHEMA)
    oldest = datetime.now(UTC).date() - timedelta(days=KEPT_DAYS)
    db.execute("DELETE FROM answers WHERE day < ?", [oldest.isoformat()])
    return db


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def unpacked(text: str) -> Answer:
    """The answer that is packed in a text. Raises ValueError, LookupError or TypeError."""
    kept = json.loads(text)
    answer = Answer(kept["model"], kept["endpoint"])
    if kept["reasoning"]:
        answer.apply(ev.ReasoningDelta(kept["reasoning"]))
    if kept["text"]:
        answer.apply(ev.TextDelta(kept["text"]))
    answer.apply(ev.UsageReport(ev.Usage(**kept["usage"])))
    answer.apply(ev.Finish(kept["finish_reason"]))
    answer.cost = None if kept["cost"] is None else Decimal(kept["cost"])
    for name in (
        "id",
        "currency",
        "request_id",
        "seconds",
        "first_token_seconds",
        "thinking_seconds",
        "sources",
        "tool_calls",
        "notes",
    ):
        setattr(answer, name, kept[name])
    answer.media += map(_made, kept.get("media", []))
    return answer


def _made(kept: dict[str, Any]) -> Made:
    """What was made, from its file. Raises LookupError where that is gone."""
    path, folder = Path(kept.pop("path") or ""), Path(kept.pop("folder"))
    try:
        content = b"" if kept["kind"] == "video" else (folder / path).read_bytes()
        (folder / path).stat()
    except OSError:
        raise LookupError(str(path)) from None
    return Made(**kept, path=path, folder=folder, content=content)

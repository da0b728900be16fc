"""What is known of a batch on disk: its items, its requests, and how far each of its files is.

Each is in a folder of its own in the user's data folder, named by the hash of all its requests,
so that the same map finds it. The prompts are there until the answers are, for those that have to
be asked again; the answers for 30 days, as long as the service keeps them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from uuid import uuid4

import platformdirs

from glm_jupyter.api.batches import MOST_BYTES, MOST_LINES
from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.exact import add
from glm_jupyter.language import _

KEPT_SECONDS = 30 * 86_400
DRAFT_SECONDS = 86_400  # what was not written to its end in so long never will be
DRAFT = "draft-"

SCHEMA = """
    CREATE TABLE run (
        base_url TEXT, endpoint TEXT, model TEXT, asked TEXT, done INTEGER DEFAULT 0
    );
    CREATE TABLE items (position INTEGER PRIMARY KEY, request INTEGER, error TEXT, remedy TEXT);
    CREATE TABLE requests (
        number INTEGER PRIMARY KEY, hash TEXT UNIQUE, shard INTEGER, place INTEGER
    );
    CREATE TABLE misfits (
        number INTEGER PRIMARY KEY, answer TEXT, shard INTEGER, place INTEGER
    );
    CREATE TABLE shards (
        number INTEGER PRIMARY KEY, second INTEGER, lines INTEGER, tokens INTEGER, most TEXT,
        file TEXT DEFAULT '', attempt TEXT DEFAULT '', batch TEXT DEFAULT '',
        state TEXT DEFAULT '', reason TEXT DEFAULT '', booked INTEGER DEFAULT 0
    );
"""

SENT = (
    "SELECT requests.number, requests.hash, requests.shard, requests.place, "
    "misfits.answer, misfits.shard, misfits.place FROM requests LEFT JOIN misfits USING (number)"
)


@dataclass(slots=True)
class Shard:
    """One file of requests. `most` is what they cost at most, None where that is not known.

    A `second` one asks once more what did not fit its schema.

    `file` and `batch` are the service's ids, once it has given them. `attempt` is the id of the
    row in the ledger, which the service is told too; it is set before the batch is created.
    `state` and `reason` are how it has ended; `booked` says that its cost is counted.
    """

    number: int
    second: bool = False
    lines: int = 0
    tokens: int = 0
    most: Decimal | None = Decimal(0)
    file: str = ""
    attempt: str = ""
    batch: str = ""
    state: str = ""
    reason: str = ""
    booked: bool = False


class Sent(NamedTuple):
    """A request of a file. `place` is where its line begins in there.

    `misfit` is the answer that did not fit its schema, packed, and `second` the file that asks
    again, where there are such.
    """

    number: int
    hash: str
    shard: int
    place: int
    misfit: str | None
    second: int | None
    second_place: int | None


@dataclass(frozen=True, slots=True)
class Run:
    """Who was asked, and what, in words."""

    base_url: str
    endpoint: str
    model: str
    asked: str


class BatchState:
    """The folder of one batch. Raises InputError where another kernel has it open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = _connected(folder / "lock.sqlite", timeout=0)
        try:
            # Held until it is closed, or the process dies.
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            self._lock.close()
            raise InputError(
                _("Another kernel is waiting for this batch."),
                remedy=_("Its answers come there; stop that kernel to wait for them here."),
            ) from None
        self._db = _connected(folder / "state.sqlite")

    def close(self) -> None:
        """Let others have it."""
        self._db.close()
        self._lock.close()

    @property
    def run(self) -> Run:
        """Who was asked, and what."""
        columns = "base_url, endpoint, model, asked"
        return Run(*self._db.execute(f"SELECT {columns} FROM run").fetchone())  # noqa: S608

    @property
    def done(self) -> bool:
        """Whether all results are here, and counted."""
        return bool(self._db.execute("SELECT done FROM run").fetchone()[0])

    def finish(self) -> None:
        """Note that all results are here, and counted; the prompts need not stay."""
        self._db.execute("UPDATE run SET done = 1")
        for shard in self.shards():
            self.requests(shard).unlink(missing_ok=True)

    def shards(self) -> list[Shard]:
        """Its files, in order."""
        rows = self._db.execute(
            "SELECT number, second, lines, tokens, most, file, attempt, batch, state, reason, "
            "booked FROM shards ORDER BY number"
        )
        return [
            Shard(number, bool(second), lines, tokens, most and Decimal(most), *more)
            for number, second, lines, tokens, most, *more in rows
        ]

    def note(self, shard: Shard) -> None:
        """Write down how far a file is; it is on disk when this returns."""
        self._db.execute(
            "UPDATE shards SET file = ?, attempt = ?, batch = ?, state = ?, reason = ?, "
            "booked = ? WHERE number = ?",
            [
                shard.file,
                shard.attempt,
                shard.batch,
                shard.state,
                shard.reason,
                shard.booked,
                shard.number,
            ],
        )

    def remove(self) -> None:
        """Forget all of it."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def requests(self, shard: Shard) -> Path:
        """The file of a shard's requests."""
        return self.folder / f"{shard.number}.jsonl"

    def results(self, shard: Shard) -> tuple[Path, Path]:
        """Where the answers of a shard are kept, and the errors."""
        return (
            self.folder / f"{shard.number}.output.jsonl",
            self.folder / f"{shard.number}.error.jsonl",
        )

    def size(self) -> int:
        """How many items there are."""
        return int(self._db.execute("SELECT count(*) FROM items").fetchone()[0])

    def positions(self, request: int) -> list[int]:
        """The items that a request answers."""
        query = "SELECT position FROM items WHERE request = ?"
        return [position for (position,) in self._db.execute(query, [request])]

    def sent(self, request: int, shard: Shard) -> Sent | None:
        """A request of a shard; None where it is not one of it."""
        query = f"{SENT} WHERE requests.number = ? AND ? IN (requests.shard, misfits.shard)"
        row = self._db.execute(query, [request, shard.number]).fetchone()
        return Sent(*row) if row else None

    def line(self, shard: int, place: int) -> dict[str, Any]:
        """The line of a request in its file."""
        with (self.folder / f"{shard}.jsonl").open("rb") as file:
            file.seek(place)
            line: dict[str, Any] = json.loads(file.readline())
        return line

    def numbers(self, shard: Shard) -> Iterator[int]:
        """The requests of a shard."""
        table = "misfits" if shard.second else "requests"
        query = f"SELECT number FROM {table} WHERE shard = ?"  # noqa: S608
        return (number for (number,) in self._db.execute(query, [shard.number]))

    def add_misfit(self, request: int, answer: str) -> None:
        """Note an answer that does not fit its schema; to say it twice is to say it once."""
        query = "INSERT OR IGNORE INTO misfits (number, answer) VALUES (?, ?)"
        self._db.execute(query, [request, answer])

    def misfits(self) -> Iterator[Sent]:
        """The requests whose answers did not fit and are in no file that asks again."""
        last = -1
        query = f"{SENT} WHERE misfits.number > ? AND misfits.shard IS NULL "
        query += "ORDER BY misfits.number LIMIT 1"
        # One by one, as they may be put into a file meanwhile.
        while row := self._db.execute(query, [last]).fetchone():
            sent = Sent(*row)
            last = sent.number
            yield sent

    def ask_again(self, lines: Iterable[tuple[int, bytes, int, Decimal | None]]) -> None:
        """Put these requests into files that ask once more; all of them or none.

        Each is its number, its line, the tokens of its prompt, and what it costs at most.
        """
        (first,) = self._db.execute("SELECT count(*) FROM shards").fetchone()
        files = _Files(self.folder, first, second=True)
        self._db.execute("BEGIN")
        try:
            for number, line, tokens, most in lines:
                place = files.add(line, tokens, most)
                query = "UPDATE misfits SET shard = ?, place = ? WHERE number = ?"
                self._db.execute(query, [*place, number])
            files.end(self._db)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        finally:
            files.close()

    def kept(self) -> Iterator[tuple[int, str]]:
        """The requests that were answered before, with their hashes."""
        query = "SELECT number, hash FROM requests WHERE shard IS NULL ORDER BY number"
        return iter(self._db.execute(query))

    def failed(self) -> Iterator[tuple[int, InputError]]:
        """The items that could not be asked about, and why."""
        query = "SELECT position, error, remedy FROM items WHERE error IS NOT NULL"
        for position, error, remedy in self._db.execute(query):
            yield position, InputError(error, remedy=remedy)


class _Files:
    """Writes lines into files that are no larger than the service takes."""

    def __init__(self, folder: Path, first: int, *, second: bool = False) -> None:
        self._folder = folder
        self._next = first
        self._second = second
        self._shards: list[Shard] = []
        self._bytes = 0
        self._file: BinaryIO | None = None

    def add(self, line: bytes, tokens: int, most: Decimal | None) -> tuple[int, int]:
        """Write a line; the number of its file, and where it begins in there."""
        if self._file is None or (
            self._shards[-1].lines >= MOST_LINES or self._bytes + len(line) > MOST_BYTES
        ):
            self.close()
            self._shards.append(Shard(self._next, self._second))
            self._file = (self._folder / f"{self._next}.jsonl").open("wb")
            self._next += 1
            self._bytes = 0
        place, shard = self._bytes, self._shards[-1]
        self._file.write(line)
        self._bytes += len(line)
        shard.lines += 1
        shard.tokens += tokens
        known = shard.most is not None and most is not None
        shard.most = add(shard.most, most) if known else None  # type: ignore[arg-type]
        return shard.number, place

    def end(self, db: sqlite3.Connection) -> None:
        """Write down which files there are."""
        self.close()
        for shard in self._shards:
            most = None if shard.most is None else format(shard.most, "f")
            db.execute(
                "INSERT INTO shards (number, second, lines, tokens, most) VALUES (?, ?, ?, ?, ?)",
                [shard.number, shard.second, shard.lines, shard.tokens, most],
            )

    def close(self) -> None:
        """End the file that is being written."""
        if self._file:
            self._file.close()
            self._file = None


class Draft:
    """The items and requests of a batch, written down one by one until all are there."""

    def __init__(self, run: Run) -> None:
        _clear()
        self.folder = root() / f"{DRAFT}{uuid4().hex}"
        self.folder.mkdir(mode=0o700, parents=True)
        self._db = _connected(self.folder / "state.sqlite")
        self._db.executescript(SCHEMA)
        self._db.execute("BEGIN")
        self._db.execute(
            "INSERT INTO run (base_url, endpoint, model, asked) VALUES (?, ?, ?, ?)",
            [run.base_url, run.endpoint, run.model, run.asked],
        )
        self._hash = hashlib.sha256(run.base_url.encode())
        self._count = 0
        self._files = _Files(self.folder, 0)

    def number_of(self, key: str) -> int | None:
        """The number of the request with this hash, where an earlier item has it."""
        row = self._db.execute("SELECT number FROM requests WHERE hash = ?", [key]).fetchone()
        return row[0] if row else None

    @property
    def next_number(self) -> int:
        """The number that the next request gets."""
        return self._count

    def add_kept(self, key: str) -> int:
        """Add a request whose answer is kept; its number."""
        return self._add_request(key, None, None)

    def add(self, key: str, line: bytes, tokens: int, most: Decimal | None) -> int:
        """Add a request that is to be asked, with its line; its number."""
        return self._add_request(key, *self._files.add(line, tokens, most))

    def add_item(self, position: int, request: int) -> None:
        """Add an item that a request answers."""
        self._hash.update(b"%d," % request)
        self._db.execute("INSERT INTO items VALUES (?, ?, NULL, NULL)", [position, request])

    def add_error(self, position: int, error: str, remedy: str) -> None:
        """Add an item that cannot be asked about."""
        self._hash.update(b"-,")
        self._db.execute("INSERT INTO items VALUES (?, NULL, ?, ?)", [position, error, remedy])

    def settled(self, *, fresh: bool) -> BatchState:
        """The state of this batch: an earlier one that has not come to its end, or this as new.

        Raises InputError where another kernel has it open.
        """
        self._files.end(self._db)
        self._db.execute("CREATE INDEX of_request ON items (request)")
        self._db.execute("COMMIT")
        self._db.close()
        if fresh:
            self._hash.update(b"fresh")
        place = root() / self._hash.hexdigest()[:40]
        if place.is_dir():
            try:
                state = BatchState(place)
            except InputError:
                self.drop()
                raise
            if not state.done:
                self.drop()
                return state
            state.close()
            place.rename(root() / f"{place.name}-{uuid4().hex[:8]}")
        self.folder.rename(place)
        return BatchState(place)

    def drop(self) -> None:
        """Forget it."""
        with suppress(sqlite3.Error):
            self._db.close()
        self._files.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _add_request(self, key: str, shard: int | None, place: int | None) -> int:
        number = self._count
        self._count += 1
        self._hash.update(key.encode())
        self._db.execute("INSERT INTO requests VALUES (?, ?, ?, ?)", [number, key, shard, place])
        return number


@contextmanager
def on_disk() -> Iterator[None]:
    """Have what the disk refuses be an error that tells so."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise GLMError(
            _("What is known of the batch cannot be kept in {folder}: {reason}.").format(
                folder=root(), reason=reason
            ),
            remedy=_(
                "Make room or rights there and run the cell again: what the service has taken "
                "by then is found there, and not paid twice."
            ),
        ) from None


def root() -> Path:
    """Where batches are kept."""
    return platformdirs.user_data_path("glm-jupyter", appauthor=False) / "batches"


def find(batch: str) -> BatchState | None:
    """What is known of the batch with this id of the service's."""
    for folder in _folders():
        with suppress(sqlite3.Error):
            db = _connected(folder / "state.sqlite")
            try:
                known = db.execute("SELECT 1 FROM shards WHERE batch = ?", [batch]).fetchone()
            finally:
                db.close()
            if known:
                return BatchState(folder)
    return None


def _clear() -> None:
    """Remove what is too old to be asked for again."""
    now = time.time()
    for folder in _folders(drafts=True):
        with suppress(OSError):
            age = now - (folder / "state.sqlite").stat().st_mtime
            if age > (DRAFT_SECONDS if folder.name.startswith(DRAFT) else KEPT_SECONDS):
                shutil.rmtree(folder, ignore_errors=True)


def _folders(*, drafts: bool = False) -> list[Path]:
    if not root().is_dir():
        return []
    found = [each for each in root().iterdir() if (each / "state.sqlite").is_file()]
    return [each for each in found if drafts or not each.name.startswith(DRAFT)]


def _connected(path: Path, timeout: float = 5.0) -> sqlite3.Connection:
    # One thread at a time: long work is done off the event loop, which waits for it.
    return sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)

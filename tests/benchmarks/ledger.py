"""What a request costs beside a ledger of 100, 10,000 and 1,000,000 rows.

    python -m tests.benchmarks.ledger [ROWS ...]

The rows lie in the last 30 days, a third of them today, in three models and ten notebooks. There
is a budget of the day and one of the month. A request is what a kernel does for each: its money
is held where the budgets have room, and its cost is booked. Beside it stand what the panel and
`%glm usage` ask, and the same sum made from the rows. Trust the ratios, not the milliseconds.
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from glm_jupyter.answer import Answer
from glm_jupyter.api.events import Usage
from glm_jupyter.money import ledger_file
from glm_jupyter.money.ledger import Ledger, span
from glm_jupyter.money.sums import stamp

ROWS = (100, 10_000, 1_000_000)
REPEATS = 100
MODELS = ("glm-5", "glm-4.7", "glm-4-airx")


def main(sizes: tuple[int, ...]) -> None:
    """Measure each size, and say how it compares with the first."""
    first: dict[str, float] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            ledger = Ledger(Path(folder) / "ledger.sqlite")
            fill(ledger.path, size)
            begun = time.perf_counter()
            ledger.budgets()
            print(f"{size:>9,} rows; their sums made once in {time.perf_counter() - begun:.2f} s")
            for name, milliseconds in measured(ledger).items():
                ratio = milliseconds / first.setdefault(name, milliseconds)
                print(f"    {name:<28} {milliseconds:9.2f} ms   x {ratio:.2f}")
            if complaint := ledger.next_warning():
                raise SystemExit(complaint)


def fill(path: Path, size: int) -> None:
    """Write a file of before, which has rows and no sums."""
    luck, now = random.Random(1), datetime.now(UTC)
    begin = span("day")[0]
    today = (now - begin).total_seconds()
    with closing(sqlite3.connect(path)) as db:
        for version, script in enumerate(ledger_file.MIGRATIONS[:2], 1):
            db.executescript(script)
            db.execute(f"PRAGMA user_version = {version}")
        db.executemany(
            "INSERT INTO requests (id, begun, endpoint, model, notebook, prompt_tokens, cost, "
            "currency, finish) VALUES (?, ?, 'bigmodel', ?, ?, 33, ?, 'RMB', 'stop')",
            (
                (
                    str(number),
                    stamp(
                        begin + timedelta(seconds=luck.random() * today)
                        if number % 3 == 0
                        else now - timedelta(days=luck.random() * 30)
                    ),
                    luck.choice(MODELS),
                    f"{luck.randrange(10)}.ipynb",
                    f"0.0000{luck.randrange(100000):05}",
                )
                for number in range(size)
            ),
        )
        db.commit()


def measured(ledger: Ledger) -> dict[str, float]:
    """The medians, in milliseconds."""
    ledger.set_budget("day", "RMB", Decimal(10_000))
    ledger.set_budget("month", "RMB", Decimal(100_000))
    return {
        "one request, held and booked": median(lambda: request(ledger)),
        "standing of both budgets": median(lambda: ledger.standing("RMB")),
        "usage of the month by model": median(lambda: ledger.lines("model", *span("month"))),
        "usage of the month by day": median(lambda: ledger.lines("day", *span("month"))),
        "from the rows, as before": median(lambda: from_rows(ledger), 3),
    }


def request(ledger: Ledger) -> None:
    """What each request asks of the ledger."""
    answer = Answer("glm-5", "bigmodel")
    answer.usage = Usage(33, 885, 918)
    answer.cost, answer.currency = Decimal("0.00918"), "RMB"
    ledger.reserve(answer, lambda standing: None, most=Decimal("0.1"), currency="RMB")
    ledger.finish(answer, "stop")


def from_rows(ledger: Ledger) -> None:
    """The month's sum as it was made before: from each row."""
    query = (
        "SELECT currency, exact_sum(cost) FROM requests "
        "WHERE begun >= ? AND begun < ? AND finish IS NOT NULL GROUP BY 1"
    )
    bounds = [stamp(moment) for moment in span("month")]
    ledger._file.use(lambda db: db.execute(query, bounds).fetchall(), None)


def median(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """How long `work` takes."""
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - begun))
    return statistics.median(taken)


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or ROWS)

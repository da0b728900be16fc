"""Writing in the background: in order, nothing lost, and sums that wait for what is not written."""

from __future__ import annotations

import threading
from decimal import Decimal
from pathlib import Path

from glm_jupyter.answer import Answer
from glm_jupyter.money.background import Background
from glm_jupyter.money.ledger import Ledger


def priced(cost: str) -> Answer:
    answer = Answer("m", "e")
    answer.cost, answer.currency = Decimal(cost), "RMB"
    return answer


def test_what_comes_while_the_disk_is_busy_is_written_together_and_in_order() -> None:
    busy = threading.Event()
    batches: list[list[int]] = []

    def write(items: list[int]) -> None:
        busy.wait()
        batches.append(items)

    background = Background(write)
    for number in range(100):
        background.add(number)
    busy.set()
    background.close()
    assert [number for batch in batches for number in batch] == list(range(100))
    assert len(batches) < 100


def test_work_comes_after_all_that_was_added_before() -> None:
    written: list[int] = []
    background = Background(written.extend)
    for number in range(10):
        background.add(number)
    assert background.submit(lambda: list(written)).result() == list(range(10))
    background.close()


def test_a_ledger_in_the_background_loses_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with ledger.in_background(), ledger.in_background():
        for _ in range(50):
            answer = priced("0.1")
            ledger.begin(answer, most=Decimal(1), currency="RMB")
            ledger.finish(answer, "stop")
        (line,) = ledger.lines()
        assert (line.requests, line.cost) == (50, Decimal("5.0"))
        assert ledger.set_budget("day", "RMB", Decimal(7))
        assert ledger.budgets() == {("day", "RMB"): Decimal(7)}
        ledger.begin(priced("1"))
    assert len(ledger.rows()) == 51
    assert len(Ledger(ledger.path).rows()) == 51


def test_a_budget_of_another_kernel_counts_from_the_next_request_on(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with ledger.in_background():
        Ledger(ledger.path).set_budget("month", "USD", Decimal(3))
        ledger.begin(priced("1"))
        assert len(ledger.rows()) == 1
        assert ledger.budgets() == {("month", "USD"): Decimal(3)}


def test_an_unusable_ledger_in_the_background_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ledger = Ledger(tmp_path / "file" / "ledger.sqlite")
    with ledger.in_background():
        ledger.begin(priced("1"))
        ledger.finish(priced("1"), "stop")
    assert "cannot be used" in (ledger.next_warning() or "")
    assert ledger.next_warning() is None

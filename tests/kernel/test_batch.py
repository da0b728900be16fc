"""`%%glm --map --batch` in a real kernel: priced, waited for, interrupted, found by another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.test_map_cell import echo, lines, tables
from tests.kernels import Kernel, kernel
from tests.protocol_server import ProtocolServer

CELL = "%%glm -m glm-4-airx --map range(1,3) --batch -o answers --max-tokens 1000\nSay {{ item }}"
BATCH = "batch_1790292763050508288"


@pytest.fixture
def another(env: dict[str, str]) -> Iterator[Kernel]:
    """A further kernel of the same user."""
    with kernel(env) as running:
        yield running


def test_a_dry_run_tells_half_the_price(running: Kernel, server: ProtocolServer) -> None:
    shown = running.run(CELL.replace("--batch", "--batch --dry-run")).bundle["text/plain"]
    assert "2 requests in a batch, at half the price" in shown
    assert server.requests == []


def test_a_batch_in_a_cell(running: Kernel, server: ProtocolServer) -> None:
    server.respond = echo
    server.batching.states = ["in_progress", "completed"]
    run = running.run(CELL)
    assert run.ok, run.error
    assert running.value("answers.text") == "['re Say 1', 're Say 2']"
    assert any("batch in progress: 0 of 2" in line for line in lines(run))
    assert lines(run)[-1].startswith("2 answered · 0.001 RMB · ")
    (table,) = tables(run)
    assert "| 1 | 2 | re Say 2 | 0.0005 |" in table["text/markdown"]
    shown = next(iter(running.run("%glm usage --by kind").displays.values()))
    assert "| batch | 1 |" in shown["text/markdown"]
    listed = running.run("%glm tasks").bundle["text/plain"]
    assert BATCH in listed
    assert "2 × Say {{ item }}" in listed
    assert "completed" in listed


def test_an_interrupted_batch_is_found_by_the_same_cell_and_by_its_id(
    running: Kernel, another: Kernel, server: ProtocolServer
) -> None:
    server.respond = echo
    server.batching.states = ["in_progress"]

    def stop(message) -> None:
        if "batch in progress" in str(message["content"].get("data", "")):
            running.manager.interrupt_kernel()

    run = running.run(CELL, on_message=stop)
    assert "Stopped" in run.error
    assert "under way" in another.run("%glm tasks").bundle["text/markdown"]
    server.batching.states = ["completed"]
    later = another.run(f"%glm tasks {BATCH[:12]}")
    assert later.ok, later.error
    assert "re Say 2" in tables(later)[0]["text/markdown"]
    assert another.value("_glm.text") == "['re Say 1', 're Say 2']"
    again = running.run(CELL)
    assert again.ok, again.error
    assert running.value("answers.text") == "['re Say 1', 're Say 2']"
    assert len(server.batching.jobs) == 1


def test_batch_goes_with_map(running: Kernel, server: ProtocolServer) -> None:
    assert "--batch goes with --map" in running.run("%%glm --batch\nHi").error
    refused = running.run("%%glm -m zai/glm-4.7 --map range(1,3) --batch --dry-run\nHi")
    assert "zai takes no batches" in refused.error
    assert server.requests == []

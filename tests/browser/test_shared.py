"""Real-time collaboration: two pages that share one notebook, and one of them asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from nbformat.reader import NotJSONError
from playwright.sync_api import BrowserContext, expect

from tests.browser.cells import loading
from tests.browser.lab import MIME, Lab, Notebook
from tests.protocol_server import ProtocolServer, Reply

SHOTS = Path(__file__).parents[2] / "test-results"
TEXT = "".join(f"Paragraph {n} says \\(x_{{{n}}} = {n}\\).\n\n" for n in range(1, 7))
ASK = "%%glm -m glm-4.7\nHello"


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Lab]:
    server = Lab(tmp_path / "shared", shared=True)
    yield server
    server.close()


def half(server: ProtocolServer) -> threading.Event:
    """Answer with half of TEXT, and with the other when the event is set."""
    hold = threading.Event()
    server.enqueue(Reply(TEXT, chunk=10, hold=hold, hold_after=8))
    return hold


def saved(notebook: Notebook, cell: int) -> list[Any]:
    """The outputs on disk, where the server saves what the pages share."""
    outputs: list[Any] = []
    for _ in range(300):
        with suppress(NotJSONError):  # which it is while it is being written
            outputs = notebook.lab.read(notebook.name).cells[cell].outputs
        if outputs and outputs[0].data[MIME]["complete"]:
            break
        time.sleep(0.1)
    return list(outputs)


def test_an_answer_is_seen_stopped_and_kept_once_in_both(
    shared: Lab, context: BrowserContext, server: ProtocolServer
) -> None:
    load = loading(server)
    shared.write("a.ipynb", load, ASK, ASK, ASK)
    asks = Notebook(shared, context, "a.ipynb")
    looks = Notebook(shared, context, "a.ipynb")
    asks.run(0)

    def answer(notebook: Notebook, cell: int) -> Any:
        outputs = notebook.page.locator(".jp-CodeCell").nth(cell).locator(".glm-Answer")
        expect(outputs).to_have_count(1)
        return outputs

    hold = half(server)
    asks.start(1)
    for notebook in (asks, looks):
        expect(answer(notebook, 1)).to_contain_text("Paragraph 2")
        expect(answer(notebook, 1)).to_have_attribute("data-state", "writing")
    SHOTS.mkdir(exist_ok=True)
    looks.screenshot(SHOTS / "shared.png")
    hold.set()
    for notebook in (asks, looks):
        notebook.wait_drawn()
        expect(answer(notebook, 1)).to_contain_text("Paragraph 6")
    (output,) = saved(asks, 1)
    assert output.data[MIME]["text"] == TEXT

    half(server)
    asks.start(2)
    expect(answer(looks, 2)).to_contain_text("Paragraph 2")
    answer(looks, 2).locator(".glm-stop").click()
    for notebook in (asks, looks):
        expect(notebook.page.get_by_text("Stopped. What had arrived is kept")).to_have_count(1)
        expect(answer(notebook, 2)).to_contain_text("Paragraph 2")

    # Who has asked may leave; one of those who stay writes the answer down.
    hold = half(server)
    asks.start(3)
    expect(answer(looks, 3)).to_contain_text("Paragraph 2")
    asks.page.close()
    hold.set()
    (output,) = saved(looks, 3)
    assert output.data[MIME]["text"] == TEXT
    looks.open()
    for cell in (1, 3):
        expect(answer(looks, cell)).to_contain_text("Paragraph 6")
        expect(answer(looks, cell)).to_have_attribute("data-state", "done")
    assert looks.errors == []

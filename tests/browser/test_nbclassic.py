"""nbclassic, the page of Notebook 6: answers by updates, MathJax 2, its own Stop and Tab."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.cells import loading
from tests.browser.lab import Lab
from tests.protocol_server import ProtocolServer, Reply

SHOTS = Path(__file__).parents[2] / "test-results"
TEXT = """\
A **bold** word, $5 or $10, \\(x^2\\), and

\\[\\int_0^1 x\\,dx = \\tfrac12\\]

<script>window.hacked = 1</script>

The end.
"""
READY = "() => window.Jupyter?.notebook?.kernel?.is_connected()"
EDIT = """number => {
    Jupyter.notebook.select(number);
    Jupyter.notebook.edit_mode();
    Jupyter.notebook.get_cell(number).code_mirror.setCursor(0, 10);
}"""
RUN = "number => Jupyter.notebook.get_cell(number).execute()"
SHUT_DOWN = """() => {
    window.onbeforeunload = null;
    Jupyter.notebook.set_dirty(false);
    return new Promise(done => Jupyter.notebook.session.delete(done, done));
}"""


@pytest.fixture
def classic(tmp_path: Path) -> Iterator[Lab]:
    server = Lab(tmp_path / "classic", app="nbclassic")
    yield server
    server.close()


def test_an_answer_stop_the_panel_and_tab(
    classic: Lab, context: BrowserContext, server: ProtocolServer
) -> None:
    load = loading(server)
    ask = "%%glm -m glm-4.7\nHello"
    classic.write("a.ipynb", load, ask, ask, "%glm panel", "%%glm --mo")
    page = context.new_page()
    page.goto(f"{classic.url}/nbclassic/notebooks/a.ipynb")
    page.wait_for_function(READY)
    page.evaluate(RUN, 0)
    cells = page.locator(".code_cell")
    SHOTS.mkdir(exist_ok=True)

    hold = threading.Event()
    server.enqueue(Reply(TEXT, reasoning="A long thought.", chunk=12, hold=hold, hold_after=4))
    page.evaluate(RUN, 1)
    output = cells.nth(1).locator(".output_subarea")
    expect(output.locator("strong")).to_have_text("bold")
    expect(output).to_contain_text("answering")
    hold.set()
    expect(output).to_contain_text("The end.")
    expect(output).to_have_count(1)
    expect(output).to_contain_text("$5 or $10")
    expect(output.locator(".MathJax")).to_have_count(2)
    thought = output.get_by_text("A long thought.")
    expect(thought).to_be_hidden()
    output.get_by_text("Thought for").click()
    expect(thought).to_be_visible()
    page.screenshot(path=SHOTS / "nbclassic.png")

    server.enqueue(Reply(TEXT, chunk=12, hold=threading.Event(), hold_after=4))
    page.evaluate(RUN, 2)
    output = cells.nth(2).locator(".output")
    expect(output.locator("strong")).to_have_text("bold")
    page.locator("[data-jupyter-action='jupyter-notebook:interrupt-kernel']").click()
    expect(output).to_contain_text("Stopped. What had arrived is kept")
    expect(output.locator("strong")).to_have_text("bold")

    page.evaluate(RUN, 3)
    expect(cells.nth(3).get_by_text("Who answers")).to_be_visible()
    expect(cells.nth(3).locator("select").first).to_be_visible()
    page.evaluate(EDIT, 4)
    page.keyboard.press("Tab")
    expect(cells.nth(4).locator(".CodeMirror-line")).to_have_text("%%glm --model")
    page.screenshot(path=SHOTS / "nbclassic-panel.png")

    page.evaluate("() => Jupyter.notebook.save_notebook()")
    page.reload()
    page.wait_for_function(READY)
    expect(cells.nth(1).locator(".MathJax")).to_have_count(2)
    assert page.evaluate("() => window.hacked ?? null") is None
    page.evaluate(SHUT_DOWN)

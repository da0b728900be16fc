"""Answers side by side in a real JupyterLab: columns, typeset, with a fold that opens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.cells import loading
from tests.browser.lab import Notebook
from tests.protocol_server import ProtocolServer, Reply

SCREENSHOTS = Path(__file__).parents[2] / "test-results"
ASK = "%%glm --compare glm-4-airx,glm-z1-air,glm-4.7\nIs the matrix positive definite?"
TEXTS = {
    "glm-4-airx": "Both eigenvalues of \\( S \\) are positive:\n\n\\[ 3 > 1 > 0 \\]\n\n- so it is",
    "glm-z1-air": "It **is**.\n\n```python\nnp.linalg.cholesky(S)",
    "glm-4.7": "| eigenvalue | sign |\n|---|---|\n| 3 | + |\n| 1 | + |\n\nYes, for $5.",
}


@pytest.fixture
def asking(notebook: Callable[..., Notebook], server: ProtocolServer) -> Notebook:
    page = notebook(loading(server), ASK)
    page.run(0)
    return page


def test_columns(asking: Notebook, server: ProtocolServer) -> None:
    go = threading.Event()
    server.respond = lambda request: Reply(
        TEXTS[request.json["model"]],
        reasoning="Look at the eigenvalues." if request.json["model"] != "glm-4-airx" else "",
        hold=go if request.json["model"] == "glm-z1-air" else None,
        hold_after=4,
    )
    asking.start(1)
    columns = asking.page.locator(".glm-Column")
    left = "cells => cells.map(cell => cell.getBoundingClientRect().left)"
    top = "cells => cells.map(cell => cell.getBoundingClientRect().top)"
    try:
        expect(columns).to_have_count(3)
        asking.wait_drawn(2)
        before = columns.evaluate_all(left)
        expect(columns.nth(1).locator(".glm-stop")).to_be_visible()
        expect(columns.nth(0).locator(".glm-stop")).to_be_hidden()
    finally:
        go.set()
    asking.wait_drawn(3)
    assert columns.evaluate_all(left) == before == sorted(set(before))
    assert len(set(columns.evaluate_all(top))) == 1
    names = columns.locator(".glm-Model").all_inner_texts()
    assert names == ["glm-4-airx", "glm-z1-air", "glm-4.7"]
    assert columns.nth(0).locator(".glm-Body mjx-container").count() == 2
    assert columns.nth(0).locator("mjx-merror").count() == 0
    assert "np.linalg.cholesky(S)" in columns.nth(1).locator("pre").first.inner_text()
    assert columns.nth(2).locator("table").count() == 1
    fold = columns.nth(1).locator("details")
    expect(fold.locator("p")).to_have_count(0)
    fold.locator("summary").click()
    expect(fold.locator("p").first).to_be_visible()
    columns.nth(2).locator(".glm-more").click()
    expect(columns.nth(2).locator(".glm-Details")).to_contain_text("glm-4.7 (bigmodel)")
    columns.nth(0).locator(".glm-copy").click()
    assert "$$\n3 > 1 > 0\n$$" in asking.page.evaluate("() => navigator.clipboard.readText()")
    asking.screenshot(SCREENSHOTS / "compare.png")


def test_stop_keeps_what_has_come_in_every_column(asking: Notebook, server: ProtocolServer) -> None:
    server.default = Reply("Never the end of it", chunk=5, hold=threading.Event())
    asking.start(1)
    columns = asking.page.locator(".glm-Column")
    for number in range(3):
        expect(columns.nth(number)).to_contain_text("Never")
    columns.nth(1).locator(".glm-stop").click()
    asking.wait_drawn(3)
    for number in range(3):
        expect(columns.nth(number)).to_contain_text("stopped")
        expect(columns.nth(number)).to_contain_text("Never")

"""Answers side by side in a real JupyterLab: columns, typeset, with a fold that opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.browser.lab import Notebook
from tests.protocol_server import ProtocolServer, Reply

SCREENSHOTS = Path(__file__).parents[2] / "test-results"
ASK = "%%glm --compare glm-4-airx,glm-z1-air,glm-4.7\nIs the matrix positive definite?"
TEXTS = {
    "glm-4-airx": "Both eigenvalues of \\( S \\) are positive:\n\n\\[ 3 > 1 > 0 \\]\n\n- so it is",
    "glm-z1-air": "It **is**.\n\n```python\nnp.linalg.cholesky(S)",
    "glm-4.7": "| eigenvalue | sign |\n|---|---|\n| 3 | + |\n| 1 | + |\n\nYes, for $5.",
}


def test_columns(notebook: Callable[..., Notebook], server: ProtocolServer) -> None:
    server.respond = lambda request: Reply(
        TEXTS[request.json["model"]],
        reasoning="Look at the eigenvalues." if request.json["model"] != "glm-4-airx" else "",
    )
    set_up = f"import os\nos.environ.update(ZAI_API_KEY='id.secret', ZAI_BASE_URL={server.url!r})"
    page = notebook(f"{set_up}\n%load_ext glm_jupyter", ASK)
    page.run(0, 1)
    shown = page.page.locator(".jp-OutputArea-output table").first
    shown.wait_for()
    shown.locator("mjx-container").nth(1).wait_for(state="attached")
    columns = shown.locator("> tbody > tr").nth(1).locator("> td")
    assert columns.count() == 3
    left = "cells => cells.map(cell => cell.getBoundingClientRect().left)"
    top = "cells => cells.map(cell => cell.getBoundingClientRect().top)"
    lefts = columns.evaluate_all(left)
    assert lefts == sorted(set(lefts))
    assert len(set(columns.evaluate_all(top))) == 1
    assert columns.nth(0).locator("mjx-container").count() == 2
    assert columns.nth(0).locator("mjx-merror").count() == 0
    assert "np.linalg.cholesky(S)" in columns.nth(1).locator("pre").inner_text()
    assert columns.nth(2).locator("table").count() == 1
    fold = columns.nth(1).locator("details")
    assert not fold.locator("p").first.is_visible()
    fold.locator("summary").click()
    assert fold.locator("p").first.is_visible()
    page.screenshot(SCREENSHOTS / "compare.png")

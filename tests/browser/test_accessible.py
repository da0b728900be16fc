"""What every surface owes to those who read it in their own way: axe, the keyboard, 200 % zoom."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import TIDY
from tests.browser.lab import ROOT, Lab, Notebook
from tests.protocol_server import ProtocolServer, Reply

SHOTS = Path(__file__).parents[2] / "test-results"
AXE = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
ANSWER = """# Covariance

A [link](https://example.org/x), `code`, and $x^2$:

| a | b |
|---|---|
| 1 | 2 |

```python
print(6 * 7)
```
"""
CELLS = {
    "answer": "%%glm -m glm-4.7\nAn answer",
    "value": "%%glm -m glm-4.7 --schema Row\nA value",
    "compare": "%%glm --compare glm-4.7,glm-4.6\nCompare",
    "map": "%%glm -m glm-4.7 --map range(30) --fresh\nIs {{ item }} odd?",
    "usage": "%glm usage",
    "models": "%glm models",
    "dry run": "%%glm -m glm-4.7 --dry-run\nWhat would it cost?",
    "doctor": "%glm doctor",
    "panel": "%glm panel",
    "error": "%%glm -m glm-4.7\nFail",
}


def reply(request) -> Reply:
    question = request.json["messages"][-1]["content"]
    if "Fail" in question:
        return Reply(status=400, body={"error": {"code": "1211", "message": "no such model"}})
    if "value" in question:
        return Reply(json.dumps({"name": "Ada", "years": [1, 2]}))
    return Reply(ANSWER, reasoning="Let me see.", prompt_tokens=10_000, completion_tokens=1000)


@pytest.fixture
def surfaces(
    context: BrowserContext, server: ProtocolServer
) -> Iterator[Callable[[Lab], Notebook]]:
    """Open a notebook of all surfaces, each in a cell that has been run, in this JupyterLab."""

    def opened(lab: Lab) -> Notebook:
        env = {"ZAI_API_KEY": "id.secret", "ZAI_BASE_URL": server.url}
        load = (
            f"import os\nos.environ.update({json.dumps(env)})\n%load_ext glm_jupyter\n"
            "import pydantic\nclass Row(pydantic.BaseModel):\n    name: str\n    years: list[int]"
        )
        lab.write("surfaces.ipynb", load, *CELLS.values())
        nb = Notebook(lab, context, "surfaces.ipynb")
        nb.run(*range(len(CELLS) + 1))
        nb.wait_drawn(3)
        return nb

    server.respond = reply
    yield opened
    for page in context.pages:
        page.set_viewport_size({"width": 1200, "height": 900})


def violations(page: Page, within: str) -> list[tuple[str, list[str]]]:
    found = page.evaluate("async within => (await axe.run(within)).violations", within)
    return [(each["id"], [node["html"][:300] for node in each["nodes"]]) for each in found]


@pytest.mark.parametrize("locale", ["", "zh_CN"])
def test_axe_finds_nothing_on_any_surface(
    surfaces: Callable[[Lab], Notebook], tmp_path: Path, lab: Lab, locale: str
) -> None:
    with contextlib.ExitStack() as stack:
        if locale:
            lab = Lab(tmp_path / "lab", locale=locale)
            stack.callback(lab.close)
        nb = surfaces(lab)
        page = nb.page
        # All of it in the window: axe passes over what is scrolled out of it.
        page.set_viewport_size({"width": 1200, "height": 9000})
        page.add_script_tag(path=AXE)
        folded = page.locator(".jp-OutputArea details:not([open]) > summary:visible")
        while folded.count():
            folded.first.click()
        page.locator(".glm-more").first.click()
        for theme in ("Light", "Dark"):
            nb.use_theme(theme)
            page.evaluate("() => jupyterapp.shell.collapseRight()")
            page.screenshot(path=SHOTS / f"surfaces-{locale or 'en'}-{theme.lower()}.png")
            assert violations(page, ".jp-Notebook .jp-OutputArea-output") == []
            page.evaluate("() => jupyterapp.shell.activateById('glm-jupyter-panel')")
            expect(page.locator(".glm-Sidebar .glm-panel")).to_be_visible()
            assert violations(page, ".glm-Sidebar") == []
            assert violations(page, ".glm-StatusItem") == []
        page.evaluate(TIDY)


def test_at_200_percent_nothing_is_cut_or_scrolls_sideways_but_tables_and_code(
    surfaces: Callable[[Lab], Notebook], lab: Lab
) -> None:
    page = surfaces(lab).page
    page.set_viewport_size({"width": 640, "height": 450})  # a window of 1280 by 900
    page.evaluate("() => jupyterapp.shell.collapseLeft()")
    page.screenshot(path=SHOTS / "zoomed.png")
    wide = page.evaluate(
        """() => [...document.querySelectorAll('.jp-OutputArea-output, .jp-OutputArea-output *')]
            .filter(node => node.clientWidth > 0 && node.scrollWidth > node.clientWidth + 1)
            .filter(node => getComputedStyle(node).display !== 'inline')
            .filter(node => !node.closest('pre, table, .glm-Table, .glm-Voice'))
            .filter(node => !node.matches('.jp-RenderedMarkdown:has(table)'))
            .map(node => node.outerHTML.slice(0, 200))"""
    )
    assert wide == []

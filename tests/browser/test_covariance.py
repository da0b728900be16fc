"""A long mathematical answer in a real JupyterLab: every formula typeset, no error box."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext

from tests.browser.lab import Lab, Notebook
from tests.protocol_server import ProtocolServer, Reply

TEXT = (Path(__file__).parents[1] / "texts" / "covariance.md").read_text(encoding="utf-8")
SCREENSHOTS = Path(__file__).parents[2] / "test-results"
ASK = "%%glm --model glm-4-airx\nWork out the covariance matrix of the sample, step by step."


def cells(server: ProtocolServer) -> tuple[str, str]:
    """A service for the kernel, which has none in its environment, and the question."""
    set_up = f"import os\nos.environ.update(ZAI_API_KEY='id.secret', ZAI_BASE_URL={server.url!r})"
    return f"{set_up}\n%load_ext glm_jupyter", ASK


def formulas() -> int:
    """How many formulas the text holds outside code."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", TEXT, flags=re.DOTALL)
    spelled = r"\\\(.*?\\\)|\\\[.*?\\\]|^\\begin\{align\*\}"
    return len(re.findall(spelled, prose, flags=re.DOTALL | re.MULTILINE))


def assert_typeset(notebook: Notebook, where: str) -> None:
    shown = notebook.page.locator(where)
    shown.locator("mjx-container").nth(formulas() - 1).wait_for(state="attached")
    assert shown.locator("mjx-container").count() == formulas()
    assert shown.locator("mjx-merror, [data-mjx-error]").count() == 0
    left = shown.evaluate(
        """node => {
            const copy = node.cloneNode(true);
            copy.querySelectorAll('mjx-container, pre, code, script').forEach(e => e.remove());
            return copy.textContent;
        }"""
    )
    assert not re.search(r"\\[a-zA-Z([\])]|\$\$|@@", left), left


def test_every_formula_is_typeset(notebook: Callable[..., Notebook], server) -> None:
    assert formulas() >= 20
    server.default = Reply(text=TEXT, chunk=7, pause=0.001, prompt_tokens=33, completion_tokens=885)
    page = notebook(*cells(server))
    page.run(0, 1)
    page.wait_drawn()
    assert_typeset(page, ".glm-Answer")
    assert "0.00918 RMB" in page.page.locator(".glm-Answer").inner_text()
    assert page.errors == []
    saved = page.save()["cells"][1]["outputs"]
    assert len(saved) == 1
    assert saved[0]["data"]["application/vnd.glm-jupyter.answer+json"]["text"] == TEXT


def test_every_formula_is_typeset_without_the_extension(
    bare_lab: Lab, context: BrowserContext, server: ProtocolServer
) -> None:
    server.default = Reply(text=TEXT, chunk=7, pause=0.001)
    bare_lab.write("plain.ipynb", *cells(server))
    page = Notebook(bare_lab, context, "plain.ipynb")
    page.run(0, 1)
    assert_typeset(page, ".jp-RenderedMarkdown[data-mime-type='text/markdown']")
    assert page.errors == []


def test_picture_for_the_readme(lab: Lab, browser: Browser, server: ProtocolServer) -> None:
    short = TEXT.split("\n\n", 1)[1].split("### 3.")[0]
    server.default = Reply(text=short, chunk=40, pause=0.1, prompt_tokens=33, completion_tokens=885)
    lab.write("covariance.ipynb", *cells(server))
    with browser.new_context(viewport={"width": 940, "height": 1080}) as context:
        page = Notebook(lab, context, "covariance.ipynb")
        page.page.evaluate("() => jupyterapp.commands.execute('application:toggle-left-area')")
        page.run(0, 1)
        page.wait_drawn()
        page.page.mouse.move(0, 0)
        SCREENSHOTS.mkdir(exist_ok=True)
        page.page.locator(".jp-CodeCell").nth(1).screenshot(path=SCREENSHOTS / "covariance.png")
    assert (SCREENSHOTS / "covariance.png").stat().st_size > 10_000

"""An answer as a reader meets it: scrolling, keys, code, waiting, and screen readers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.cells import LOAD, TEXTS, grow, loading
from tests.browser.lab import ROOT, Notebook
from tests.protocol_server import ProtocolServer, Reply

Open = Callable[..., Notebook]
HalfWay = Callable[..., tuple[Notebook, Callable[[], None]]]

SCREENSHOTS = Path(__file__).parents[2] / "test-results"
AXE = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
NAME = "a_function_with_a_very_long_name"
TEXT = f"""# A heading

A [link](https://example.org/x), `code`, and $x^2$:

| a | b |
|---|---|
| 1 | 2 |

```python
{NAME}({", ".join(f"argument_{n}=value_{n}" for n in range(40))})
```

- [x] done
- an item
"""


def test_the_answer_has_no_scrollbar_of_its_own(answered: Open) -> None:
    nb = answered((TEXTS / "covariance.md").read_text())
    scrolling = """() => {
        const found = [];
        const answer = document.querySelector('.glm-Answer');
        for (let node = answer; !node.matches('.jp-Cell'); node = node.parentElement) {
            if (node.scrollHeight > node.clientHeight) found.push(node.className);
        }
        return found;
    }"""
    assert nb.page.evaluate(scrolling) == []


def test_code_keeps_its_lines_and_scrolls(answered: Open) -> None:
    nb = answered(TEXT)
    code = nb.page.locator(".glm-Code pre")
    assert code.evaluate("pre => pre.scrollWidth > pre.clientWidth")
    lines = """pre => {
        const range = document.createRange();
        range.selectNodeContents(pre);
        return new Set([...range.getClientRects()].map(box => Math.round(box.bottom))).size;
    }"""
    assert code.locator("code").evaluate(lines) == 1


def test_keys_typed_after_a_click_in_an_answer_are_no_commands(answered: Open) -> None:
    nb = answered(TEXT)
    nb.page.click(".glm-copy")
    nb.page.keyboard.type("ddxabm")
    assert nb.page.locator(".jp-CodeCell").count() == 2
    nb.page.locator(".glm-copy").press("Enter")
    expect(nb.page.locator(".glm-copy")).to_have_text("Copied")


def test_the_typesetter_is_ready_before_the_first_formula(notebook: Open) -> None:
    nb = notebook(LOAD)
    nb.run(0)
    expect(nb.page.locator("#MJX-CHTML-styles")).to_be_attached()


def test_a_closed_answer_counts_no_seconds(half_way: HalfWay) -> None:
    nb, _ = half_way("The answer.", reasoning="Let me see. " * 40, rate=600)
    expect(nb.page.locator(".glm-Reasoning summary")).to_contain_text("Thinking…")
    nb.page.evaluate(
        """() => {
            window.said = 0;
            const fold = document.querySelector('.glm-Reasoning summary');
            new MutationObserver(() => window.said++)
                .observe(fold, { subtree: true, childList: true, characterData: true });
            for (const cell of jupyterapp.shell.currentWidget.content.widgets)
                cell.model.outputs?.clear();
        }"""
    )
    expect(nb.page.locator(".glm-Answer")).to_have_count(0)
    nb.page.wait_for_timeout(2500)
    assert nb.page.evaluate("() => window.said") == 0


def test_a_thought_counts_its_seconds(half_way: HalfWay) -> None:
    nb, _ = half_way("The answer.", reasoning="Let me see. " * 40, rate=600)
    expect(nb.page.locator(".glm-Reasoning summary")).to_have_text("Thinking… 3 s")
    expect(nb.page.locator(".glm-Summary")).to_have_text("glm-4-airx · answering…")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_axe_finds_nothing(answered: Open, theme: str) -> None:
    nb = answered(TEXT, reasoning="Let me see.")
    nb.use_theme(theme)
    nb.page.locator(".glm-Reasoning summary").click()
    nb.page.click(".glm-more")
    nb.page.add_script_tag(path=AXE)
    found = nb.page.evaluate("async () => (await axe.run('.glm-Answer')).violations")
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def test_an_answer_is_no_landmark(answered: Open) -> None:
    nb = answered(TEXT)
    assert nb.page.locator(".glm-Answer").get_by_role("contentinfo").count() == 0


def test_a_saved_unfinished_answer_has_one_wording(notebook: Open) -> None:
    """A kernel that is gone says nothing more of its answer."""
    nb = notebook(LOAD, grow(TEXT, until="/nowhere/at/all", rate=2000))
    nb.run(0)
    nb.start(1)
    expect(nb.page.locator(".glm-Answer h1")).to_be_visible()
    nb.save()
    nb.page.on("dialog", lambda dialog: dialog.accept())
    nb.page.evaluate(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.shutdown()"
    )
    nb.page.goto("about:blank")
    nb.open()
    expect(nb.page.locator(".glm-Answer h1")).to_be_visible()
    assert "unknown" not in nb.page.locator(".glm-Answer").inner_text()
    expect(nb.page.locator(".glm-Ending")).to_contain_text("Not complete")
    expect(nb.page.locator(".glm-Summary")).to_have_text("glm-4-airx")


def test_a_cell_that_waits_counts_the_seconds_and_can_be_stopped(
    notebook: Open, server: ProtocolServer
) -> None:
    load = loading(server)
    go = threading.Event()
    server.respond = lambda request: Reply("It is singular.", hold=go, hold_after=0)
    nb = notebook(load, "%%glm --model glm-4-airx\nWhy is the matrix singular?")
    nb.run(0)
    nb.start(1)
    line = nb.page.locator(".glm-Summary")
    try:
        expect(line).to_have_text("Waiting for glm-4-airx … 3 s")
        expect(nb.page.locator(".glm-stop")).to_be_visible()
        expect(nb.page.locator(".glm-copy")).to_be_hidden()
        nb.page.locator(".jp-CodeCell").nth(1).screenshot(path=SCREENSHOTS / "waiting.png")
    finally:
        go.set()
    expect(nb.page.locator(".glm-Body").last).to_contain_text("It is singular.")
    expect(line).to_contain_text("tokens in")


TABLE = (
    "| L | C | R | plain |\n|:--|:-:|--:|---|\n| a | b | 3 | words |\n| long words | c | 44 | x |\n"
)
ALIGNED = """table => [...table.querySelectorAll('td')].map(cell => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    const [text, box] = [range.getBoundingClientRect(), cell.getBoundingClientRect()];
    return [Math.round(text.left - box.left), Math.round(box.right - text.right)];
})"""


def test_columns_of_a_table_stand_as_the_answer_says(notebook: Open) -> None:
    """As in JupyterLab's own markdown, which sets other tables' cells to the right."""
    nb = notebook(LOAD, grow(TABLE), f"from IPython.display import Markdown\nMarkdown({TABLE!r})")
    nb.run(0, 1, 2)
    nb.wait_drawn()
    ours, theirs = (table.evaluate(ALIGNED) for table in nb.page.locator("table").all())
    assert ours == theirs

"""What a person sees at Tab on our lines."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.cells import LOAD
from tests.browser.lab import Lab, Notebook

SHOTS = Path(__file__).parents[2] / "test-results"
TAB = """() => {
    const { content } = jupyterapp.shell.currentWidget;
    content.activeCellIndex = 1;
    content.mode = 'edit';
    const { editor } = content.activeCell;
    editor.setCursorPosition({ line: 0, column: editor.getLine(0).length });
    editor.focus();
}"""


# In how many lines each text stands.
LINES = """texts => texts.map(text => {
    const range = document.createRange();
    range.selectNodeContents(text);
    return new Set([...range.getClientRects()].map(box => Math.round(box.bottom))).size;
})"""


def tab(page: Page) -> None:
    """Press Tab until there is a list: JupyterLab waits for none that takes a second."""
    for _ in range(5):
        page.evaluate(TAB)
        page.keyboard.press("Tab")
        with suppress(PlaywrightTimeout):
            page.wait_for_selector(".jp-Completer:visible", timeout=5000)
            return


@pytest.mark.parametrize(
    ("line", "item", "hint"),
    [
        ("%%glm --", "--code", "put the answer's code into a new cell below"),
        ("%%glm --", "--batch", "answer --map within a day, at half the price"),
        ("%%glm -m glm-4-a", "glm-4-airx", "10 / 10 rmb"),
        ("%glm ", "models", "list models with prices and limits"),
    ],
    ids=["options", "hyphens", "models", "commands"],
)
def test_each_item_has_a_hint_and_stands_there_once(
    notebook: Callable[..., Notebook], line: str, item: str, hint: str
) -> None:
    nb = notebook(LOAD, line)
    nb.run(0)
    tab(nb.page)
    popup = nb.page.locator(".jp-Completer")
    offered = popup.locator(".jp-Completer-item").filter(
        has=nb.page.locator(".jp-Completer-match", has_text=item)
    )
    expect(offered).to_have_count(1)
    said = offered.locator(".jp-Completer-typeExtended").inner_text()
    assert said.replace("\N{NO-BREAK SPACE}", " ").replace("\N{WORD JOINER}", "") == hint
    assert set(popup.locator(".jp-Completer-typeExtended").evaluate_all(LINES)) <= {0, 1}
    SHOTS.mkdir(exist_ok=True)
    nb.screenshot(SHOTS / f"completion-{line.strip('%').split()[-1].strip('-')}.png")
    offered.click()
    expect(popup).to_be_hidden()
    assert nb.save().cells[1].source == line[: line.rfind(" ") + 1] + item


def test_documentation_stands_beside_where_it_is_wanted(
    notebook: Callable[..., Notebook], lab: Lab
) -> None:
    nb = notebook(LOAD, "%%glm --max")
    nb.run(0)
    nb.page.evaluate(
        """() => {
            const settings = '@jupyterlab/apputils-extension:settings';
            const { service } = jupyterapp.pluginRegistry._plugins.get(settings);
            const manager = '@jupyterlab/completer-extension:manager';
            return service.set(manager, 'showDocumentationPanel', true);
        }"""
    )
    try:
        tab(nb.page)
        beside = nb.page.locator(".jp-Completer-docpanel")
        expect(beside).to_contain_text("most the answer may cost: 0.5")
        nb.screenshot(SHOTS / "completion-documentation.png")
    finally:
        for file in (lab.files.parent / "settings").rglob("manager.jupyterlab-settings"):
            file.unlink()

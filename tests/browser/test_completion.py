"""What a person sees at Tab on our lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

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


def tab(page: Page) -> None:
    page.evaluate(TAB)
    page.keyboard.press("Tab")


@pytest.mark.parametrize(
    ("line", "item", "hint"),
    [
        ("%%glm --", "--code", "put the answer's code into a new cell below"),
        ("%%glm -m glm-4-a", "glm-4-airx", "10 / 10 rmb"),
        ("%glm ", "models", "list models with prices and limits"),
    ],
    ids=["options", "models", "commands"],
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
    assert said.replace("\N{NO-BREAK SPACE}", " ") == hint
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

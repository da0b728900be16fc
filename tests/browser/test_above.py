"""`--above` in a real JupyterLab: the cells as they are now, not as they were saved."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.cells import loading
from tests.browser.lab import Notebook
from tests.protocol_server import ProtocolServer


def test_the_cells_above_are_those_on_screen(
    notebook: Callable[..., Notebook], server: ProtocolServer
) -> None:
    nb = notebook(
        loading(server),
        "6 * 7",
        "%%glm -m glm-4.7 --above 2\nWhy?",
        "below = 1",
    )
    nb.run(0)
    nb.page.evaluate(
        """() => {
            const { model } = jupyterapp.shell.currentWidget.content;
            model.cells.get(1).sharedModel.setSource('6 * 8  # changed, not saved');
        }"""
    )
    nb.run(1, 2)
    nb.wait_drawn()
    asked = str(server.chats[-1].json["messages"][-1]["content"])
    assert "changed, not saved" in asked
    assert "48" in asked
    assert "below = 1" not in asked
    expect(nb.page.locator(".glm-Summary")).to_contain_text("with 2 of 2 cells above")
    assert nb.errors == []

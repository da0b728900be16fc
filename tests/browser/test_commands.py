"""The commands about %%glm: from the palette, the context menu, by keys, and on a failed cell."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.cells import LOAD, grow, loading
from tests.browser.lab import Notebook
from tests.protocol_server import ProtocolServer, Reply

SHOTS = Path(__file__).parents[2] / "test-results"
KEY = "0123456789abcdef.sEcReTsEcReT"
CODE = "Run this:\n\n```python\nprint(6 * 7)\n```\n\nor\n\n```bash\nls\n```\n"
UNLOADED = "glm_jupyter is not loaded in the kernel"

Open = Callable[..., Notebook]


@pytest.fixture
def load(server: ProtocolServer, tmp_path: Path) -> str:
    """The first cell of a notebook whose questions go to `server`."""
    server.key = KEY
    return loading(server, ZAI_API_KEY=KEY, XDG_DATA_HOME=str(tmp_path))


def select(notebook: Notebook, number: int) -> None:
    """Make a cell the active one, in command mode."""
    notebook.page.evaluate(
        """number => {
            const { content } = jupyterapp.shell.currentWidget;
            content.deselectAll();
            content.activeCellIndex = number;
            content.mode = 'command';
            content.activate();
        }""",
        number,
    )


def palette(notebook: Notebook, label: str) -> None:
    """Find a command in the palette, and choose it."""
    page = notebook.page
    page.evaluate("() => jupyterapp.commands.execute('apputils:activate-command-palette')")
    page.locator("#command-palette input, .jp-ModalCommandPalette input").first.fill(label)
    page.wait_for_timeout(300)  # until what was found has been drawn anew
    page.locator(".lm-CommandPalette-item", has_text=label).first.click()


def menu(notebook: Notebook, place: Locator) -> Locator:
    """The context menu at a place."""
    place.click(button="right")
    return notebook.page.locator(".lm-Menu")


def sources(notebook: Notebook) -> list[str]:
    return [str(cell.source) for cell in notebook.save().cells]


def test_a_new_cell_that_asks(notebook: Open) -> None:
    nb = notebook(LOAD, "1 + 1", "2 + 2")
    nb.run(0)
    select(nb, 1)
    palette(nb, "New %%glm Cell Below")
    expect(nb.page.locator(".jp-Notebook.jp-mod-editMode")).to_be_visible()
    nb.page.keyboard.type("What is 1 + 1?")
    assert sources(nb) == [LOAD, "1 + 1", "%%glm\nWhat is 1 + 1?", "2 + 2"]


def test_asking_about_a_cell(notebook: Open) -> None:
    nb = notebook(LOAD, "x = 1\nx + 1")
    nb.run(0)
    menu(nb, nb.page.locator(".jp-CodeCell").nth(1).locator(".cm-content")).get_by_text(
        "Ask GLM About This"
    ).click()
    # The question is selected, so that another one can be typed over it.
    expect(nb.page.locator(".jp-Notebook.jp-mod-editMode")).to_be_visible()
    nb.page.keyboard.type("Why?")
    assert sources(nb)[2] == "%%glm\nWhy?\n\n```python\nx = 1\nx + 1\n```"


def test_asking_about_selected_text(notebook: Open) -> None:
    nb = notebook(LOAD, "x = 1\nyoung")
    nb.run(0)
    nb.page.locator(".jp-CodeCell").nth(1).get_by_text("young").dblclick()
    palette(nb, "Ask GLM About This")
    expect(nb.page.locator(".jp-CodeCell")).to_have_count(3)
    assert sources(nb)[2] == "%%glm\nExplain this.\n\n```python\nyoung\n```"


def test_what_is_quoted_is_not_evaluated(notebook: Open, load: str, server: ProtocolServer) -> None:
    code = 'template = "{{ name }} ```"'
    nb = notebook(load, code)
    nb.run(0)
    select(nb, 1)
    palette(nb, "Ask GLM About This")
    expect(nb.page.locator(".jp-CodeCell")).to_have_count(3)
    server.enqueue(Reply())
    nb.run(2)
    nb.wait_drawn()
    asked = server.requests[0].json["messages"][-1]["content"]
    assert asked == f"Explain this.\n\n````python\n{code}\n````"


def test_explaining_the_error_by_a_button(
    notebook: Open, load: str, server: ProtocolServer
) -> None:
    nb = notebook(load, "1 / 0", "nothing", "%%glm -m\nHello")
    nb.run(0)
    expect(nb.page.locator(".glm-StatusItem")).to_contain_text("nothing spent")
    nb.run(1)
    offer = nb.page.get_by_role("button", name="Explain This Error")
    expect(offer).to_have_count(1)
    # `%glm explain` is about the last error: that of the earlier cell cannot be explained now.
    nb.run(2)
    third = nb.page.locator(".jp-CodeCell").nth(2)
    expect(third.get_by_role("button", name="Explain This Error")).to_be_visible()
    expect(offer).to_have_count(1)
    # A cell of ours has said what was wrong.
    nb.run(3)
    expect(nb.page.locator(".jp-CodeCell").nth(3)).to_contain_text("%%glm --help")
    expect(offer).to_have_count(1)
    SHOTS.mkdir(exist_ok=True)
    nb.screenshot(SHOTS / "explain.png")
    server.enqueue(Reply(text="It is not defined."))
    offer.press("Enter")
    nb.wait_drawn()
    assert sources(nb)[3] == "%glm explain"
    assert "NameError" in server.requests[0].json["messages"][-1]["content"]


def test_explaining_the_error_from_the_context_menu(
    notebook: Open, load: str, server: ProtocolServer
) -> None:
    nb = notebook(load, "1 / 0")
    nb.run(0, 1)
    server.enqueue(Reply(text="Nothing can be divided by zero."))
    cells = nb.page.locator(".jp-CodeCell")
    items = menu(nb, cells.nth(1).locator(".cm-content"))
    items.get_by_text("Explain This Error With GLM").click()
    nb.wait_drawn()
    assert sources(nb) == [load, "1 / 0", "%glm explain"]
    items = menu(nb, cells.nth(0).locator(".cm-content"))
    expect(items.get_by_text("Ask GLM About This")).to_be_visible()
    expect(items.get_by_text("Explain This Error")).to_be_hidden()


def test_stopping_the_answer(notebook: Open, load: str, server: ProtocolServer) -> None:
    nb = notebook(load, "%%glm -m glm-4.7\nHello")
    nb.run(0)
    server.enqueue(Reply(text="word " * 2000, pause=0.03))
    nb.start(1)
    expect(nb.page.locator(".glm-StatusItem")).to_contain_text("glm-4.7 is answering")
    expect(nb.page.locator(".glm-Answer")).to_contain_text("word")
    palette(nb, "Stop the Answer")
    nb.page.wait_for_selector("text=Stopped. What had arrived is kept")
    expect(nb.page.locator(".glm-StatusItem")).to_contain_text("RMB")


def test_inserting_the_code_of_an_answer(notebook: Open) -> None:
    nb = notebook(LOAD, grow(CODE), "2 + 2")
    nb.run(0, 1)
    nb.wait_drawn()
    select(nb, 2)  # as Shift+Enter leaves it: the answer is above
    palette(nb, "Insert the Code of This Answer Below")
    assert sources(nb)[2:] == ["print(6 * 7)", "2 + 2"]


def test_without_an_answer_inserting_says_so(notebook: Open) -> None:
    nb = notebook("2 + 2")
    select(nb, 0)
    palette(nb, "Insert the Code of This Answer Below")
    expect(nb.page.locator(".Toastify")).to_contain_text("No answer with code")


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ("gn", "%%glm\n"),
        ("ga", "%%glm\nExplain this.\n\n```python\n1 / 0\n```"),
        ("ge", "%glm explain"),
        ("gi", "print(6 * 7)"),
    ],
    ids=["new", "ask", "explain", "insert"],
)
def test_keys_insert_cells(
    notebook: Open, load: str, server: ProtocolServer, keys: str, what: str
) -> None:
    nb = notebook(load, "%%glm\nHello", "1 / 0")
    server.enqueue(Reply(text=CODE), Reply())
    nb.run(0, 1, 2)
    nb.wait_drawn()
    select(nb, 2)
    nb.page.keyboard.type(keys)
    expect(nb.page.locator(".jp-CodeCell")).to_have_count(4)
    assert what in sources(nb)


def test_keys_stop_the_answer_and_show_the_panel(
    notebook: Open, load: str, server: ProtocolServer
) -> None:
    nb = notebook(load, "%%glm -m glm-4.7\nHello")
    nb.run(0)
    server.enqueue(Reply(text="word " * 2000, pause=0.03))
    nb.start(1)
    expect(nb.page.locator(".glm-StatusItem")).to_contain_text("glm-4.7 is answering")
    select(nb, 1)
    nb.page.keyboard.type("gp")
    expect(nb.page.locator(".glm-Sidebar .glm-panel")).to_contain_text("is answering")
    select(nb, 1)
    nb.page.keyboard.type("gs")
    nb.page.wait_for_selector("text=Stopped. What had arrived is kept")


@pytest.mark.parametrize("label", ["New %%glm Cell Below", "Ask GLM About This"])
def test_where_nothing_is_loaded_a_new_cell_comes_with_the_remedy(
    notebook: Open, label: str
) -> None:
    nb = notebook("1 + 1")
    expect(nb.page.locator(".glm-StatusItem")).to_contain_text("GLM: not loaded")
    select(nb, 0)
    toast = nb.page.locator(".Toastify")
    for _ in range(3):  # the palette of a busy page may miss a click
        palette(nb, label)
        with contextlib.suppress(AssertionError):
            expect(toast).to_contain_text(UNLOADED, timeout=8_000)
            break
    expect(toast).to_contain_text(UNLOADED)
    toast.get_by_role("button", name="Load It").click()
    expect(nb.page.locator(".glm-StatusItem")).not_to_contain_text("not loaded")
    assert "%load_ext glm_jupyter" in sources(nb)


def test_where_nothing_is_loaded_an_error_is_not_explained_but_the_remedy_said(
    notebook: Open,
) -> None:
    nb = notebook("1 / 0")
    expect(nb.page.locator(".glm-StatusItem")).to_contain_text("GLM: not loaded")
    nb.run(0)
    expect(nb.page.get_by_role("button", name="Explain This Error")).to_have_count(0)
    select(nb, 0)
    palette(nb, "Explain This Error With GLM")
    expect(nb.page.locator(".Toastify")).to_contain_text(UNLOADED)
    assert sources(nb) == ["1 / 0"]


def test_where_the_package_is_missing_loading_says_what_to_install(notebook: Open) -> None:
    hide = (
        "import sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'glm_jupyter': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hide())"
    )
    nb = notebook(hide)
    nb.run(0)
    palette(nb, "Load glm_jupyter in This Notebook")
    expect(nb.page.locator(".Toastify")).to_contain_text("%pip install glm-jupyter")

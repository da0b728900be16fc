"""The panel in the right sidebar and the line in the status bar, in JupyterLab and Notebook 7."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.cells import LOAD, loading
from tests.browser.lab import Lab, Notebook
from tests.protocol_server import ProtocolServer, Reply

SHOTS = Path(__file__).parents[2] / "test-results"
KEY = "0123456789abcdef.sEcReTsEcReT"
# Notebook 7.6 has this error without any extension, too.
OF_NOTEBOOK = "Cannot read properties of undefined (reading 'schema')"
MANAGER = "@jupyter-widgets/jupyterlab-manager"

Open = Callable[..., Notebook]


@pytest.fixture
def load(server: ProtocolServer, tmp_path: Path) -> str:
    """The first cell of a notebook whose questions go to `server`."""
    server.key = KEY
    return loading(server, ZAI_API_KEY=KEY, XDG_DATA_HOME=str(tmp_path))


def status(page: Page) -> str:
    return page.locator(".glm-StatusItem").inner_text()


def shoot(nb: Notebook, name: str) -> None:
    """Screenshots in both themes."""
    SHOTS.mkdir(exist_ok=True)
    for theme in ("Light", "Dark"):
        nb.use_theme(theme)
        nb.page.screenshot(path=SHOTS / f"{name}-{theme.lower()}.png")


def test_the_status_bar_tells_the_model_and_the_spending_and_opens_the_panel(
    notebook: Open, load: str, server: ProtocolServer
) -> None:
    nb = notebook(load, "%glm use glm-4.7", "%%glm\nHello")
    line = nb.page.locator(".glm-StatusItem")
    expect(line).to_have_text("GLM: not loaded")
    nb.run(0)
    expect(line).to_have_text("glm-4.7-flash · nothing spent")
    nb.run(1)
    expect(line).to_have_text("glm-4.7 · nothing spent")
    server.enqueue(Reply(prompt_tokens=10_000, completion_tokens=1000))
    nb.run(2)
    expect(line).to_contain_text("RMB")
    line.get_by_role("button").click()
    panel = nb.page.locator(".glm-Sidebar .glm-panel")
    expect(panel).to_contain_text("bigmodel/glm-4.7 answers")
    shoot(nb, "sidebar")
    # The panel is that of the kernel: what is chosen there is what the line says.
    model = panel.get_by_role("combobox", name="Model")
    chosen = model.locator("option").nth(5).inner_text().split()[0]
    model.select_option(index=5)
    expect(line).to_contain_text(f"{chosen} · ")


def test_the_panel_belongs_to_the_notebook_that_the_reader_is_in(
    notebook: Open, lab: Lab, load: str
) -> None:
    nb = notebook(load, "%glm use glm-4.7")
    lab.write("other.ipynb", "1 + 1")
    nb.run(0, 1)
    nb.page.evaluate("() => jupyterapp.commands.execute('glm-jupyter:open-panel')")
    sidebar = nb.page.locator(".glm-Sidebar")
    expect(sidebar).to_contain_text("bigmodel/glm-4.7 answers")
    nb.page.evaluate(
        "() => jupyterapp.commands.execute('docmanager:open', { path: 'other.ipynb' })"
    )
    expect(sidebar).to_contain_text("glm_jupyter is not loaded in the kernel of this notebook")
    expect(sidebar).not_to_contain_text("bigmodel/glm-4.7")
    sidebar.get_by_role("button", name="Load It").click()
    expect(sidebar).to_contain_text("Who answers")


def test_a_page_that_is_loaded_again_knows_the_session(notebook: Open, load: str) -> None:
    nb = notebook(load, "%glm use glm-4.7")
    nb.run(0, 1)
    nb.save()
    nb.open()
    expect(nb.page.locator(".glm-StatusItem")).to_have_text("glm-4.7 · nothing spent")


def test_after_a_restart_nothing_is_loaded(notebook: Open, load: str) -> None:
    nb = notebook(load, "%glm use glm-4.7")
    nb.run(0, 1)
    line = nb.page.locator(".glm-StatusItem")
    nb.page.evaluate("() => jupyterapp.commands.execute('glm-jupyter:open-panel')")
    expect(nb.page.locator(".glm-Sidebar")).to_contain_text("bigmodel/glm-4.7 answers")
    nb.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(line).to_have_text("GLM: not loaded")
    expect(nb.page.locator(".glm-Sidebar")).to_contain_text("glm_jupyter is not loaded")
    nb.run(0)
    expect(line).to_have_text("glm-4.7-flash · nothing spent")
    expect(nb.page.locator(".glm-Sidebar")).to_contain_text("bigmodel/glm-4.7-flash answers")


def test_it_says_why_nobody_can_answer(notebook: Open) -> None:
    nb = notebook(LOAD, "import glm_jupyter\nglm_jupyter.session.model = 'bigmodel/glm-4.7'")
    nb.run(0, 1)
    line = nb.page.locator(".glm-StatusItem")
    expect(line).to_have_text("GLM: nobody can answer")
    assert "ZAI_API_KEY" in (line.get_by_role("button").get_attribute("title") or "")


@pytest.fixture
def plain_lab(tmp_path: Path) -> Iterator[Lab]:
    """JupyterLab without ipywidgets."""
    server = Lab(tmp_path / "plain", disabled=[MANAGER])
    yield server
    server.close()


def test_without_ipywidgets_the_panel_tells_what_it_can(
    plain_lab: Lab, context: BrowserContext, load: str, server: ProtocolServer
) -> None:
    plain_lab.write("plain.ipynb", load, "%%glm -m glm-4.7\nHello", "%%glm -m glm-4.7\nHello")
    nb = Notebook(plain_lab, context, "plain.ipynb")
    nb.run(0)
    nb.page.evaluate("() => jupyterapp.commands.execute('glm-jupyter:open-panel')")
    sidebar = nb.page.locator(".glm-Sidebar")
    expect(sidebar).to_contain_text("bigmodel/glm-4.7-flash")
    expect(sidebar).to_contain_text("has no ipywidgets")
    server.enqueue(Reply(prompt_tokens=10_000, completion_tokens=1000))
    nb.run(1)
    expect(sidebar).to_contain_text("RMB")
    shoot(nb, "sidebar-plain")
    server.enqueue(Reply(text="word " * 2000, pause=0.03))
    nb.start(2)
    sidebar.get_by_role("button", name="Stop").click()
    nb.page.wait_for_selector("text=Stopped. What had arrived is kept")


@pytest.fixture
def notebook_7(tmp_path: Path) -> Iterator[Lab]:
    server = Lab(tmp_path / "notebook", app="notebook")
    yield server
    server.close()


def test_in_notebook_7_the_commands_and_the_panel_work(
    notebook_7: Lab, context: BrowserContext, load: str
) -> None:
    notebook_7.write("seven.ipynb", load, "1 + 1")
    nb = Notebook(notebook_7, context, "seven.ipynb")
    nb.run(0)
    nb.page.evaluate("() => jupyterapp.commands.execute('glm-jupyter:open-panel')")
    expect(nb.page.locator(".glm-Sidebar")).to_contain_text("Who answers")
    nb.page.evaluate("() => jupyterapp.commands.execute('glm-jupyter:ask')")
    expect(nb.page.locator(".jp-CodeCell")).to_have_count(3)
    SHOTS.mkdir(exist_ok=True)
    nb.screenshot(SHOTS / "notebook-7-places.png")
    assert [error for error in nb.errors if error != OF_NOTEBOOK] == []
    tree = context.new_page()
    errors: list[str] = []
    tree.on("pageerror", lambda error: errors.append(str(error)))
    tree.goto(f"{notebook_7.url}/tree")
    expect(tree.locator(".jp-DirListing")).to_contain_text("seven.ipynb")
    assert [error for error in errors if error != OF_NOTEBOOK] == []

"""JupyterLite: `%%glm` in Pyodide, by the browser's fetch, from a service that allows the page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser import lite
from tests.browser.cells import loading
from tests.protocol_server import ProtocolServer, Reply

SHOTS = Path(__file__).parents[2] / "test-results"
TEXT = "A **bold** word and \\(x^2\\).\n\n" + "word " * 20 + "\n\nThe end."
OPEN = """async () => {
    await jupyterapp.started;
    await jupyterapp.serviceManager.ready;
    await jupyterapp.commands.execute('notebook:create-new', { kernelName: 'python' });
    const { sessionContext } = jupyterapp.shell.currentWidget;
    await sessionContext.ready;
    await sessionContext.session.kernel.info;
}"""
RUN = """source => {
    const { content } = jupyterapp.shell.currentWidget;
    const last = content.widgets.length;
    content.model.sharedModel.insertCell(last, { cell_type: 'code', source });
    content.activeCellIndex = last;
    void jupyterapp.commands.execute('notebook:run-cell');
}"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    lite.build(tmp_path / "site", tmp_path / "work")
    server = lite.serve(tmp_path / "site")
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def opened(site: str, context: BrowserContext) -> tuple[Page, Callable[[str], Locator]]:
    """A new notebook, and what runs a new cell in it and gives its outputs."""
    page = context.new_page()
    page.goto(f"{site}/lab/index.html")
    page.wait_for_function("() => window.jupyterapp")
    page.evaluate(OPEN)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")

    def run(source: str) -> Locator:
        page.evaluate(RUN, source)
        return page.locator(".jp-CodeCell").last.locator(".jp-OutputArea")

    return page, run


def held() -> Reply:
    """The beginning of an answer, and no end."""
    return Reply(TEXT, chunk=10, hold=threading.Event(), hold_after=6)


def wait_for(page: Page, condition: Callable[[], bool]) -> None:
    while not condition():  # the test's own time limit ends it
        page.wait_for_timeout(100)


def test_questions_from_a_page(site: str, context: BrowserContext, server: ProtocolServer) -> None:
    page, run = opened(site, context)
    run(loading(server))
    expect(page.locator(".glm-StatusItem")).to_contain_text("glm-4.7-flash")
    refused = run("%%glm -m glm-4.7\nHello")
    expect(refused).to_contain_text("A page may ask only a server that allows it")

    server.allows_pages = True
    hold = threading.Event()
    server.enqueue(Reply(TEXT, reasoning="Hm.", chunk=10, hold=hold, hold_after=6))
    answer = run("%%glm -m glm-4.7\nHello")
    expect(answer.locator("strong")).to_have_text("bold")
    expect(answer.locator(".glm-Answer")).to_have_attribute("data-state", "writing")
    hold.set()
    expect(answer).to_contain_text("The end.")
    expect(answer.locator("mjx-container")).to_have_count(1)
    expect(answer).to_contain_text("0.000296 RMB")
    expect(page.locator(".glm-StatusItem")).to_contain_text("0.000296 RMB")
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / "lite.png")

    server.default = Reply("From Python.")
    asked = run("import glm_jupyter as glm\nprint(await glm.aask('Hello', model='glm-4.7'))")
    expect(asked).to_contain_text("From Python.")
    waited = run("print(glm.ask('Hello', model='glm-4.7'))")
    expect(waited).to_contain_text("From Python.")
    mapped = run("%%glm -m glm-4.7 --map [1,2]\nWhat is {{ item }}?")
    expect(mapped).to_contain_text("2 answered")
    expect(run("%glm usage")).to_contain_text("0.00148 RMB")
    local = run("%%glm -m local/smollm2-135m\nHello")
    expect(local).to_contain_text("The embedded engine cannot run in a browser.")
    [first] = {request.headers["authorization"] for request in server.chats}
    assert first == "Bearer id.secret"


def test_stop_ends_an_answer(site: str, context: BrowserContext, server: ProtocolServer) -> None:
    server.allows_pages = True
    page, run = opened(site, context)
    run(loading(server))
    expect(page.locator(".glm-StatusItem")).to_contain_text("glm-4.7-flash")

    server.enqueue(held())
    answer = run("%%glm -m glm-4.7\nHello")
    expect(answer.locator("strong")).to_have_text("bold")
    answer.get_by_role("button", name="Stop").click()
    expect(answer).to_contain_text("Stopped. What had arrived is kept")
    expect(answer.locator("strong")).to_have_text("bold")
    expect(answer.locator(".glm-Answer")).to_have_attribute("data-state", "done")

    server.enqueue(held())
    asked = run("import glm_jupyter as glm\nprint(glm.ask('Hello', model='glm-4.7'))")
    wait_for(page, lambda: len(server.chats) == 2)
    page.evaluate("() => jupyterapp.commands.execute('notebook:interrupt-kernel')")
    expect(asked).to_contain_text("Stopped. What had arrived is kept")

    server.enqueue(Reply("Yes."))
    expect(run("%%glm -m glm-4.7\nDo you hear me?")).to_contain_text("Yes.")

"""Fixtures of tests in a real browser."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, expect

from tests.browser.cells import LOAD, grow
from tests.browser.lab import Lab, Notebook, chromium

# A machine that is busy with other things may take its time.
TIMEOUT = 60_000
TIDY = """async () => {
    localStorage.clear();
    sessionStorage.clear();
    await window.jupyterapp?.serviceManager.sessions.shutdownAll();
}"""
SCREENSHOTS = Path(__file__).parents[2] / "test-results"
expect.set_options(timeout=TIMEOUT)


# Here, since the pages are closed when the fixtures are torn down.
@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep a screenshot of each page that is open when a test fails."""
    report = yield
    browser = item.funcargs.get("browser")
    if report.failed and call.when != "teardown" and isinstance(browser, Browser):
        name = re.sub(r"[^\w.-]+", "-", f"failed-{item.path.stem}-{item.name}").strip("-")
        pages = [page for context in browser.contexts for page in context.pages]
        for number, page in enumerate(pages, 1):
            # A page that has crashed has no picture; the test's own error is what matters.
            with contextlib.suppress(Error):
                page.screenshot(path=SCREENSHOTS / f"{name}-{number}.png", timeout=10_000)
    return report


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="package")
def bare_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab without the extension."""
    server = Lab(tmp_path_factory.mktemp("bare"), extension=False)
    yield server
    server.close()


# For the package, not the session: while Playwright is open, this thread has a running event
# loop, which the tests of other folders would find.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


# One for all tests: in a new one, Chromium would fetch and compile JupyterLab again for each.
@pytest.fixture(scope="package")
def window(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(viewport={"width": 1200, "height": 900}) as window:
        window.set_default_timeout(TIMEOUT)
        window.grant_permissions(["clipboard-read", "clipboard-write"])
        yield window


@pytest.fixture
def context(window: BrowserContext) -> Iterator[BrowserContext]:
    """A window without tabs; its pages leave nothing stored, and no kernel running."""
    yield window
    for page in window.pages:
        page.evaluate(TIDY)
        page.close()


@pytest.fixture
def notebook(
    lab: Lab, context: BrowserContext, request: pytest.FixtureRequest
) -> Callable[..., Notebook]:
    """Write a notebook of the given cells and open it in a tab."""

    def open_notebook(*cells: str, **options: object) -> Notebook:
        name = f"{request.node.name.replace('[', '-').replace(']', '')}.ipynb"
        lab.write(name, *cells, **options)  # type: ignore[arg-type]
        return Notebook(lab, context, name)

    return open_notebook


@pytest.fixture
def answered(notebook: Callable[..., Notebook]) -> Callable[..., Notebook]:
    """Open a notebook, let an answer of this text grow in its second cell, wait for its end."""

    def run(text: str, **how: object) -> Notebook:
        opened = notebook(LOAD, grow(text, **how))
        opened.run(0, 1)
        opened.wait_drawn()
        return opened

    return run


@pytest.fixture
def half_way(
    notebook: Callable[..., Notebook], tmp_path: Path
) -> Callable[..., tuple[Notebook, Callable[[], None]]]:
    """The same, but only until half-way; the function beside the notebook lets it go on."""

    def start(text: str, **how: object) -> tuple[Notebook, Callable[[], None]]:
        go = tmp_path / "go"
        opened = notebook(LOAD, grow(text, until=str(go), **how))
        opened.run(0)
        opened.save()
        opened.start(1)
        return opened, go.touch

    return start

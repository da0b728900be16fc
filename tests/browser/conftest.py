"""Fixtures of tests in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.lab import Lab, Notebook, chromium


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


# For the package, not the session: while Playwright is open, this thread has a running event
# loop, which the tests of other folders would find.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


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

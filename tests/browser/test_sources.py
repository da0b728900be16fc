"""The sources of a web search, as JupyterLab lists them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.browser.cells import loading
from tests.browser.lab import Notebook
from tests.protocol_server import ProtocolServer, Reply

SOURCES: list[dict[str, Any]] = [
    {"title": "Mean (statistics)", "link": "https://example.org/wiki/Mean_(statistics)"},
    {"title": "<b>No link</b>", "link": "javascript:window.hacked = 1"},
    {"title": None, "link": "https://example.org/untitled"},
    {"title": "", "link": ""},
]


def test_every_source_is_listed_and_only_pages_are_linked(
    notebook: Callable[..., Notebook], server: ProtocolServer, tmp_path: Path
) -> None:
    server.enqueue(Reply("The mean is a sum, divided.", sources=SOURCES))
    nb = notebook(
        loading(server, XDG_DATA_HOME=str(tmp_path)),
        "%%glm -m glm-4.7 --web\nWhat is the mean?",
    )
    nb.run(0, 1)
    nb.wait_drawn()
    sources = nb.page.locator(".glm-Sources li")
    titles = ["Mean (statistics)", "<b>No link</b>", "https://example.org/untitled", "untitled"]
    expect(sources).to_have_text(titles)
    links = sources.locator("a").evaluate_all("links => links.map(link => link.href)")
    assert links == [SOURCES[0]["link"], SOURCES[2]["link"]]
    assert nb.errors == []

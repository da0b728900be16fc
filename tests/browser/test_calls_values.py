"""Function calls and structured values of a real kernel, as JupyterLab shows them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.cells import loading
from tests.browser.lab import Notebook
from tests.protocol_server import ProtocolServer, Reply

Open = Callable[..., Notebook]

HOSTILE = "<img src=x onerror='window.hacked = 1'> **no** $x$"
DEFINITIONS = '''
from pydantic import BaseModel

class Person(BaseModel):
    name: str
    age: int

def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b

def look(what: str) -> str:
    """Look at something."""
    raise ValueError(what)
'''


@pytest.fixture
def load(server: ProtocolServer, tmp_path: Path) -> str:
    return f"{loading(server, XDG_DATA_HOME=str(tmp_path))}\n{DEFINITIONS}"


def asks_for(name: str, arguments: dict[str, object], **more: object) -> Reply:
    calls = [{"name": name, "arguments": arguments}]
    return Reply("", tool_calls=calls, finish_reason="tool_calls", **more)  # type: ignore[arg-type]


def test_a_call_and_its_result_are_shown_before_the_text_begins(
    notebook: Open, server: ProtocolServer, load: str
) -> None:
    go = threading.Event()
    server.enqueue(
        asks_for("add", {"a": 365, "b": 96}, reasoning="Let me add."),
        Reply("It is \\(461\\).", hold=go, hold_after=0),
    )
    nb = notebook(load, "%%glm -m glm-4.7 --tools add\nWhat is 365 + 96?")
    nb.run(0)
    nb.start(1)
    call = nb.page.locator(".glm-Call")
    try:
        expect(call.locator("summary")).to_contain_text("add(a=365, b=96) = 461")
        expect(nb.page.locator(".glm-Answer")).to_have_attribute("aria-busy", "true")
        expect(call).not_to_have_attribute("open", "")
        call.locator("summary").click()
    finally:
        go.set()
    nb.wait_drawn()
    expect(call).to_have_attribute("open", "")
    expect(call.locator(".glm-mod-arguments")).to_have_text('{\n "a": 365,\n "b": 96\n}')
    expect(call.locator(".glm-mod-result")).to_have_text("461")
    order = "nodes => nodes.filter(node => !node.hidden).map(node => node.className)"
    shown = nb.page.locator(".glm-Answer > *").evaluate_all(order)
    assert shown[:3] == ["glm-Reasoning", "glm-Calls", "glm-Body"]
    assert nb.page.locator(".glm-Answer > .glm-Body mjx-container").count() == 1
    assert nb.errors == []


def test_calls_are_plain_text_and_say_that_they_failed(
    notebook: Open, server: ProtocolServer, load: str
) -> None:
    server.enqueue(asks_for("look", {"what": HOSTILE}), Reply("I could not."))
    nb = notebook(load, "%%glm -m glm-4.7 --tools look\nLook")
    nb.run(0, 1)
    nb.wait_drawn()
    call = nb.page.locator(".glm-Call")
    expect(call.locator("summary")).to_contain_text("failed after")
    call.locator("summary").click()
    expect(call.locator(".glm-mod-arguments")).to_contain_text("<img src=x onerror=")
    expect(call.locator(".glm-mod-result")).to_contain_text(HOSTILE)
    assert call.locator("img, strong, mjx-container").count() == 0
    assert nb.page.evaluate("() => window.hacked") is None


def test_a_value_stands_in_the_place_of_its_json(
    notebook: Open, server: ProtocolServer, load: str
) -> None:
    people = [{"name": "Ada", "age": 36}, {"name": HOSTILE, "age": 53}]
    value = json.dumps({"value": people})
    server.enqueue(Reply(value, pause=0.02))
    nb = notebook(load, "%%glm -m glm-4.7 --schema list[Person]\nWho?")
    nb.run(0, 1)
    nb.wait_drawn()
    body = nb.page.locator(".glm-Answer > .glm-Body")
    cells = body.locator("tbody td:not(:first-child)")
    expect(cells).to_have_text(["Ada", "36", HOSTILE, "53"])
    expect(body).not_to_contain_text("{")
    assert body.locator("img, strong, mjx-container").count() == 0
    assert nb.page.evaluate("() => window.hacked") is None
    nb.page.click(".glm-copy")
    expect(nb.page.locator(".glm-copy")).to_have_text("Copied")
    assert nb.page.evaluate("() => navigator.clipboard.readText()") == value

"""What the kernel tells a page about its session, with this test as the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.test_channel import Page
from tests.kernels import kernel
from tests.protocol_server import ProtocolServer, Reply

KEY = "0123456789abcdef.sEcReTsEcReT"


@pytest.fixture
def page(server: ProtocolServer, tmp_path: Path) -> Iterator[Page]:
    server.key = KEY
    env = {"ZAI_API_KEY": KEY, "ZAI_BASE_URL": server.url, "XDG_DATA_HOME": str(tmp_path)}
    with kernel(env) as running:
        yield Page(running)


def told(page: Page) -> dict[str, Any]:
    """The last status that the page has heard, and that of no other time."""
    statuses = [data for data in page.heard if data["type"] == "status"]
    assert statuses
    page.heard.clear()
    return statuses[-1]


def test_a_page_that_asks_hears_who_answers_and_what_was_spent(page: Page) -> None:
    page.say(type="status")
    page.drain()
    status = told(page)
    assert (status["model"], status["spent"], status["answers"]) == ("glm-4.7-flash", [], 0)
    assert status["trouble"] == ""


def test_it_hears_of_every_change(page: Page, server: ProtocolServer) -> None:
    page.say(type="status")
    page.drain()
    page.run("%glm use glm-4.7")
    page.run("import time; time.sleep(0.6)")
    assert told(page)["model"] == "glm-4.7"
    server.enqueue(Reply(prompt_tokens=100_000, completion_tokens=1000))
    page.run("%%glm\nHello")
    for _ in range(50):  # it is told a moment after the answer, on a busy machine a long one
        page.run("import time; time.sleep(0.2)")
        if any(data.get("answers") for data in page.heard):
            break
    status = told(page)
    assert (status["answers"], status["running"]) == (1, [])
    [[spent, currency]] = status["spent"]
    assert float(spent) > 0
    assert currency == "RMB"


def test_it_hears_of_an_answer_under_way(page: Page, server: ProtocolServer) -> None:
    page.say(type="status")
    page.drain()
    server.enqueue(Reply(text="word " * 40, pause=0.02))
    page.run("%%glm -m glm-4.7\nHello")
    running = [data["running"] for data in page.heard if data["type"] == "status"]
    assert ["glm-4.7"] in running


def test_an_unknown_price_is_not_told_as_zero(page: Page, server: ProtocolServer) -> None:
    page.say(type="status")
    page.drain()
    server.enqueue(Reply())
    page.run("%%glm -m some-model\nHello")
    page.run("import time; time.sleep(0.6)")
    status = told(page)
    assert (status["spent"], status["unpriced"]) == ([], 1)


def test_it_hears_why_nobody_can_answer(page: Page) -> None:
    page.run("%glm use bigmodel/glm-4.7")
    page.run("import os; del os.environ['ZAI_API_KEY']")
    page.say(type="status")
    page.drain()
    status = told(page)
    assert status["model"] == ""
    assert "key" in status["trouble"].lower()
    assert "ZAI_API_KEY" in status["trouble"]


def test_a_page_gets_the_panel_to_show(page: Page) -> None:
    page.say(type="panel")
    page.drain()
    [panel] = [data for data in page.heard if data["type"] == "panel"]
    assert "application/vnd.jupyter.widget-view+json" in panel["bundle"]


def test_nothing_is_told_after_unloading(page: Page) -> None:
    page.say(type="status")
    page.drain()
    page.heard.clear()
    page.run("%unload_ext glm_jupyter")
    page.run("import glm_jupyter; glm_jupyter.session.model = 'glm-4.7'")
    page.drain()
    assert page.heard == []

"""The panel in a real browser: how it looks and what a reader can do with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.cells import loading
from tests.browser.lab import Notebook
from tests.protocol_server import ProtocolServer, Reply

SHOTS = Path(__file__).parents[2] / "test-results"
KEY = "0123456789abcdef.sEcReTsEcReT"
HOSTILE = "<img src=x onerror='window.hacked = 1'>"


@pytest.fixture
def setup(server: ProtocolServer, tmp_path: Path) -> Callable[..., str]:
    """The first cell of a notebook: a service, and a ledger that no other test has written in."""
    server.key = KEY
    load = loading(server, ZAI_API_KEY=KEY, XDG_DATA_HOME=str(tmp_path))

    def cell(*more: str) -> str:
        return "\n".join([load, *more])

    return cell


def opened(notebook: Notebook) -> Page:
    page = notebook.page
    page.wait_for_selector(".glm-panel-table")
    return page


def test_it_is_laid_out_at_both_widths_and_in_both_themes(
    notebook: Callable[..., Notebook], setup: Callable[..., str], server: ProtocolServer
) -> None:
    server.enqueue(
        Reply(
            reasoning="A covariance matrix is symmetric. ",
            prompt_tokens=1234,
            cached_tokens=1000,
            completion_tokens=4567,
            reasoning_tokens=400,
        )
    )
    tab = notebook(
        setup("%glm budget 1", "%glm budget 20 --month"),
        "%%glm -m glm-4.7 --max-tokens 20000\nHello",
        "%glm",
    )
    tab.run(0, 1, 2)
    page = opened(tab)
    page.evaluate("() => jupyterapp.commands.execute('application:toggle-left-area')")
    SHOTS.mkdir(exist_ok=True)
    for theme in ("Light", "Dark"):
        tab.use_theme(theme)
        for width in (1200, 400):
            page.set_viewport_size({"width": width, "height": 1300})
            page.wait_for_function(
                """sideBySide => {
                    const [choices, spending] = [...document.querySelectorAll(
                        '.glm-panel-columns > *')].map(part => part.getBoundingClientRect());
                    return spending.left > choices.left + choices.width / 2 === sideBySide;
                }""",
                arg=width == 1200,
            )
            panel = page.locator(".glm-panel")
            panel.screenshot(path=SHOTS / f"panel-{theme.lower()}-{width}.png")
            overflow = panel.evaluate(
                """panel => [panel, ...panel.querySelectorAll(
                    'table, select, dl, .glm-panel-limit, .glm-panel-columns > *')]
                    .filter(part => part.scrollWidth > part.clientWidth + 1)
                    .map(part => `${part.tagName}.${part.className}`)"""
            )
            assert overflow == []


def test_every_control_has_a_name_and_can_be_reached_by_keyboard(
    notebook: Callable[..., Notebook], setup: Callable[..., str], server: ProtocolServer
) -> None:
    tab = notebook(setup(), "%glm")
    tab.run(0, 1)
    page = opened(tab)
    for role, name in (
        ("combobox", "Endpoint"),
        ("combobox", "Model"),
        ("combobox", "Thinking"),
        ("checkbox", "Set the temperature"),
        ("checkbox", "Limit the answers"),
        ("textbox", "System"),
        ("button", "Stop"),
    ):
        expect(page.locator(".glm-panel").get_by_role(role, name=name)).to_be_visible()  # type: ignore[arg-type]
    nameless = page.locator(".glm-panel").evaluate(
        """panel => [...panel.querySelectorAll('select, input, textarea, button')]
            .filter(field => field.offsetParent)
            .filter(field => !(field.labels?.[0]?.innerText || field.innerText || field.title))
            .length"""
    )
    assert nameless == 0
    page.get_by_role("combobox", name="Endpoint").focus()
    page.keyboard.press("Tab")
    focused = "() => document.activeElement.labels?.[0]?.innerText ?? ''"
    assert page.evaluate(focused) == "Model"
    # Letters and arrows choose; the notebook, whose shortcuts they are too, stays as it is.
    page.keyboard.type("glm-5.1")
    expect(page.locator(".glm-panel-status")).to_contain_text("bigmodel/glm-5.1 ")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".glm-panel-status")).to_contain_text("bigmodel/glm-5-turbo ")
    page.keyboard.type("dd")
    assert [cell["cell_type"] for cell in tab.save().cells] == ["code", "code"]


def test_controls_act_while_an_answer_streams(
    notebook: Callable[..., Notebook], setup: Callable[..., str], server: ProtocolServer
) -> None:
    tab = notebook(setup(), "%glm", "%%glm -m glm-4.7\nHello", "len(_glm.text) < 10_000")
    tab.run(0, 1)
    page = opened(tab)
    server.enqueue(Reply(text="word " * 2000, pause=0.03))
    tab.start(2)
    stop = page.locator(".glm-panel").get_by_role("button", name="Stop")
    expect(stop).to_be_enabled()
    expect(page.locator(".glm-panel-head")).to_contain_text("RMB so far")
    model = page.get_by_role("combobox", name="Model")
    facts = page.locator("dl.glm-panel-facts")
    model.select_option(index=3)
    expect(facts).to_contain_text("2 / 7 RMB")
    model.select_option(index=1)
    expect(facts).to_contain_text("8 / 28 RMB")
    expect(page.locator(".glm-panel")).to_contain_text("goes on as it was asked")
    stop.click()
    expect(stop).to_be_disabled()
    page.wait_for_selector("text=Stopped. What had arrived is kept")
    tab.run(3)
    expect(page.locator(".jp-OutputArea-output").last).to_contain_text("True")


@pytest.mark.parametrize("field", ["reasoning", "model"])
def test_hostile_text_does_not_act(
    notebook: Callable[..., Notebook],
    setup: Callable[..., str],
    server: ProtocolServer,
    field: str,
) -> None:
    more = [f"glm_jupyter.session.model = {HOSTILE!r}"] if field == "model" else []
    tab = notebook(setup("import glm_jupyter", *more), "%%glm\nHello", "%glm")
    server.enqueue(Reply(reasoning=HOSTILE))
    tab.run(0, 1, 2)
    page = opened(tab)
    if field == "reasoning":
        page.locator(".glm-panel summary").press("Enter")
    expect(page.locator(".glm-panel")).to_contain_text("onerror")
    assert page.locator(".glm-panel img").count() == 0
    assert page.evaluate("() => window.hacked") is None

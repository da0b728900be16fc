"""The answers of `--map` in a real JupyterLab: a table to be sorted, its rest a click away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.cells import loading
from tests.browser.lab import Notebook
from tests.protocol_server import ProtocolServer, Reply

SCREENSHOTS = Path(__file__).parents[2] / "test-results"
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"> **not bold**"


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_rows_are_sorted_and_the_rest_is_a_click_away(
    notebook: Callable[..., Notebook], server: ProtocolServer, theme: str
) -> None:
    def answer(request) -> Reply:
        item = int(request.json["messages"][-1]["content"].rsplit(" ", 1)[-1])
        text = HOSTILE if item == 7 else f"{'good' if item % 2 else 'bad'} {item}"
        return Reply(text, prompt_tokens=100 * item + 1, completion_tokens=5)

    server.respond = answer
    nb = notebook(
        loading(server),
        "%%glm --model glm-4-airx --map range(30) --fresh\nIs comment {{ item }}",
    )
    nb.use_theme(theme)
    nb.run(0, 1)
    table = nb.page.locator(".glm-Sortable")
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(20)
    expect(rows.nth(7)).to_contain_text("<img src=x")
    assert rows.nth(7).locator("img, strong").count() == 0
    table.locator(".glm-all").click()
    expect(rows).to_have_count(30)
    cost = table.get_by_role("button", name="cost (RMB)")
    cost.click()
    expect(rows.first.locator("td").first).to_have_text("0")
    cost.press("Enter")  # the other way round, by keyboard
    expect(rows.first.locator("td").first).to_have_text("29")
    expect(table.locator("th").last).to_have_attribute("aria-sort", "descending")
    table.screenshot(path=SCREENSHOTS / f"map-{theme.lower()}.png")
    assert nb.errors == []

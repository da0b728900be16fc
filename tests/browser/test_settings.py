"""The settings of answers, changed in JupyterLab's own editor: what is drawn obeys at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.lab import Lab, Notebook

SHOTS = Path(__file__).parents[2] / "test-results"
CODE = "Run this:\n\n```python\nprint(6 * 7)\n```"
CHOSEN = """([name, value]) => {
    const settings = '@jupyterlab/apputils-extension:settings';
    const { plugins } = jupyterapp.pluginRegistry._plugins.get(settings).service;
    return plugins['glm-jupyter:answers'].data.composite[name] === value;
}"""

Open = Callable[..., Notebook]
HalfWay = Callable[..., tuple[Notebook, Callable[[], None]]]


@pytest.fixture(autouse=True)
def _defaults_again(lab: Lab) -> Iterator[None]:
    yield
    for file in (lab.files.parent / "settings").rglob("answers.jupyterlab-settings"):
        file.unlink()


@pytest.fixture
def choose() -> Callable[..., None]:
    """Change a setting by its label, in the editor, and go back to the notebook."""

    def change(notebook: Notebook, label: str, choice: str | bool, **setting: object) -> None:
        page = notebook.page
        page.evaluate(
            """async () => {
                window.glmNotebook ??= jupyterapp.shell.currentWidget.id;
                await jupyterapp.commands.execute('settingeditor:open', { query: 'GLM answers' });
            }"""
        )
        form = page.locator(".jp-SettingsForm:visible, .jp-SettingsEditor:visible form").first
        if isinstance(choice, bool):
            form.get_by_label(label).set_checked(choice)
        else:
            row = form.locator(".form-group", has_text=label).last
            row.locator("select").select_option(choice)
        for chosen in setting.items():
            page.wait_for_function(CHOSEN, arg=list(chosen))
        page.evaluate("() => jupyterapp.shell.activateById(window.glmNotebook)")

    return change


def test_reasoning_unfolds_and_folds_as_chosen(answered: Open, choose: Callable[..., None]) -> None:
    nb = answered("Yes.", reasoning="Let me see.")
    fold = nb.page.locator(".glm-Reasoning")
    expect(fold).not_to_have_attribute("open", "")
    choose(nb, "Reasoning", "Always unfolded", reasoning="open")
    expect(fold.get_by_text("Let me see.")).to_be_visible()
    choose(nb, "Reasoning", "Always folded", reasoning="folded")
    expect(fold.get_by_text("Let me see.")).to_be_hidden()


def test_reasoning_stays_folded_while_the_model_thinks(
    notebook: Open, half_way: HalfWay, choose: Callable[..., None]
) -> None:
    choose(notebook("1"), "Reasoning", "Always folded", reasoning="folded")
    nb, go_on = half_way("The answer.", reasoning="Let me see. " * 40, rate=600)
    fold = nb.page.locator(".glm-Reasoning")
    expect(fold.locator("summary")).to_contain_text("Thinking…")
    expect(fold).not_to_have_attribute("open", "")
    go_on()
    nb.wait_drawn()


def test_the_price_line_can_be_left_out(answered: Open, choose: Callable[..., None]) -> None:
    nb = answered("Yes.")
    line = nb.page.locator(".glm-Summary")
    expect(line).to_contain_text("0.00918 RMB")
    choose(nb, "Show what an answer took", False, priceLine=False)
    expect(line).to_be_hidden()
    nb.page.get_by_role("button", name="Details").click()
    expect(nb.page.locator(".glm-Details")).to_contain_text("0.00918 RMB")


def test_code_is_inserted_only_after_the_question_that_was_wanted(
    answered: Open, choose: Callable[..., None]
) -> None:
    nb = answered(CODE)
    page = nb.page
    choose(nb, "Ask before inserting code", True, confirmInsert=True)
    page.get_by_role("button", name="Insert below").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("print(6 * 7)")
    SHOTS.mkdir(exist_ok=True)
    nb.screenshot(SHOTS / "insert-question.png")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator(".jp-CodeCell")).to_have_count(2)
    page.get_by_role("button", name="Insert below").click()
    dialog.get_by_role("button", name="Insert").click()
    expect(page.locator(".jp-CodeCell")).to_have_count(3)
    assert nb.save().cells[2].source == "print(6 * 7)"


@pytest.mark.parametrize(("pace", "stored"), [("In steps", "steps"), ("Calm", "calm")])
def test_an_answer_grows_at_each_pace(
    notebook: Open, half_way: HalfWay, choose: Callable[..., None], pace: str, stored: str
) -> None:
    choose(notebook("1"), "Pace of drawing", pace, pace=stored)
    nb, go_on = half_way("One word. " * 60, rate=2000)
    body = nb.page.locator(".glm-Answer > .glm-Body")
    expect(body).to_contain_text("One word. " * 20)
    go_on()
    nb.wait_drawn()
    assert nb.text().count("One word.") == 60

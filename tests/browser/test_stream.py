"""Answers that grow in a real JupyterLab, whatever happens to page and kernel meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.lab import MIME, Lab, Notebook

Open = Callable[..., Notebook]

LOAD = "%load_ext glm_jupyter\nfrom pathlib import Path\nfrom tests.browser.growing import *"
TEXT = "".join(f"Paragraph {n} says \\\\(x_{{{n}}} = {n}\\\\).\\n\\n" for n in range(1, 13))
PLAIN = TEXT.replace("\\\\", "\\").replace("\\n", "\n")


def growing(tmp_path: Path, rate: int = 1500) -> tuple[str, Path]:
    """A cell whose answer stands still half-way, and the file that lets it go on."""
    go = tmp_path / "go"
    return f"answer = await grow('{TEXT}', rate={rate}, until=Path({str(go)!r}))", go


def saved_answer(notebook: Notebook, cell: int) -> dict[str, object]:
    """The one answer among the saved outputs of a cell, whose markdown is whole, too."""
    (output,) = [o for o in notebook.save().cells[cell].outputs if MIME in o.get("data", {})]
    if output.data[MIME]["complete"]:
        assert "Paragraph 12" in output.data["text/markdown"]
    return dict(output.data[MIME])


def wait_half(notebook: Notebook) -> None:
    body = notebook.page.locator(".glm-Answer > .glm-Body").first
    expect(body).to_contain_text("Paragraph 5", timeout=30_000)


def test_text_flows_and_what_is_drawn_stays(notebook: Open, tmp_path: Path) -> None:
    cell, go = growing(tmp_path)
    nb = notebook(LOAD, cell)
    nb.run(0)
    nb.start(1)
    wait_half(nb)
    assert nb.page.locator(".glm-Answer").get_attribute("aria-busy") == "true"
    nb.page.evaluate("() => { document.querySelector('.glm-Block').mark = 'first drawn'; }")
    go.touch()
    nb.wait_drawn()
    assert nb.page.evaluate("() => document.querySelector('.glm-Block').mark") == "first drawn"
    assert nb.page.locator(".glm-Answer mjx-container").count() == 12
    assert nb.page.locator(".glm-Answer").get_attribute("aria-busy") == "false"
    assert saved_answer(nb, 1)["text"] == PLAIN
    assert nb.errors == []


def test_run_all_right_after_loading(notebook: Open) -> None:
    nb = notebook(LOAD, f"answer = await grow('{TEXT}', rate=1000)")
    nb.run(0, 1)
    nb.wait_drawn()
    assert "Paragraph 12" in nb.text()
    assert saved_answer(nb, 1)["text"] == PLAIN


def test_a_reloaded_page_goes_on_with_the_stream(notebook: Open, tmp_path: Path) -> None:
    cell, go = growing(tmp_path, rate=40)
    go.touch()
    nb = notebook(LOAD, cell)
    nb.run(0)
    nb.save()
    nb.start(1)
    expect(nb.page.locator(".glm-Answer")).to_contain_text("Paragraph 2")
    nb.page.on("dialog", lambda dialog: dialog.accept())
    nb.open()
    answer = nb.page.locator(".glm-Answer")
    expect(answer).to_contain_text("Paragraph 9", timeout=30_000)
    assert answer.get_attribute("data-state") == "writing"
    expect(nb.page.locator(".glm-stop")).to_be_visible()
    nb.wait_drawn()
    assert saved_answer(nb, 1)["text"] == PLAIN


def test_a_save_in_mid_answer_has_what_there_is(notebook: Open, tmp_path: Path) -> None:
    cell, go = growing(tmp_path)
    nb = notebook(LOAD, cell)
    nb.run(0)
    nb.start(1)
    wait_half(nb)
    assert "Paragraph 5" in str(saved_answer(nb, 1)["text"])
    go.touch()
    nb.wait_drawn()
    assert saved_answer(nb, 1)["text"] == PLAIN


def test_reload_in_mid_answer(notebook: Open, tmp_path: Path) -> None:
    cell, go = growing(tmp_path)
    nb = notebook(LOAD, cell)
    nb.run(0)
    nb.save()
    nb.start(1)
    wait_half(nb)
    nb.page.on("dialog", lambda dialog: dialog.accept())
    nb.open()
    go.touch()
    nb.wait_drawn()
    assert "Paragraph 12" in nb.text()
    assert nb.page.locator(".glm-Answer").count() == 1
    assert saved_answer(nb, 1)["text"] == PLAIN


def test_reload_after_the_end_of_an_answer_saved_in_its_midst(
    notebook: Open, tmp_path: Path
) -> None:
    cell, go = growing(tmp_path)
    nb = notebook(LOAD, cell)
    nb.run(0)
    nb.start(1)
    wait_half(nb)
    assert saved_answer(nb, 1)["seconds"] is None
    go.touch()
    nb.wait_drawn()
    nb.page.on("dialog", lambda dialog: dialog.accept())
    nb.open()
    nb.wait_drawn()
    expect(nb.page.locator(".glm-Answer > .glm-Body")).to_contain_text("Paragraph 12")
    assert saved_answer(nb, 1)["text"] == PLAIN


def test_two_tabs_on_one_kernel(
    notebook: Open, lab: Lab, context: BrowserContext, tmp_path: Path
) -> None:
    cell, go = growing(tmp_path)
    nb = notebook(LOAD, cell)
    nb.run(0)
    nb.save()
    other = Notebook(lab, context, nb.name)
    nb.start(1)
    wait_half(nb)
    wait_half(other)
    go.touch()
    nb.wait_drawn()
    other.wait_drawn()
    assert nb.text() == other.text()
    assert nb.page.locator(".glm-Answer").count() == 1
    assert other.page.locator(".glm-Answer").count() == 1
    assert saved_answer(nb, 1)["text"] == PLAIN


def test_kernel_restart_in_mid_answer(notebook: Open, tmp_path: Path) -> None:
    cell, _ = growing(tmp_path)
    nb = notebook(LOAD, cell)
    nb.run(0)
    nb.start(1)
    wait_half(nb)
    nb.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(nb.page.locator(".glm-Ending")).to_contain_text("Not complete")
    assert "Paragraph 5" in nb.text()
    answer = saved_answer(nb, 1)
    assert "Paragraph 5" in str(answer["text"])
    assert answer["complete"] is False


def test_stop_keeps_what_has_come(notebook: Open, tmp_path: Path) -> None:
    cell, _ = growing(tmp_path)
    nb = notebook(LOAD, cell)
    nb.run(0)
    nb.start(1)
    wait_half(nb)
    nb.page.click(".glm-stop")
    expect(nb.page.locator(".glm-Ending")).to_be_visible()
    expect(nb.page.locator(".glm-stop")).to_be_hidden()
    assert "Paragraph 5" in str(saved_answer(nb, 1)["text"])


def test_two_answers_of_one_cell(notebook: Open) -> None:
    nb = notebook(LOAD, "for n in 1, 2:\n    await grow(f'Answer {n}. ' * 40, rate=1500)")
    nb.run(0, 1)
    nb.wait_drawn(2)
    bodies = nb.page.locator(".glm-Answer > .glm-Body").all_inner_texts()
    assert ["Answer 1" in bodies[0], "Answer 2" in bodies[1]] == [True, True]


def test_saved_answer_looks_the_same_without_a_kernel(notebook: Open) -> None:
    nb = notebook(LOAD, "await grow((TEXTS / 'covariance.md').read_text(), rate=6000);")
    nb.run(0, 1)
    nb.wait_drawn()
    # JupyterLab's table of contents marks headings for its numbers, some time after they are drawn.
    shape = """() => {
        const body = document.querySelector('.glm-Answer > .glm-Body').cloneNode(true);
        body.querySelectorAll('.numbering-entry').forEach(mark => mark.remove());
        return body.innerHTML;
    }"""
    live, text = nb.page.evaluate(shape), nb.text()
    nb.save()
    nb.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    nb.page.goto("about:blank")
    nb.page.goto(f"{nb.lab.url}/lab/tree/{nb.name}")
    nb.wait_drawn()
    assert nb.text() == text
    assert nb.page.evaluate(shape) == live


def test_selection_is_kept_while_text_flows(notebook: Open, tmp_path: Path) -> None:
    cell, go = growing(tmp_path)
    nb = notebook(LOAD, cell)
    nb.run(0)
    nb.start(1)
    wait_half(nb)
    nb.page.evaluate(
        "() => getSelection().selectAllChildren(document.querySelectorAll('.glm-Block')[1])"
    )
    selected = nb.page.evaluate("() => getSelection().toString()")
    assert "Paragraph 2" in selected
    go.touch()
    nb.wait_drawn()
    assert nb.page.evaluate("() => getSelection().toString()") == selected


@pytest.fixture
def notebook_7(tmp_path: Path) -> object:
    lab = Lab(tmp_path / "notebook", app="notebook")
    yield lab
    lab.close()


def test_in_notebook_7(notebook_7: Lab, context: BrowserContext, tmp_path: Path) -> None:
    cell, go = growing(tmp_path)
    notebook_7.write("seven.ipynb", LOAD, cell)
    nb = Notebook(notebook_7, context, "seven.ipynb")
    nb.run(0)
    nb.start(1)
    wait_half(nb)
    go.touch()
    nb.wait_drawn()
    assert nb.page.locator(".glm-Answer mjx-container").count() == 12
    assert saved_answer(nb, 1)["text"] == PLAIN


@pytest.fixture
def bare_lab(tmp_path: Path) -> object:
    lab = Lab(tmp_path / "bare", extension=False)
    yield lab
    lab.close()


def test_without_the_extension(bare_lab: Lab, context: BrowserContext) -> None:
    bare_lab.write("bare.ipynb", LOAD, f"answer = await grow('{TEXT}', rate=1000)")
    nb = Notebook(bare_lab, context, "bare.ipynb")
    nb.run(0, 1)
    output = nb.page.locator(".jp-RenderedMarkdown")
    expect(output).to_contain_text("Paragraph 12")
    expect(output.locator("mjx-container")).to_have_count(12)
    assert nb.page.locator(".glm-Answer").count() == 0
    assert saved_answer(nb, 1)["text"] == PLAIN

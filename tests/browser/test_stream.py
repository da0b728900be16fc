"""Answers that grow in a real JupyterLab, whatever happens to page and kernel meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from glm_jupyter.render.channel import PROTOCOL
from tests.browser.cells import LOAD, TEXTS, grow
from tests.browser.lab import MIME, Lab, Notebook

Open = Callable[..., Notebook]
HalfWay = Callable[..., tuple[Notebook, Callable[[], None]]]

TEXT = "".join(f"Paragraph {n} says \\(x_{{{n}}} = {n}\\).\n\n" for n in range(1, 13))


def saved_answer(notebook: Notebook, cell: int) -> dict[str, object]:
    """The one answer among the saved outputs of a cell, whose markdown is whole, too."""
    (output,) = [o for o in notebook.save().cells[cell].outputs if MIME in o.get("data", {})]
    if output.data[MIME]["complete"]:
        assert "Paragraph 12" in output.data["text/markdown"]
    return dict(output.data[MIME])


def wait_half(notebook: Notebook) -> None:
    expect(notebook.page.locator(".glm-Answer > .glm-Body")).to_contain_text("Paragraph 5")


@pytest.fixture
def half_grown(half_way: HalfWay) -> HalfWay:
    """A notebook in which half of TEXT has come."""

    def start(**how: object) -> tuple[Notebook, Callable[[], None]]:
        nb, go_on = half_way(TEXT, **{"rate": 1500, **how})
        nb.page.on("dialog", lambda dialog: dialog.accept())  # to leave it unsaved
        wait_half(nb)
        return nb, go_on

    return start


def test_text_flows_and_what_is_drawn_stays(half_grown: HalfWay) -> None:
    nb, go_on = half_grown()
    assert nb.page.locator(".glm-Answer").get_attribute("aria-busy") == "true"
    nb.page.evaluate("() => { document.querySelector('.glm-Block').mark = 'first drawn'; }")
    go_on()
    nb.wait_drawn()
    assert nb.page.evaluate("() => document.querySelector('.glm-Block').mark") == "first drawn"
    assert nb.page.locator(".glm-Answer mjx-container").count() == 12
    assert nb.page.locator(".glm-Answer").get_attribute("aria-busy") == "false"
    assert saved_answer(nb, 1)["text"] == TEXT
    assert nb.errors == []


def test_run_all_right_after_loading(answered: Open) -> None:
    nb = answered(TEXT, rate=1000)
    assert "Paragraph 12" in nb.text()
    assert saved_answer(nb, 1)["text"] == TEXT


def test_a_reloaded_page_goes_on_with_the_stream(half_grown: HalfWay) -> None:
    nb, go_on = half_grown(chunk=2, creep=2)
    nb.open()
    wait_half(nb)
    expect(nb.page.locator(".glm-Answer")).to_have_attribute("data-state", "writing")
    expect(nb.page.locator(".glm-stop")).to_be_visible()
    go_on()
    nb.wait_drawn()
    assert saved_answer(nb, 1)["text"] == TEXT


def test_a_save_in_mid_answer_has_what_there_is(half_grown: HalfWay) -> None:
    nb, go_on = half_grown()
    assert "Paragraph 5" in str(saved_answer(nb, 1)["text"])
    (output,) = nb.lab.read(nb.name).cells[1].outputs
    assert "Paragraph 5" in output.data.get("text/markdown", output.data["text/plain"])
    go_on()
    nb.wait_drawn()
    assert saved_answer(nb, 1)["text"] == TEXT


def test_reload_in_mid_answer(half_grown: HalfWay) -> None:
    nb, go_on = half_grown()
    nb.open()
    go_on()
    nb.wait_drawn()
    assert "Paragraph 12" in nb.text()
    assert nb.page.locator(".glm-Answer").count() == 1
    assert saved_answer(nb, 1)["text"] == TEXT


def test_reload_after_the_end_of_an_answer_saved_in_its_midst(half_grown: HalfWay) -> None:
    nb, go_on = half_grown()
    assert saved_answer(nb, 1)["seconds"] is None
    go_on()
    nb.wait_drawn()
    nb.open()
    nb.wait_drawn()
    expect(nb.page.locator(".glm-Answer > .glm-Body")).to_contain_text("Paragraph 12")
    assert saved_answer(nb, 1)["text"] == TEXT


def test_two_tabs_on_one_kernel(
    notebook: Open, lab: Lab, context: BrowserContext, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    nb = notebook(LOAD, grow(TEXT, rate=1500, until=str(go)))
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
    assert saved_answer(nb, 1)["text"] == TEXT


def test_copies_of_a_cell_whose_answer_is_growing(half_grown: HalfWay) -> None:
    nb, go_on = half_grown()
    nb.page.evaluate(
        """async () => {
            await jupyterapp.commands.execute('notebook:copy-cell');
            await jupyterapp.commands.execute('notebook:paste-cell-above');
            await jupyterapp.commands.execute('notebook:paste-cell-below');
        }"""
    )
    expect(nb.page.locator(".glm-stop")).to_have_count(3)
    go_on()
    nb.wait_drawn(3)
    assert nb.page.locator(".glm-Ending:visible").count() == 0
    saved = [cell.outputs[0].data[MIME]["text"] for cell in nb.save().cells[1:]]
    assert saved == [TEXT, TEXT, TEXT]


def test_kernel_restart_in_mid_answer(half_grown: HalfWay) -> None:
    nb, _ = half_grown()
    nb.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(nb.page.locator(".glm-Ending")).to_contain_text("Not complete")
    assert "Paragraph 5" in nb.text()
    answer = saved_answer(nb, 1)
    assert "Paragraph 5" in str(answer["text"])
    assert answer["complete"] is False


def test_stop_keeps_what_has_come(half_grown: HalfWay) -> None:
    nb, _ = half_grown()
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


def test_saved_answer_looks_the_same_without_a_kernel(answered: Open) -> None:
    nb = answered((TEXTS / "covariance.md").read_text(), rate=6000)
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


def test_selection_is_kept_while_text_flows(half_grown: HalfWay) -> None:
    nb, go_on = half_grown()
    second = nb.page.locator(".glm-Block").nth(1)
    expect(second.locator("mjx-container")).to_be_visible()
    expect(second).to_have_text(re.compile(r"\.\s*$"))  # it has flowed to its end
    second.evaluate("block => getSelection().selectAllChildren(block)")
    selected = nb.page.evaluate("() => getSelection().toString()")
    assert "Paragraph 2" in selected
    go_on()
    nb.wait_drawn()
    assert nb.page.evaluate("() => getSelection().toString()") == selected


@pytest.fixture
def notebook_7(tmp_path: Path) -> Iterator[Lab]:
    server = Lab(tmp_path / "notebook", app="notebook")
    yield server
    server.close()


def test_in_notebook_7(notebook_7: Lab, context: BrowserContext, tmp_path: Path) -> None:
    go = tmp_path / "go"
    notebook_7.write("seven.ipynb", LOAD, grow(TEXT, rate=1500, until=str(go)))
    nb = Notebook(notebook_7, context, "seven.ipynb")
    nb.run(0)
    nb.start(1)
    wait_half(nb)
    go.touch()
    nb.wait_drawn()
    assert nb.page.locator(".glm-Answer mjx-container").count() == 12
    assert saved_answer(nb, 1)["text"] == TEXT


@pytest.mark.parametrize(
    ("kernel_speaks", "said"),
    [
        (PROTOCOL + 1, "an older glm-jupyter than the kernel"),
        (PROTOCOL - 1, "The kernel has an older"),
    ],
)
def test_where_page_and_kernel_are_of_different_versions(
    notebook: Open, kernel_speaks: int, said: str
) -> None:
    other = f"from glm_jupyter.render import channel\nchannel.PROTOCOL = {kernel_speaks}\n{LOAD}"
    nb = notebook(other, grow(TEXT, rate=1000), grow(TEXT, rate=1000))
    nb.run(0, 1, 2)
    notice = nb.page.locator(".Toastify__toast")
    expect(notice).to_have_count(1)
    expect(notice).to_contain_text(said)
    expect(nb.page.locator(".glm-StatusItem")).to_have_text("GLM: versions differ")
    nb.wait_drawn(2)
    expect(nb.page.locator(".glm-Answer mjx-container")).to_have_count(24)
    assert saved_answer(nb, 1)["text"] == TEXT
    assert nb.errors == []


def test_without_the_extension(bare_lab: Lab, context: BrowserContext) -> None:
    bare_lab.write("bare.ipynb", LOAD, grow(TEXT, rate=1000))
    nb = Notebook(bare_lab, context, "bare.ipynb")
    nb.run(0, 1)
    output = nb.page.locator(".jp-RenderedMarkdown")
    expect(output).to_contain_text("Paragraph 12")
    expect(output.locator("mjx-container")).to_have_count(12)
    assert nb.page.locator(".glm-Answer").count() == 0
    assert saved_answer(nb, 1)["text"] == TEXT

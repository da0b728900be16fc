"""Demo notebooks in a real JupyterLab: they run, formulas are typeset, no error is shown."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import BrowserContext

from tests.browser.lab import MIME, Lab, Notebook

FOLDER = Path(__file__).parents[2] / "demo_notebooks"
SCREENSHOTS = Path(__file__).parents[2] / "test-results"
FORMULA = re.compile(r"\\\(.*?\\\)|\\\[.*?\\\]|\\begin\{align\*\}", re.DOTALL)
LEFT_OVER = re.compile(r"\\[a-zA-Z([\])]|\$\$|@@")


@pytest.mark.parametrize("name", ["covariance", "reasoning"])
def test_every_formula_of_a_lesson_is_typeset(lab: Lab, context: BrowserContext, name: str) -> None:
    shutil.copytree(FOLDER, lab.files / name)
    path = f"{name}/{name}.ipynb"
    cells = nbformat.read(lab.files / path, as_version=4).cells
    notebook = Notebook(lab, context, path)
    active = notebook.page.locator(".jp-Notebook .jp-Cell.jp-mod-active")
    answers = 0
    for number, cell in enumerate(cells):
        if cell.cell_type != "code":
            continue
        notebook.run(number)
        if not cell.source.startswith("%%glm") or "--dry-run" in cell.source:
            continue
        answers += 1
        answer = active.locator(".glm-Answer[data-state='done'][data-drawn]")
        answer.wait_for(timeout=60_000)
        saved = notebook.save().cells[number].outputs[-1]["data"][MIME]
        if saved["reasoning"]:
            answer.locator("summary").first.click()
        expected = len(FORMULA.findall(saved["reasoning"] + saved["text"]))
        assert expected
        answer.locator("mjx-container").nth(expected - 1).wait_for(state="attached")
        assert answer.locator("mjx-container").count() == expected
        assert answer.locator("mjx-merror, [data-mjx-error]").count() == 0
        left = answer.evaluate(
            """node => {
                const copy = node.cloneNode(true);
                copy.querySelectorAll('mjx-container, pre, code').forEach(each => each.remove());
                return copy.textContent;
            }"""
        )
        assert not LEFT_OVER.search(left), left
        assert "A sample, written for this notebook" in left
        SCREENSHOTS.mkdir(exist_ok=True)
        answer.screenshot(path=SCREENSHOTS / f"{name}-{answers}.png")
    assert answers >= 3
    assert notebook.errors == []
    outputs = [each for cell in notebook.save().cells for each in cell.get("outputs", [])]
    assert [each for each in outputs if each.output_type == "error"] == []

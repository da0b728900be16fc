"""Demo notebooks in a real JupyterLab: they run, formulas are typeset, no error is shown."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import BrowserContext

from glm_jupyter.engine import weights
from tests.browser.lab import MIME, Lab, Notebook

FOLDER = Path(__file__).parents[2] / "demo_notebooks"
SCREENSHOTS = Path(__file__).parents[2] / "test-results"
ENGINE_TIMEOUT = 240_000  # milliseconds: the embedded engine on a machine that is busy
FORMULA = re.compile(r"\\\(.*?\\\)|\\\[.*?\\\]|\\begin\{align\*\}", re.DOTALL)
LEFT_OVER = re.compile(r"\\[a-zA-Z([\])]|\$\$|@@")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*.ipynb"))])
def test_a_demo_runs_and_its_formulas_are_typeset(
    lab: Lab, context: BrowserContext, name: str
) -> None:
    shutil.copytree(FOLDER, lab.files / name)
    lend_weights(lab)
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
        answer.wait_for(timeout=ENGINE_TIMEOUT)
        shown = [output.get("data", {}) for output in notebook.save().cells[number].outputs]
        saved = next(data[MIME] for data in shown if MIME in data)
        if saved["media"]:
            answer.locator("img, video, audio").first.wait_for()
            continue
        if name == "media":  # what is read and written down: see its own tests
            continue
        if saved["endpoint"] == "local":
            continue  # the engine's own words; only samples are known to hold formulas
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
    assert answers
    assert notebook.errors == []
    outputs = [each for cell in notebook.save().cells for each in cell.get("outputs", [])]
    assert [each for each in outputs if each.output_type == "error"] == []


def lend_weights(lab: Lab) -> None:
    """Let the lab's home have the engine's weights, which are large, from this user's."""
    if not weights.cached().is_relative_to(Path.home()):
        return  # in a folder that the environment names: the lab has it, too
    here = weights.ensure(lambda *_: None, threading.Event())
    there = lab.files.parent / weights.cached().relative_to(Path.home())
    if not there.exists():
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(here)

"""The demo notebooks run from top to bottom with no key, on the embedded engine."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.kernels import VENDOR

NOTEBOOKS = sorted((Path(__file__).parents[2] / "demo_notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_without_a_key(path: Path, tmp_path: Path, monkeypatch) -> None:
    for name in ("ZAI_API_KEY", "ZHIPUAI_API_KEY", "ZAI_BASE_URL", "ZHIPUAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    answers = [
        output["data"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if VENDOR in output.get("data", {})
    ]
    assert answers
    for data in answers:
        assert data["text/markdown"]
        assert data[VENDOR]["complete"]
        assert data[VENDOR]["text"]


def test_the_quickstart_answers_say_that_a_tiny_model_gave_them(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("%load_ext glm_jupyter"),
            nbformat.v4.new_code_cell("%%glm -m local/smollm2-135m --max-tokens 20\nSay hello."),
        ]
    )
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = notebook.cells[1].outputs[-1]["data"]["text/markdown"]
    assert "expect mistakes" in shown.splitlines()[-1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.get("outputs") for cell in notebook.cells if cell.cell_type == "code")

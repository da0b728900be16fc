"""The demo notebooks run from top to bottom with no key: on the embedded engine, or on samples."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest

from glm_jupyter.api.documents import pages_of
from glm_jupyter.api.events import TextDelta
from glm_jupyter.recordings.recorder import read
from tests.kernels import VENDOR, execute
from tests.notebooks.record_samples import FOLDER, LABEL, SAMPLES, samples
from tests.notebooks.sample_media import PAGE, TRANSCRIPT

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
RECORDINGS = sorted(SAMPLES.glob("*.glm.jsonl"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_without_a_key(path: Path, tmp_path: Path, monkeypatch) -> None:
    for name in ("ZAI_API_KEY", "ZHIPUAI_API_KEY", "ZAI_BASE_URL", "ZHIPUAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    copy = shutil.copytree(FOLDER, tmp_path / "lesson")
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, timeout=300, resources={"metadata": {"path": str(copy)}})
    answers = [
        output["data"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if VENDOR in output.get("data", {})
    ]
    assert answers
    for data in answers:
        assert data[VENDOR]["complete"]
        assert data[VENDOR]["text"] or data[VENDOR]["media"]
        assert {"text/markdown", "image/png", "audio/wav"} & data.keys()


def test_the_quickstart_answers_say_that_a_tiny_model_gave_them(tmp_path: Path, caplog) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("%load_ext glm_jupyter"),
            nbformat.v4.new_code_cell("%%glm -m local/smollm2-135m --max-tokens 20\nSay hello."),
        ]
    )
    with caplog.at_level("WARNING"):
        execute(notebook, resources={"metadata": {"path": str(tmp_path)}})
    assert not [record.message for record in caplog.records if "comm" in record.message]
    shown = notebook.cells[1].outputs[-1]["data"]["text/markdown"]
    assert "expect mistakes" in shown.splitlines()[-1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.get("outputs") for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name.partition(".")[0])
def test_a_recording_holds_what_was_written_for_it_and_says_so(path: Path) -> None:
    """`python -m tests.notebooks.record_samples` makes the recordings anew."""
    written = {sample.text for sample in samples(path.name.partition(".")[0])}
    written |= {TRANSCRIPT, pages_of({"layout_details": [PAGE, []]})[0]}
    complaints: list[str] = []
    recorded = list(read(path.read_bytes(), path.name, complaints))
    assert recorded
    assert not complaints
    for one in recorded:
        text = "".join(event.text for _, event in one.events if isinstance(event, TextDelta))
        assert not text or text.strip() in written
        # A value for a program, or function calls, cannot carry a label; the notebook does.
        assert not text or LABEL.strip() in text or text.strip().startswith("{")
    notebook = (FOLDER / path.name.replace(".glm.jsonl", ".ipynb")).read_text(encoding="utf-8")
    assert "samples written for this notebook" in notebook

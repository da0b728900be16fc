"""Tools that run notebooks, and that make something else of them, with an answer inside."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import papermill
import pytest
from nbconvert import LatexExporter, SlidesExporter

from tests.front_ends.cases import TEXTS
from tests.kernels import VENDOR, execute
from tests.notebooks.test_render_nbconvert import notebook as saved
from tests.protocol_server import ProtocolServer, Reply

KEY = "0123456789abcdef.sEcReTsEcReT"
TEXT = (
    "So \\(x^2 = 4\\), and\n\n\\[\\sum_{k=1}^n k = \\frac{n(n+1)}{2}\\]\n\n- $5 & 10 % of **it**\n"
)
QUESTION = "What is {{ x }} squared?"
CELLS = ("x = 1", "%load_ext glm_jupyter", f"%%glm -m glm-4.7\n{QUESTION}")


@pytest.fixture
def service(server: ProtocolServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service that notebooks ask."""
    server.key = KEY
    server.default = Reply(text=TEXT, reasoning="Let me square it.")
    monkeypatch.setenv("ZAI_API_KEY", KEY)
    monkeypatch.setenv("ZAI_BASE_URL", server.url)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


@pytest.fixture
def notebook(service: None) -> Any:
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    node.cells[0].metadata["tags"] = ["parameters"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    node.metadata["kernelspec"] = kernel
    return node


def bundle(notebook: Any) -> dict[str, Any]:
    """What the one answer of an executed notebook has left there."""
    (output,) = notebook.cells[-1].outputs
    return dict(output["data"])


def asked(server: ProtocolServer) -> str:
    (request,) = server.requests
    return str(request.json["messages"][-1]["content"])


@pytest.fixture
def answered() -> Any:
    """A notebook that holds an answer."""
    node = saved(TEXT, "Let me square it.")
    node.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    return node


def test_nbclient_keeps_one_whole_output(notebook: Any) -> None:
    execute(notebook)
    nbformat.validate(notebook)
    assert bundle(notebook)[VENDOR]["text"] == TEXT
    assert "$x^2 = 4$" in bundle(notebook)["text/markdown"]


def test_papermill_puts_its_parameters_into_the_question(
    notebook: Any, server: ProtocolServer, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    nbformat.write(notebook, source)
    papermill.execute_notebook(source, target, {"x": 7}, progress_bar=False)
    assert asked(server) == "What is 7 squared?"
    assert bundle(nbformat.read(target, as_version=4))[VENDOR]["text"] == TEXT


@pytest.mark.parametrize("form", ["py:percent", "md:myst", "md"])
def test_jupytext_keeps_questions(notebook: Any, form: str) -> None:
    text = jupytext.writes(notebook, form)
    assert "What is {{ x }} squared?" in text
    assert [cell.source for cell in jupytext.reads(text, form).cells] == list(CELLS)


def test_slides_have_the_answer_and_its_formulas(answered: Any) -> None:
    html, _ = SlidesExporter().from_notebook_node(answered)
    assert "$x^2 = 4$" in html
    assert re.search(r"\$\$\s*\\sum_\{k=1\}\^n", html)
    assert "<summary>Thought for" in html


@pytest.mark.skipif(
    not (shutil.which("pandoc") and shutil.which("xelatex")), reason="needs pandoc and a TeX"
)
def test_the_tex_of_nbconvert_compiles(tmp_path: Path) -> None:
    answer = (TEXTS / "covariance.md").read_text("utf-8")
    tex, _ = LatexExporter().from_notebook_node(saved(f"{TEXT}\n{answer}", "Let me \\(y\\) it."))
    (tmp_path / "a.tex").write_text(tex, "utf-8")
    command = ["xelatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout[-2000:]


# What docs/howto/front-ends.md tells to write into conf.py.
BOOK = """
extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_render_markdown_format = "myst"
myst_enable_extensions = ["dollarmath", "amsmath"]
suppress_warnings = ["mystnb.unknown_mime_type"]
"""


def test_myst_nb_puts_the_answer_into_a_book(answered: Any, tmp_path: Path) -> None:
    answered.cells.insert(0, nbformat.v4.new_markdown_cell("# A page"))
    nbformat.write(answered, tmp_path / "index.ipynb")
    (tmp_path / "conf.py").write_text(BOOK)
    command = [sys.executable, "-m", "sphinx", "-q", str(tmp_path), str(tmp_path / "html")]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (built.returncode, built.stderr) == (0, "")
    page = (tmp_path / "html" / "index.html").read_text("utf-8")
    assert page.count('class="math') == 2
    assert "glm-4-airx · " in page

"""What `import glm_jupyter as glm` gives: the public names, and none that comes unasked."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import glm_jupyter as glm

ROOT = Path(__file__).parents[2]
TEXTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("demo_notebooks/**/*.ipynb")]

PUBLIC = [
    "Answer",
    "Answers",
    "BudgetError",
    "GLMError",
    "MapInterrupted",
    "MapStopped",
    "SchemaError",
    "Session",
    "aask",
    "aembed",
    "amap",
    "arerank",
    "ask",
    "astream",
    "batch",
    "catalogue",
    "embed",
    "errors",
    "events",
    "load_ipython_extension",
    "map",
    "rerank",
    "session",
    "stream",
    "tokens",
    "unload_ipython_extension",
    "usage",
]


def test_the_public_names_are_these() -> None:
    assert sorted(glm.__all__) == dir(glm) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_can_be_imported_alone(name: str) -> None:
    code = f"from glm_jupyter import {name}; assert {name} is not None"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_errors_and_events_are_reached_from_the_top() -> None:
    assert issubclass(glm.errors.BusyError, glm.GLMError)
    assert issubclass(glm.MapStopped, glm.GLMError)
    assert glm.events.TextDelta("Hello").text == "Hello"
    with pytest.raises(AttributeError, match="no attribute 'askk'"):
        glm.askk  # noqa: B018  # the name is looked up


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.name)
def test_no_import_that_users_are_shown_is_a_deep_path(text: Path) -> None:
    if text.suffix == ".ipynb":
        cells = json.loads(text.read_text("utf-8"))["cells"]
        shown = "\n".join("".join(cell["source"]) for cell in cells)
    else:
        shown = text.read_text("utf-8")
    assert re.findall(r"(?:from|import) glm_jupyter\.\S+", shown) == []


def test_the_list_for_type_checkers_is_the_same() -> None:
    source = ast.parse((ROOT / "glm_jupyter/__init__.py").read_text("utf-8"))
    typed = {
        alias.asname or alias.name
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    own = {"session", "load_ipython_extension", "unload_ipython_extension"}
    assert set(PUBLIC) - own <= typed

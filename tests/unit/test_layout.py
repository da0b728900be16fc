"""CONTRIBUTING and the documentation name the files that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "glm_jupyter"
TEXTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "labextension" / "PROTOCOL.md"]
OF_OTHERS = {"ipython_config.py", "jupyter_config.py", "jupyterhub_config.py", "glm_gateway.py"}


def test_contributing_lists_every_file_by_its_first_line() -> None:
    listed = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    missing = []
    for path in sorted(PACKAGE.rglob("*.py")):
        doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        first = doc.partition("\n")[0].rstrip(".")
        if path.parent != PACKAGE or path.name != "__init__.py":
            missing += [f"{path.name}: {first}"] * (first not in listed)
    assert missing == []


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.name)
def test_no_text_names_a_file_that_is_not_there(text: Path) -> None:
    there = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("glm_jupyter/**/*.py")}
    there |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/**/*.py")}
    there |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("[dl]*/**/*.py")}
    named = set(re.findall(r"`(?:[^`\s]*/)?([\w/]+\.py)`", text.read_text("utf-8")))
    named = {name for name in named if name.rpartition("/")[2] not in OF_OTHERS}
    assert {name for name in named if not any(path.endswith(name) for path in there)} == set()

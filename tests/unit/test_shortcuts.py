"""The shortcuts of the JupyterLab extension beside those that JupyterLab and Notebook ship."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

OURS = Path(__file__).parents[2] / "labextension" / "schema" / "commands.json"
SHARE = Path(sys.prefix) / "share" / "jupyter"


def shortcuts(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_text("utf-8")).get(
        "jupyter.lab.shortcuts", []
    )
    return [each for each in found if any(each.get("keys", []))]


def test_no_shortcut_begins_as_one_that_is_shipped_or_the_other_way_round() -> None:
    shipped = [
        each
        for place in ("lab/schemas/@jupyterlab", "labextensions/@jupyter-notebook")
        for file in (SHARE / place).rglob("*.json")
        if file.name != "package.json"
        for each in shortcuts(file)
    ]
    if not shipped:
        pytest.skip("JupyterLab is installed elsewhere")
    taken = [each["keys"] for each in shipped]
    for ours in shortcuts(OURS):
        keys = ours["keys"]
        for other in taken:
            common = min(len(keys), len(other))
            assert keys[:common] != other[:common], (ours["command"], other)


def test_shortcuts_differ() -> None:
    keys = [tuple(each["keys"]) for each in shortcuts(OURS)]
    assert len(keys) == len(set(keys)) == 6

"""What the package says of itself in pyproject.toml is what it needs."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# What users pass in, and what an error tells to install where it is wanted.
OF_THE_USER = {"pandas", "pillow", "jsonschema", "referencing"}

# What a browser's Python comes with, and no other.
OF_PYODIDE = {"js", "pyodide"}


def names(requirements: list[str]) -> set[str]:
    found = [re.split(r"[^\w.-]", each)[0] for each in requirements]
    return {name.lower().replace("_", "-") for name in found}


def imported() -> set[str]:
    """The modules of others that the package imports anywhere, by their first name."""
    found = set()
    for path in (ROOT / "glm_jupyter").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - OF_PYODIDE - {"glm_jupyter"}


def test_every_package_that_is_imported_is_declared() -> None:
    extras = PROJECT["optional-dependencies"]
    declared = names([*PROJECT["dependencies"], *extras["local"], *extras["keyring"]])
    declared |= names([*extras["gateway"], *extras["audio"], *extras["dask"]])
    pytest.importorskip("distributed")  # not there beside the lowest versions
    brings = packages_distributions()
    needed = {brings[name][0].lower().replace("_", "-") for name in imported()}
    assert needed - declared - OF_THE_USER == set()

"""The texts of the page that can be translated, as they stand in its code and its schemas."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

EXTENSION = Path(__file__).parents[2] / "labextension"
SCHEMA_TEXTS = ("title", "description")
_STRING = r"'((?:[^'\\]|\\.)*)'"
_CALL = re.compile(rf"rans\._{{1,2}}n?\(\s*({_STRING}(?:\s*\+\s*{_STRING})*)", re.DOTALL)


def page_texts() -> set[str]:
    """What the page's code hands to its translator; of a plural, the singular."""
    found = set()
    for file in EXTENSION.glob("src/*.ts"):
        for call in _CALL.finditer(file.read_text("utf-8")):
            parts = re.findall(_STRING, call[1])
            found.add("".join(parts).replace("\\'", "'"))
    return found


def schema_texts() -> set[str]:
    """The texts of the settings."""
    found: set[str] = set()
    for file in EXTENSION.glob("schema/*.json"):
        _gather(json.loads(file.read_text("utf-8")), found)
    return found


def _gather(node: Any, found: set[str]) -> None:
    if isinstance(node, dict):
        found |= {node[name] for name in SCHEMA_TEXTS if isinstance(node.get(name), str)}
        for value in node.values():
            _gather(value, found)
    elif isinstance(node, list):
        for value in node:
            _gather(value, found)

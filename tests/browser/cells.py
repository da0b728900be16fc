"""Cells of notebooks in which answers grow without a service behind them (see growing.py)."""

from __future__ import annotations

from pathlib import Path

TEXTS = Path(__file__).parents[1] / "texts"
LOAD = "%load_ext glm_jupyter\nfrom tests.browser.growing import grow"


def grow(text: str, **how: object) -> str:
    """A cell that has `growing.grow` called."""
    options = "".join(f", {name}={value!r}" for name, value in how.items())
    return f"answer = await grow({text!r}{options})"

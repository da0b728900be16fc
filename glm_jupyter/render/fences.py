"""Text as a block of code that nothing in the text can close."""

from __future__ import annotations

import re


def fenced(text: str, language: str = "text") -> str:
    """`text` in a fence longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"

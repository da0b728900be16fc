"""Completes what a growing text has left open, so that it reads well before its end has come."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .blocks import Splitter

_CODE = re.compile(r"(`+)(?:(?!`)[\s\S])*?(?<!`)\1(?!`)")
_MATH = re.compile(
    r"\\\((?:(?!\\\))[\s\S])*\\\)|\\\[(?:(?!\\\])[\s\S])*\\\]"
    r"|\$\$(?:(?!\$\$)[\s\S])+\$\$|\$(?=\S)[^$\n]*(?<=\S)\$"
)
_OPEN = re.compile(r"`+|\\[\[(]|\$\$|\$(?=[^\s\d$])(?![^\n]*\n)")
_RUN = re.compile(r"(?<!\\)\*+")
_LAST_PARAGRAPH = re.compile(r"\n[ \t>]*(?:\n[ \t>]*)*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(?=\S)")


def mended(lines: list[str], splitter: Splitter) -> list[str]:
    """The lines of a block that still grows, with what is open in it closed."""
    if splitter.in_fence:
        return _without_half_fence(lines)
    if (opened := splitter.display_from) is not None:
        before, line = lines[:opened], lines[opened]
        start = max(line.rfind("\\["), line.rfind("$$"), line.rfind("\\begin{"))
        delimiter = 0 if line.startswith("\\b", start) else 2
        body = " ".join([line[start + delimiter :], *lines[opened + 1 :]])
        return [*before, line[:start] + _as_code(body)]
    text = "\n".join(lines)
    start = max((found.end() for found in _LAST_PARAGRAPH.finditer(text)), default=0)
    return [*text[:start].split("\n")[:-1], text[:start].split("\n")[-1] + _closed(text[start:])]


def _without_half_fence(lines: list[str]) -> list[str]:
    """A last line of fence characters is the end of the code on its way."""
    last = lines[-1].strip(" \t>")
    return lines[:-1] if len(lines) > 1 and last and not last.strip("`~") else lines


def _closed(text: str) -> str:
    """A paragraph with its last code span, formula and emphasis closed."""
    text = re.sub(r"(?<!\\)\\\Z", "", text)
    hidden = _MATH.sub(_blanks, _CODE.sub(_blanks, text))
    if found := _OPEN.search(hidden):
        head, body = text[: found.start()], text[found.end() :]
        closed = _bold(head, hidden[: found.start()])
        return closed + (_as_code(body) if body.strip() else "")
    return _bold(text, hidden)


def _bold(text: str, hidden: str) -> str:
    """`text` with its emphasis closed; `hidden` is the same without code and formulas."""
    open_runs: list[str] = []
    for found in _RUN.finditer(hidden):
        run = found[0]
        if open_runs and open_runs[-1] == run and not hidden[: found.start()][-1:].isspace():
            open_runs.pop()
        elif not hidden[found.end() : found.end() + 1].isspace() and found.end() < len(hidden):
            open_runs.append(run)
        elif found.end() == len(hidden) and hidden[: found.start()].strip():
            return _bold(text[: found.start()].rstrip(), hidden[: found.start()].rstrip())
    return text.rstrip() + "".join(reversed(open_runs)) if open_runs else text


def _blanks(found: re.Match[str]) -> str:
    return "x" * len(found[0])


def _as_code(text: str) -> str:
    """`text` as inline code, whatever is in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    ticks = "`" * (longest + 1)
    text = " ".join(text.split())
    return f"{ticks} {text} {ticks}" if text else ""

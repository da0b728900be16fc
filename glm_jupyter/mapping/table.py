"""The answers of a map as a table: the first rows at once, more of them a click away."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from glm_jupyter.money.words import rounded
from glm_jupyter.render.table import table
from glm_jupyter.text import clean, prose

from .items import each, words

if TYPE_CHECKING:
    from .answers import Answers

TABLE_TYPE = "application/vnd.glm-jupyter.table+json"
FIRST = 20  # rows that are shown at once
MOST = 200  # rows that a notebook keeps
LONGEST = 200  # characters of a cell


def bundle(answers: Answers) -> dict[str, Any]:
    """What a front end shows of `answers`; the page of our JupyterLab extension can sort it."""
    headers, numbers = _headers(answers)
    rows = _rows(answers)
    rest = len(answers) - len(rows)
    caption = f"{rest:,} more rows: `.frame()` of the answers has all of them." if rest else ""
    first = table(headers, rows[:FIRST], numbers=numbers)
    parts = [first["text/markdown"]]
    if more := rows[FIRST:]:
        title = f"Rows {FIRST + 1} to {len(rows):,}"
        folded = table(headers, more, numbers=numbers)["text/markdown"]
        parts.append(f"<details><summary>{title}</summary>\n\n{folded}\n\n</details>")
    if caption:
        parts.append(f"<small>{prose(caption)}</small>")
    hidden = len(answers) - min(len(answers), FIRST)
    plain = [first["text/plain"]]
    if hidden:
        plain.append(f"{hidden:,} more rows: `.frame()` of the answers has all of them.")
    return {
        TABLE_TYPE: {
            "version": 1,
            "headers": headers,
            "numbers": numbers,
            "rows": rows,
            "first": FIRST,
            "caption": caption.replace("`", ""),
        },
        "text/markdown": "\n\n".join(parts),
        "text/plain": "\n\n".join(plain),
    }


def _headers(answers: Answers) -> tuple[list[str], list[str]]:
    cost = f"cost ({answers.currency})" if answers.currency else "cost"
    items = ["item"] if answers.items is not None else []
    return ["row", *items, "answer", cost], [cost]


def _rows(answers: Answers) -> list[list[str]]:
    labels = range(len(answers)) if answers.index is None else answers.index
    shown = list(islice(zip(labels, answers, strict=False), MOST))
    items: list[Any] = []
    if answers.items is not None:
        items = [[_short(words(item))] for item in islice(each(answers.items), MOST)]
    return [
        [_short(str(label)), *(items[place] if items else []), *_said(answers, place)]
        for place, (label, _) in enumerate(shown)
    ]


def _said(answers: Answers, place: int) -> tuple[str, str]:
    """An item's answer, or why it has none, and what that cost."""
    answer = answers[place]
    if answer is None:
        error = answers.errors.get(place)
        return (_short(f"failed: {error}") if error else "not asked"), ""
    cost = "unknown" if answer.cost is None else rounded(answer.cost)
    return _short(answer.text), cost


def _short(text: str) -> str:
    flat = " ".join(clean(text).split())
    return flat if len(flat) <= LONGEST else f"{flat[: LONGEST - 1]}…"

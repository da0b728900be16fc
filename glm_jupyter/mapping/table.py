"""The answers of a map as a table: the first rows at once, more of them a click away."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from glm_jupyter.language import _
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


def labels_of(items: Iterable[Any]) -> list[str]:
    """The items of the rows that are shown, as they are before anything is asked."""
    return [_short(words(item)) for item in islice(each(items), MOST)]


def bundle(answers: Answers) -> dict[str, Any]:
    """What a front end shows of `answers`; the page of our JupyterLab extension can sort it."""
    cost = _("cost")
    if answers.currency:
        cost = _("cost ({currency})").format(currency=answers.currency)
    item = [] if answers.labels is None else [_("item")]
    headers = [_("row"), *item, _("answer"), cost]
    rows = _rows(answers)
    first = table(headers, rows[:FIRST], numbers=[cost])
    left_out = _more(len(answers) - len(rows))
    markdown = [first["text/markdown"]]
    if more := rows[FIRST:]:
        title = _("Rows {first} to {last:,}").format(first=FIRST + 1, last=len(rows))
        folded = table(headers, more, numbers=[cost])["text/markdown"]
        markdown.append(f"<details><summary>{title}</summary>\n\n{folded}\n\n</details>")
    if left_out:
        markdown.append(f"<small>{prose(left_out)}</small>")
    plain = [first["text/plain"], _more(len(answers) - FIRST)]
    return {
        TABLE_TYPE: {
            "version": 1,
            "headers": headers,
            "numbers": [cost],
            "rows": rows,
            "first": FIRST,
            "caption": left_out,
        },
        "text/markdown": "\n\n".join(markdown),
        "text/plain": "\n\n".join(filter(None, plain)),
    }


def _rows(answers: Answers) -> list[list[str]]:
    index = range(len(answers)) if answers.index is None else answers.index
    rows = [
        [_short(str(name)), *_said(answers, place)]
        for place, name in enumerate(islice(index, min(MOST, len(answers))))
    ]
    if answers.labels is None:
        return rows
    return [
        [name, label, *said] for (name, *said), label in zip(rows, answers.labels, strict=False)
    ]


def _said(answers: Answers, place: int) -> tuple[str, str]:
    """An item's answer, or why it has none, and what that cost."""
    answer = answers[place]
    if answer is None:
        error = answers.errors.get(place)
        failed = _("failed: {error}").format(error=error) if error else _("not asked")
        return _short(failed), ""
    cost = _("unknown") if answer.cost is None else rounded(answer.cost)
    made = [made.path.as_posix() for made in answer.media if made.path]
    said = answer.text or ", ".join(made)
    return _short(said if answer.complete else f"cut off: {said}"), cost


def _more(count: int) -> str:
    """That there are more rows, and where; nothing where there are none."""
    text = _("{count:,} more rows: frame() of the answers has all of them.")
    return text.format(count=count) if count > 0 else ""


def _short(text: str) -> str:
    flat = " ".join(clean(text).split())
    return flat if len(flat) <= LONGEST else f"{flat[: LONGEST - 1]}…"

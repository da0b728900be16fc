"""A structured answer's value: a list of objects as a table, anything else as a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from glm_jupyter.language import _
from glm_jupyter.text import clean, literal

from .table import table

MOST_ROWS = 200


def markdown(value: Any) -> str:
    """The value as markdown in which its texts are only text."""
    return _shown(value, "text/markdown", _inline, "**{}**: ")


def plain(value: Any) -> str:
    """The value for a terminal."""
    return _shown(value, "text/plain", _text, "{}: ")


def _shown(value: Any, kind: str, leaf: Callable[[Any], str], label: str) -> str:
    data = _plain_data(value)
    if _is_rows(data):
        return _rows(data)[kind]
    if isinstance(data, dict | list):
        return "\n".join(_tree(data, leaf, label))
    return leaf(data)


def _plain_data(value: Any) -> Any:
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, fallback=str)


def _is_rows(data: Any) -> bool:
    return isinstance(data, list) and bool(data) and all(isinstance(row, dict) for row in data)


def _rows(data: list[dict[str, Any]]) -> dict[str, str]:
    flat = [dict(_flat(row)) for row in data[:MOST_ROWS]]
    names = list(dict.fromkeys(name for row in flat for name in row))
    numbers = [name for name in names if all(map(_is_number, (row.get(name) for row in flat)))]
    rows = [
        [str(n), *(_cell(row[name]) if name in row else "" for name in names)]
        for n, row in enumerate(flat)
    ]
    cut = ""
    if len(data) > MOST_ROWS:
        cut = _("The first {most} of {count:,} are shown.").format(most=MOST_ROWS, count=len(data))
    return table(["", *map(clean, names)], rows, cut, numbers=["", *map(clean, numbers)])


def _is_number(value: Any) -> bool:
    """Whether a cell holds a number, or nothing."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _flat(row: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The columns of an object; those of an object in it with its name before them."""
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_cell(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return " ".join(_text(value).split())


def _tree(data: Any, show: Callable[[Any], str], title: str, depth: int = 0) -> Iterator[str]:
    """The parts in lines; `title` is the form of a name, `show` gives the text of a value."""
    items = data.items() if isinstance(data, dict) else enumerate(data, 1)
    for name, part in items:
        nested = isinstance(part, dict | list) and part
        label = title.format(show(name)) if isinstance(data, dict) or nested else ""
        yield f"{'  ' * depth}- {label}{'' if nested else show(part)}".rstrip()
        if nested:
            yield from _tree(part, show, title, depth + 1)


def _text(value: Any) -> str:
    match value:
        case None:
            return _("none")
        case bool():
            return _("yes") if value else _("no")
        case dict() | list():
            return _("empty")
        case _:
            return clean(str(value))


def _inline(value: Any) -> str:
    return "<br>".join(map(literal, _text(value).split("\n")))

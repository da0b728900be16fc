"""Values as text for a prompt: tables, arrays, lists, long texts; cut to what is worth paying."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

from glm_jupyter.api import tokens
from glm_jupyter.language import N_, _

from .frames import MAX_COLUMNS, Frame, frame_of

# A value in a prompt is paid for at every run, so long tables and lists are cut to their ends.
MAX_ROWS = 60
MAX_CELL_CHARACTERS = 200
MAX_ITEMS = 200
MAX_ELEMENTS = 1000


class Cut(NamedTuple):
    """A way in which a value was cut: a text of the catalogues, and what it leaves open."""

    text: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as text; `cut` says what of it is shown ("60 of 5,000 rows"), if not all.

    A `table` needs lines of its own.
    """

    text: str
    cuts: tuple[Cut, ...] = ()
    table: bool = False

    @property
    def cut(self) -> str:
        """What of it is shown, in English, as the model is told."""
        return " and ".join(text.format(**fields) for text, fields in self.cuts)

    @property
    def cut_in_words(self) -> str:
        """What of it is shown, in the user's language."""
        return _(" and ").join(_(text).format(**fields) for text, fields in self.cuts)

    def __str__(self) -> str:
        return f"{self.text}\n(Cut: {self.cut} shown.)" if self.cut else self.text


def as_text(value: Any, most_tokens: int | None = None) -> Shown:
    """The text a value stands for in a prompt: of a data frame a markdown table, cut to size.

    A text is only cut where it has more than `most_tokens`, by estimate.
    """
    if (frame := frame_of(value)) is not None:
        return _fitted(_table(frame), most_tokens)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        with numpy.printoptions(threshold=MAX_ELEMENTS):
            text = str(value)
        ends = Cut(N_("the ends of an array of shape {shape}"), {"shape": value.shape})
        return _fitted(Shown(text, (ends,) if value.size > MAX_ELEMENTS else ()), most_tokens)
    if isinstance(value, Mapping | Sequence | Set) and not isinstance(
        value, str | bytes | bytearray
    ):
        # As numpy 1 wrote its numbers: 0.1, not np.float64(0.1).
        with numpy.printoptions(legacy="1.25") if numpy is not None else nullcontext():
            return _fitted(_container(value), most_tokens)
    return _fitted(Shown(str(value)), most_tokens)


def _fitted(shown: Shown, most_tokens: int | None) -> Shown:
    """Cut to at most so many tokens, keeping both ends."""
    text = shown.text
    if most_tokens is None or (counted := tokens.estimate(text)) <= most_tokens:
        return shown
    length = max(0, int(len(text) * most_tokens / counted * 0.9))
    head = length - length // 3
    tail = text[len(text) - length // 3 :]
    says = N_("{n:,} of {count:,} characters")
    if shown.cuts:
        says = N_("of that {n:,} of {count:,} characters")
    cut = Cut(says, {"n": length, "count": len(text)})
    return replace(shown, text=f"{text[:head]}\n…\n{tail}", cuts=(*shown.cuts, cut))


def _container(value: Any) -> Shown:
    if len(value) <= MAX_ITEMS:
        return Shown(str(value))
    cut = (Cut(N_("{n} of {count:,} items"), {"n": MAX_ITEMS, "count": len(value)}),)
    first = list(islice(value.items() if isinstance(value, Mapping) else value, MAX_ITEMS))
    if isinstance(value, Mapping):
        return Shown(str(dict(first)), cut)
    return Shown(str(first), cut)


def _table(frame: Frame) -> Shown:
    rows, columns = frame.shape
    lines = [frame.names, ["---"] * len(frame.names)]
    if rows > MAX_ROWS:
        head, tail = MAX_ROWS - MAX_ROWS // 3, MAX_ROWS // 3
        lines += frame.rows(0, head)
        lines.append(["…"] * len(frame.names))
        lines += frame.rows(rows - tail, rows)
    else:
        lines += frame.rows(0, rows)
    cells = [[_cell(value) for value in line] for line in lines]
    long = sum(len(cell) > MAX_CELL_CHARACTERS for line in cells for cell in line)
    cut = []
    if rows > MAX_ROWS:
        cut.append(Cut(N_("{n} of {count:,} rows"), {"n": MAX_ROWS, "count": rows}))
    if columns > MAX_COLUMNS:
        cut.append(Cut(N_("{n} of {count:,} columns"), {"n": MAX_COLUMNS, "count": columns}))
    if long:
        says = N_("the first {most} characters of a longer cell")
        if long > 1:
            says = N_("the first {most} characters of {n:,} longer cells")
        cut.append(Cut(says, {"most": MAX_CELL_CHARACTERS, "n": long}))
    return Shown("\n".join(map(_row, cells)), tuple(cut), table=True)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(map(_fitting, cells))} |"


def _cell(value: Any) -> str:
    """A value in a line; a number with six digits, and with its cents where it has more."""
    if isinstance(value, float):
        many = 1e4 <= abs(value) < 1e15
        return f"{value:.2f}".removesuffix(".00") if many else f"{value:.6g}"
    return " ".join(str(value).splitlines())


def _fitting(cell: str) -> str:
    if len(cell) > MAX_CELL_CHARACTERS:
        cell = cell[:MAX_CELL_CHARACTERS] + "…"
    return cell.replace("|", "\\|")

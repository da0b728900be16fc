"""Data frames of pandas and polars, and tables of Arrow, in one form: names, size, rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

MAX_COLUMNS = 30  # are taken into a prompt


@dataclass(frozen=True, slots=True)
class Frame:
    """A table: its size, and the names and the rows of its first columns.

    `rows` gives those from one position up to another.
    """

    shape: tuple[int, int]
    names: Sequence[Any]
    rows: Callable[[int, int], Iterable[Sequence[Any]]]


def frame_of(value: Any) -> Frame | None:
    """The frame or series as a Frame; None for what is neither.

    Nothing is imported for it: whose module is not loaded, of that there is no value.
    """
    for module, read in (("pandas", _of_pandas), ("polars", _of_polars), ("pyarrow", _of_arrow)):
        if (loaded := sys.modules.get(module)) and (frame := read(loaded, value)):
            return frame
    return None


def _of_pandas(pandas: Any, value: Any) -> Frame | None:
    if isinstance(value, pandas.Series):
        value = value.to_frame(value.name if value.name is not None else "value")
    if not isinstance(value, pandas.DataFrame):
        return None
    shown = value.iloc[:, :MAX_COLUMNS]
    index = ", ".join(str(name) for name in value.index.names if name is not None)
    return Frame(
        value.shape,
        [index, *shown.columns],
        lambda start, stop: shown.iloc[start:stop].itertuples(name=None),
    )


def _of_polars(polars: Any, value: Any) -> Frame | None:
    if isinstance(value, polars.Series):
        value = value.to_frame(value.name or "value")
    if not isinstance(value, polars.DataFrame):
        return None
    shown = value[:, :MAX_COLUMNS]
    return Frame(
        value.shape,
        shown.columns,
        lambda start, stop: map(_with_nulls, shown[start:stop].iter_rows()),
    )


def _of_arrow(arrow: Any, value: Any) -> Frame | None:
    if isinstance(value, arrow.Array | arrow.ChunkedArray):
        value = arrow.table({"value": value})
    if not isinstance(value, arrow.Table | arrow.RecordBatch):
        return None
    shown = value.select(range(min(MAX_COLUMNS, value.num_columns)))

    def rows(start: int, stop: int) -> Iterable[Sequence[Any]]:
        part = shown.slice(start, stop - start)
        columns = (column.to_pylist() for column in part.columns)
        return map(_with_nulls, zip(*columns, strict=True))

    return Frame(value.shape, shown.schema.names, rows)


def _with_nulls(row: Sequence[Any]) -> list[Any]:
    """A row in which what is missing is called as its library calls it."""
    return ["null" if each is None else each for each in row]

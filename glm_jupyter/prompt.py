"""From the text of a cell to the text of a prompt: `{{ expression }}` and `@file`."""

from __future__ import annotations

import ast
import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .api.errors import InputError

# A table in a prompt is paid for at every run, so long ones are cut to their ends.
MAX_ROWS = 60
MAX_COLUMNS = 30
MAX_CELL_CHARACTERS = 200


def expand(text: str, namespace: Mapping[str, Any]) -> str:
    """Replace each `{{ expression }}` by the text of its value in `namespace`.

    Values are put in as they are: braces inside a value are never evaluated. Single braces
    and an empty `{{}}` are left alone. Raises InputError where an expression cannot be read
    or evaluated.
    """
    parts: list[str] = []
    position = 0
    while (start := text.find("{{", position)) >= 0:
        # The innermost pair of an opening run, so that `{{{x}}}` is `{`, an expression, `}`.
        while text.startswith("{{{", start):
            start += 1
        parts.append(text[position:start])
        expression, position = _expression(text, start)
        parts.append(as_text(_evaluate(expression, namespace)) if expression else "{{}}")
    parts.append(text[position:])
    return "".join(parts)


def as_text(value: Any) -> str:
    """The text a value stands for in a prompt: a DataFrame as a markdown table, cut to size."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.Series):
        value = value.to_frame(value.name if value.name is not None else "value")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return _table(value)
    return str(value)


def read_text(value: str) -> str:
    """The text itself, or, for `@path`, what stands in that file."""
    if not value.startswith("@"):
        return value
    path = Path(value[1:]).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(
            f"Cannot read {path}: {reason}.",
            remedy=f"Paths are relative to {Path.cwd()}.",
        ) from None


def _expression(text: str, start: int) -> tuple[str, int]:
    """The expression that opens at `start`, and where the text goes on behind it."""
    end = text.find("}}", start)
    while end >= 0:
        # `{{ {"a": {}} }}`: of several closings, the first that makes an expression.
        source = text[start + 2 : end].strip()
        if not source or _parses(source):
            return source, end + 2
        end = text.find("}}", end + 1)
    line = text[start:].split("\n", 1)[0][:60]
    raise InputError(
        f"`{line}` is not a Python expression in double braces.",
        remedy="Write `{ {` for two braces that are meant as text, or use --raw.",
    )


def _parses(source: str) -> bool:
    try:
        ast.parse(source, mode="eval")
    except (SyntaxError, ValueError):
        return False
    return True


def _evaluate(expression: str, namespace: Mapping[str, Any]) -> Any:
    try:
        # The user's own expression in the user's own namespace, as if typed in a cell.
        return eval(expression, dict(namespace))
    except NameError as error:
        close = difflib.get_close_matches(error.name or "", list(namespace), n=1)
        hint = f"Did you mean `{close[0]}`? " if close else ""
        raise InputError(
            f"`{{{{ {expression} }}}}`: the name `{error.name}` is not defined.",
            remedy=f"{hint}Define it in a cell above, or use --raw to send braces as text.",
        ) from None
    except Exception as error:
        raise InputError(
            f"`{{{{ {expression} }}}}` failed: {type(error).__name__}: {error}",
            remedy="Nothing was sent. Try the expression in a cell of its own.",
        ) from error


def _table(frame: Any) -> str:
    rows, columns = frame.shape
    shown = frame.iloc[:, :MAX_COLUMNS]
    lines = [_row(["", *shown.columns]), _row(["---"] * (shown.shape[1] + 1))]
    if rows > MAX_ROWS:
        head, tail = MAX_ROWS - MAX_ROWS // 3, MAX_ROWS // 3
        lines += [_row(row) for row in shown.iloc[:head].itertuples(name=None)]
        lines.append(_row(["…"] * (shown.shape[1] + 1)))
        lines += [_row(row) for row in shown.iloc[-tail:].itertuples(name=None)]
    else:
        lines += [_row(row) for row in shown.itertuples(name=None)]
    cut = []
    if rows > MAX_ROWS:
        cut.append(f"{MAX_ROWS} of {rows} rows")
    if columns > MAX_COLUMNS:
        cut.append(f"{MAX_COLUMNS} of {columns} columns")
    if cut:
        lines.append(f"\n(Cut: {' and '.join(cut)} shown.)")
    return "\n".join(lines)


def _row(values: Any) -> str:
    return "| " + " | ".join(_cell(value) for value in values) + " |"


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    if len(text) > MAX_CELL_CHARACTERS:
        text = text[:MAX_CELL_CHARACTERS] + "…"
    return text.replace("|", "\\|").replace("\n", " ")

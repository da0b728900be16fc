"""A small table as a MIME bundle: markdown for notebooks, aligned text for terminals."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from wcwidth import wcswidth

Rows = Sequence[Sequence[str]]


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], caption: str = ""
) -> dict[str, str]:
    """The rows under their headers, with a caption below; all cells are plain text."""
    return {
        "text/markdown": _markdown(headers, rows, caption),
        "text/plain": _plain(headers, rows, caption),
    }


def _markdown(headers: Sequence[str], rows: Rows, caption: str) -> str:
    lines = [_row(headers), _row(["---"] * len(headers)), *(_row(row) for row in rows)]
    return "\n".join(lines) + (f"\n\n<small>{literal(caption)}</small>" if caption else "")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell if cell == "---" else literal(cell) for cell in cells) + " |"


def literal(text: str) -> str:
    """Plain text as markdown that shows it unchanged."""
    text = escape(text, quote=False).replace("\n", " ")
    for character in "\\`*_[]|":
        text = text.replace(character, f"&#{ord(character)};")
    # A dollar needs an element of its own, or MathJax pairs it with the next one.
    return text.replace("$", "<span>&#36;</span>")


def _plain(headers: Sequence[str], rows: Rows, caption: str) -> str:
    columns = list(zip(headers, *rows, strict=True))
    widths = [max(wcswidth(cell) for cell in column) for column in columns]
    lines = [
        "  ".join(
            cell + " " * (width - wcswidth(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in [headers, ["-" * width for width in widths], *rows]
    ]
    return "\n".join(lines) + (f"\n\n{caption}" if caption else "")

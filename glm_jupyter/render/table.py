"""A small table as a MIME bundle: markdown for notebooks, aligned text for terminals."""

from __future__ import annotations

from collections.abc import Sequence

from wcwidth import wcswidth

from glm_jupyter.text import literal, prose

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
    return "\n".join(lines) + (f"\n\n<small>{prose(caption)}</small>" if caption else "")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell if cell == "---" else literal(cell) for cell in cells) + " |"


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

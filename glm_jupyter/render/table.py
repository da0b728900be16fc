"""A small table as a MIME bundle: markdown for notebooks, aligned text for terminals."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from wcwidth import wcswidth

from glm_jupyter.text import clean, literal, prose

WIDEST = 60  # terminal columns to which other cells are filled up; a longer one stands out

Rows = Sequence[Sequence[str]]


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str = "",
    *,
    numbers: Collection[str] = (),
) -> dict[str, str]:
    """The rows under their headers, with a caption below; all cells are plain text in one line.

    Under the headers `numbers` the cells are aligned to the right.
    """
    right = [header in numbers for header in headers]
    headers = [_flat(header) for header in headers]
    rows = [[_flat(cell) for cell in row] for row in rows]
    return {
        "text/markdown": _markdown(headers, rows, caption, right),
        "text/plain": _plain(headers, rows, caption, right),
    }


def _markdown(headers: Sequence[str], rows: Rows, caption: str, right: Sequence[bool]) -> str:
    rule = " | ".join("---:" if is_number else ":---" for is_number in right)
    lines = [_row(headers), f"| {rule} |", *(_row(row) for row in rows)]
    return "\n".join(lines) + (f"\n\n<small>{prose(caption)}</small>" if caption else "")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(literal, cells)) + " |"


def _plain(headers: Sequence[str], rows: Rows, caption: str, right: Sequence[bool]) -> str:
    columns = list(zip(headers, *rows, strict=True))
    widths = [min(WIDEST, max(wcswidth(cell) for cell in column)) for column in columns]
    lines = [
        "  ".join(map(_padded, row, widths, right)).rstrip()
        for row in [headers, ["-" * width for width in widths], *rows]
    ]
    return "\n".join(lines) + (f"\n\n{caption}" if caption else "")


def _flat(cell: str) -> str:
    return " ".join(clean(cell).split("\n"))


def _padded(cell: str, width: int, right: bool) -> str:
    room = " " * (width - wcswidth(cell))
    return room + cell if right else cell + room

"""Tables of HTML, as models that read documents write them, as tables of markdown."""

from __future__ import annotations

from html.parser import HTMLParser

MOST_CELLS = 10_000  # of a table: a span may say any number


class _Table(HTMLParser):
    """Gathers rows of cells: text, columns, rows."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, int, int]]] = []
        self._cell: list[str] | None = None
        self._spans = (1, 1)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self._end()
            self.rows.append([])
        elif tag in ("td", "th"):
            self._end()
            given = dict(attrs)
            self._spans = _span(given.get("colspan")), _span(given.get("rowspan"))
            self._cell = []
        elif tag == "br" and self._cell is not None:
            self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._end()

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def _end(self) -> None:
        if self._cell is not None:
            if not self.rows:
                self.rows.append([])
            text = " ".join("".join(self._cell).split()).replace("|", r"\|")
            self.rows[-1].append((text, *self._spans))
            self._cell = None


def markdown_of(html: str) -> str:
    """The table as markdown: what is merged stands in its first cell, the others are empty.

    The HTML as it is, where it holds no cell, or too many.
    """
    parser = _Table()
    parser.feed(html)
    parser.close()
    grid = _grid(parser.rows)
    if not grid or sum(map(len, grid)) > MOST_CELLS:
        return html
    width = max(map(len, grid))
    lines = [f"| {' | '.join([*row, *[''] * (width - len(row))])} |" for row in grid]
    return "\n".join([lines[0], f"|{' --- |' * width}", *lines[1:]])


def _grid(rows: list[list[tuple[str, int, int]]]) -> list[list[str]]:
    taken: dict[tuple[int, int], str] = {}
    for y, row in enumerate(rows):
        x = 0
        for text, columns, lines in row:
            while (x, y) in taken:
                x += 1
            for right in range(columns):
                for down in range(min(lines, len(rows) - y)):
                    taken[x + right, y + down] = "" if right or down else text
            if len(taken) > MOST_CELLS:
                return []
            x += columns
    found = []
    for y in range(len(rows)):
        width = max((x + 1 for x, row in taken if row == y), default=0)
        found.append([taken.get((x, y), "") for x in range(width)])
    return [row for row in found if row]


def _span(value: str | None) -> int:
    return min(int(value), 1000) if value and value.isascii() and value.isdigit() else 1

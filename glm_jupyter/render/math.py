r"""Mathematics as models write it -> mathematics that every front end typesets.

GLM writes `\( \)` and `\[ \]`, of which JupyterLab, nbconvert and VS Code eat the backslashes.
All of them read `$...$` on one line and `$$` on lines of its own; all but VS Code take two
prices in one paragraph for a formula. `pieces` walks over the text and knows where code,
formulas and prices begin and end; `tex.py` looks after what is inside a formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO

from .formulas import PREFIX, Formulas, Piece
from .references import References
from .tex import ENVIRONMENTS


def pieces(text: str, references: References) -> Iterator[Piece]:
    """`text` in pieces, each with what stands for it in the output.

    `references` know the labels and tags of the formulas that stand in the same output already,
    and get those of this text.
    """
    lines = _Lines(references)
    for line in StringIO(text):
        yield from lines.feed(line)
    yield from lines.end()


_BEGIN = re.compile(r"[ \t>]*\\begin\{([A-Za-z]+\*?)\}")
_CODE_SPAN = re.compile(r"(`{1,9})[^`\n]*\1")
_OPENERS = ("\\[", "\\(", "\\\\[", "\\\\(", "$$", "\\begin{")
_FENCE = re.compile(r"(`{3,})[^`\n]*\n?\Z|(~{3,})")
_HEADING = re.compile(r"#{1,6}(?:[ \t]|\n?\Z)")
_DELIMITER_ROW = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*\n?\Z")

# A blank line inside a display is dropped, but a delimiter that is never closed must not
# swallow the text below: after so many more lines it counts as text.
_PATIENCE = 30


class _Lines:
    """The block level: what is code, and where paragraphs begin and end."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._fence: tuple[str, int, int] | None = None
        self._paragraph: list[str] = []
        self._offsets: list[int] = []
        self._quotes = 0
        self._after_blank = True
        # An open display: what closes it, how many lines of the paragraph are before it, and
        # for how many more lines it may stay open.
        self._closer = ""
        self._opened = 0
        self._patience = 0

    def feed(self, line: str) -> Iterator[Piece]:
        """Take the next line, with its newline; yield what has become certain."""
        if self._closer:
            yield from self._in_display(line)
        else:
            yield from self._line(line)

    def end(self) -> Iterator[Piece]:
        """The text has ended."""
        if self._closer:
            yield from self._give_up()
        yield from self._close_paragraph()

    def _line(self, line: str) -> Iterator[Piece]:
        prefix = PREFIX.match(line)[0]  # type: ignore[index]  # it matches the empty string too
        body = line[len(prefix) :]
        marked = bool(prefix.strip(" \t>"))
        if self._fence:
            if not self._leaves_fence(prefix, body):
                if not marked and self._closes_fence(body):
                    self._fence = None
                    self._after_blank = False
                yield Piece(line, line)
                return
            self._fence = None
        if not body.strip():
            yield from self._close_paragraph()
            if marked:
                self._track(prefix)
            self._after_blank = True
            yield Piece(line, line)
            return
        if prefix.count(">") != self._quotes and not (self._paragraph and ">" not in prefix):
            yield from self._close_paragraph()
            self._offsets.clear()
            self._quotes = prefix.count(">")
        if marked or not self._paragraph:
            column = _width(_leading(prefix))
            base = max((offset for offset in self._offsets if offset <= column), default=0)
            if not self._paragraph and column >= base + 4:
                # Indented code; but in a list it is a formula that is too far to the right.
                if not self._offsets or not body.startswith(_OPENERS):
                    self._after_blank = False
                    yield Piece(line, line)
                    return
                prefix = " " * base
                line = prefix + body
            yield from self._close_paragraph()
            self._track(prefix)
        if fence := _FENCE.match(body):
            yield from self._close_paragraph()
            mark = fence[1] or fence[2]
            self._fence = (mark[0], len(mark), prefix.count(">"))
            self._offsets = [offset for offset in self._offsets if offset <= _width(prefix)]
            yield Piece(line, line)
            return
        heading = _HEADING.match(body)
        if heading:
            yield from self._close_paragraph()
        self._add(line)
        if heading:
            yield from self._close_paragraph()

    def _leaves_fence(self, prefix: str, body: str) -> bool:
        """Whether a line is outside the quote or list item that holds the open fence."""
        assert self._fence
        if prefix.count(">") < self._fence[2]:
            return True
        if not body.strip() or not self._offsets:
            return False
        return _width(_leading(prefix)) < self._offsets[-1]

    def _closes_fence(self, body: str) -> bool:
        assert self._fence
        mark, length, _ = self._fence
        body = body.strip()
        return len(body) >= length and body.strip(mark) == ""

    def _track(self, prefix: str) -> None:
        """Follow which list items are open."""
        if prefix.strip(" \t>"):
            start = _width(_leading(prefix))
            self._offsets = [offset for offset in self._offsets if offset <= start]
            self._offsets.append(_width(prefix))
        elif self._after_blank:
            self._offsets = [offset for offset in self._offsets if offset <= _width(prefix)]

    def _add(self, line: str) -> None:
        """Add a line to the paragraph; it may open or close a display."""
        self._paragraph.append(line)
        if not self._closer:
            self._closer = open_display(line)
            self._opened = len(self._paragraph)
            self._patience = _PATIENCE
        elif self._closer in line:
            self._closer = ""

    def _in_display(self, line: str) -> Iterator[Piece]:
        self._patience -= 1
        body = line.lstrip(" \t>")
        again = self._closer not in line and open_display(line) == self._closer
        if self._patience < 0 or again or _FENCE.match(body) or _HEADING.match(body):
            yield from self._give_up()
            yield from self.feed(line)
        else:
            self._add(line)

    def _give_up(self) -> Iterator[Piece]:
        """The display was none: what was held for it is ordinary text."""
        self._closer = ""
        held = self._paragraph[self._opened :]
        del self._paragraph[self._opened :]
        for line in held:
            yield from self.feed(line)

    def _close_paragraph(self) -> Iterator[Piece]:
        lines, self._paragraph = self._paragraph, []
        if not lines:
            return
        heading = bool(_HEADING.match(lines[0][len(PREFIX.match(lines[0])[0]) :]))  # type: ignore[index]
        table = next(
            (
                number - 1
                for number, line in enumerate(lines)
                if number and "|" in lines[number - 1] and _DELIMITER_ROW.match(line)
            ),
            len(lines),
        )
        if lines[:table]:
            after_blank, self._after_blank = self._after_blank, False
            yield from Formulas(
                "".join(lines[:table]), self._references, heading, after_blank
            ).pieces()
        for line in lines[table:]:
            yield from Formulas(line, self._references, True, False, table=True).pieces()
        self._after_blank = False


def open_display(line: str) -> str:
    """What would close the display that is still open at the end of `line`; or nothing."""
    line = _CODE_SPAN.sub("", line)
    if found := _BEGIN.match(line):
        closer = f"\\end{{{found[1]}}}"
        if found[1].rstrip("*") in ENVIRONMENTS and closer not in line:
            return closer
    if line.count("$$") % 2:
        text = line.strip(" \t\n>")
        return "$$" if text.startswith("$$") or text.endswith("$$") else ""
    opener = line.rfind("\\[")
    if opener < 0 or line.find("\\]", opener) >= 0 or re.match(r"\\\[\d", line[opener:]):
        return ""
    return "\\]"


def _leading(prefix: str) -> str:
    """The part of a prefix before its first list marker."""
    found = re.match(r"[ \t>]*", prefix)
    return found[0] if found else ""


def _width(prefix: str) -> int:
    return len(prefix.expandtabs(4))

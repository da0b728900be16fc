r"""Mathematics as models write it -> mathematics that every front end typesets.

GLM writes `\( \)` and `\[ \]`, of which JupyterLab, nbconvert and VS Code eat the backslashes.
All of them read `$...$` on one line and `$$` on lines of its own; all but VS Code take two
prices in one paragraph for a formula. `MathNormaliser` walks over the text and knows where
code, formulas and prices begin and end; `tex.py` looks after what is inside a formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .escape import BACKSLASH, DOLLAR, code
from .tex import ENVIRONMENTS, formula


class Piece(NamedTuple):
    """A piece of the text: what the model wrote, and what stands for it in the output."""

    source: str
    output: str
    changed: bool = False


class MathNormaliser:
    """Normalises a text that comes in chunks; any cut gives the same whole.

    A paragraph comes out when it has ended, for only then is it certain which delimiters in
    it belong together.
    """

    def __init__(self, seen: set[str] | None = None) -> None:
        """`seen` holds the labels and tags of what is shown in the same output already."""
        self._lines = _Lines(set() if seen is None else seen)
        self._rest = ""

    def decode(self, chunk: str) -> str:
        """What is certain after this chunk."""
        return "".join(piece.output for piece in self.pieces(chunk))

    def flush(self) -> str:
        """The rest, at the end of the text."""
        return "".join(piece.output for piece in self.last_pieces())

    def pieces(self, chunk: str) -> Iterator[Piece]:
        """`decode`, in pieces."""
        *lines, self._rest = (self._rest + chunk).split("\n")
        for line in lines:
            yield from self._lines.feed(line + "\n")

    def last_pieces(self) -> Iterator[Piece]:
        """`flush`, in pieces."""
        rest, self._rest = self._rest, ""
        if rest:
            yield from self._lines.feed(rest)
        yield from self._lines.end()


def normalise(text: str) -> str:
    """`text` with its mathematics in delimiters that every front end typesets."""
    normaliser = MathNormaliser()
    return normaliser.decode(text) + normaliser.flush()


# What stands before the text of a line: quote marks, list markers, indentation.
_PREFIX = re.compile(r"(?:[ \t]*(?:>|(?:[-*+]|\d{1,9}[.)])(?=[ \t\n])))*[ \t]*")
_FENCE = re.compile(r"(`{3,})[^`\n]*\n?\Z|(~{3,})")
_HEADING = re.compile(r"#{1,6}(?:[ \t]|\n?\Z)")
_DELIMITER_ROW = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*\n?\Z")

# A blank line inside a display is dropped, but a delimiter that is never closed must not
# swallow the text below: after so many more lines it counts as text.
_PATIENCE = 30


class _Lines:
    """The block level: what is code, and where paragraphs begin and end."""

    def __init__(self, seen: set[str]) -> None:
        self._seen = seen
        self._fence: tuple[str, int, int] | None = None
        self._paragraph: list[str] = []
        self._offsets: list[int] = []
        self._quotes = 0
        self._after_blank = True
        self._closer = ""
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
        prefix = _PREFIX.match(line)[0]  # type: ignore[index]  # it matches the empty string too
        body = line[len(prefix) :]
        indent = _width(prefix)
        if self._fence:
            if not self._leaves_fence(prefix, body):
                if self._closes_fence(body):
                    self._fence = None
                    self._after_blank = False
                yield Piece(line, line)
                return
            self._fence = None
        if not body.strip():
            if self._paragraph and not prefix.strip(" \t>") and self._opens_display():
                self._paragraph.append(line)
                self._patience = _PATIENCE
                return
            yield from self._close_paragraph()
            self._track(prefix)
            self._after_blank = True
            yield Piece(line, line)
            return
        marked = bool(prefix.strip(" \t>"))
        if prefix.count(">") != self._quotes and not (self._paragraph and ">" not in prefix):
            yield from self._close_paragraph()
            self._offsets.clear()
            self._quotes = prefix.count(">")
        if marked or not self._paragraph:
            base = self._base(indent if not marked else _width(_leading(prefix)))
            if (
                not self._paragraph
                and _width(_leading(prefix)) >= base + 4
                and (not self._offsets or not body.startswith(("\\[", "\\(", "$$", "\\begin{")))
            ):
                self._after_blank = False
                yield Piece(line, line)
                return
            yield from self._close_paragraph()
            self._track(prefix)
        if fence := _FENCE.match(body):
            yield from self._close_paragraph()
            mark = fence[1] or fence[2]
            self._fence = (mark[0], len(mark), prefix.count(">"))
            yield Piece(line, line)
            return
        heading = _HEADING.match(body)
        if heading:
            yield from self._close_paragraph()
        self._paragraph.append(line)
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

    def _base(self, indent: int) -> int:
        """The column at which the innermost list item that holds `indent` begins."""
        return max((offset for offset in self._offsets if offset <= indent), default=0)

    def _track(self, prefix: str) -> None:
        """Follow which list items are open."""
        start = _width(_leading(prefix))
        if not prefix.strip(" \t>"):
            if prefix or not self._after_blank:
                return
            return
        self._offsets = [offset for offset in self._offsets if offset <= start]
        self._offsets.append(_width(prefix))

    def _opens_display(self) -> bool:
        """Whether the paragraph so far ends inside a display, and what will close it."""
        self._closer = _open_display("".join(self._paragraph))
        return bool(self._closer)

    def _in_display(self, line: str) -> Iterator[Piece]:
        if self._closer in line:
            self._closer = ""
            self._paragraph.append(line)
            return
        self._patience -= 1
        body = line.lstrip(" \t>")
        if self._patience < 0 or _FENCE.match(body) or _HEADING.match(body) or "\\[" in line:
            yield from self._give_up()
            yield from self.feed(line)
        else:
            self._paragraph.append(line)

    def _give_up(self) -> Iterator[Piece]:
        """The display was none: what was held for it is ordinary text."""
        self._closer = ""
        held, self._paragraph = self._paragraph, []
        blank = next(number for number, line in enumerate(held) if not line.strip(" \t>\n"))
        self._paragraph = held[:blank]
        yield from self._close_paragraph()
        for line in held[blank:]:
            yield from self.feed(line)

    def _close_paragraph(self) -> Iterator[Piece]:
        lines, self._paragraph = self._paragraph, []
        if not lines:
            return
        heading = bool(_HEADING.match(lines[0][len(_PREFIX.match(lines[0])[0]) :]))  # type: ignore[index]
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
            yield from _Inline("".join(lines[:table]), self._seen, heading, after_blank).pieces()
        for line in lines[table:]:
            yield from _Inline(line, self._seen, True, False, table=True).pieces()
        self._after_blank = False


_TOKEN = re.compile(r"\\(?:begin|end)\{[A-Za-z]+\*?\}|\\\\[(\[]|\\[\s\S]|\$\$?|`+")
_CLOSING = {
    "\\(": re.compile(r"\\\\|(\\\))|\\[(\[]()|\n[ \t>]*\n()"),
    "\\[": re.compile(r"\\\\|(\\\])|\\\[()"),
    "\\\\(": re.compile(r"(\\\\?\))|\\\\?[(\[](?!\d)()|\n[ \t>]*\n()"),
    "\\\\[": re.compile(r"(\\\\?\])|\\\\\[(?!\d)()"),
    "$$": re.compile(r"\\[\s\S]|(\$\$)"),
}
_ENVIRONMENT = re.compile(r"\\(begin|end)\{([A-Za-z]+\*?)\}")
_DOLLAR_BODY = re.compile(r"\\(?:text[a-z]*|mbox)[ ]?\{[^{}]{0,300}\}|\\[\s\S]|(\$)|\n[ \t>]*\n()")


class _Inline:
    """The formulas and dollars of one paragraph, heading or table row."""

    def __init__(
        self, text: str, seen: set[str], one_line: bool, after_blank: bool, *, table: bool = False
    ) -> None:
        self._text = text
        self._seen = seen
        self._one_line = one_line
        self._after_blank = after_blank
        self._table = table
        self._prefix = _PREFIX.match(text)[0]  # type: ignore[index]
        self._ticks: dict[int, list[int]] | None = None
        self._ends: dict[int, int] | None = None
        self._hopeless: set[str] = set()
        self._pieces: list[Piece] = []
        self._after_formula = False

    def pieces(self) -> Iterator[Piece]:
        """The paragraph, in pieces."""
        text, position, literal = self._text, 0, 0
        while found := _TOKEN.search(text, position):
            token, start = found[0], found.start()
            position = found.end()
            if token[0] == "`":
                position = self._code_end(start, len(token))
                continue
            place = self._place(token, start)
            if place is None and token == "$$":
                token, position = "$", start + 1
                place = self._place(token, start)
            if place:
                body_start, body_end, end, display = place
                body = text[body_start:body_end]
                self._literal(text[literal:start])
                position = literal = self._formula(start, end, body, display)
            elif token in ("$", r"\$"):
                self._literal(text[literal:start])
                self._pieces.append(Piece(token, DOLLAR, True))
                literal = position
            elif token in (r"\(", r"\[", r"\)", r"\]") or token[1:4] in ("beg", "end"):
                self._literal(text[literal:start])
                self._pieces.append(Piece(token, BACKSLASH + token[1:], True))
                literal = position
        self._literal(text[literal:])
        yield from self._pieces

    def _literal(self, text: str) -> None:
        if text:
            self._pieces.append(Piece(text, text))
            self._after_formula = False

    def _code_end(self, start: int, length: int) -> int:
        """Where the code span that opens at `start` ends, or where its backticks do."""
        if self._ticks is None:
            self._ticks = {}
            for run in re.finditer("`+", self._text):
                self._ticks.setdefault(len(run[0]), []).append(run.start())
            for places in self._ticks.values():
                places.reverse()
        places = self._ticks[length]
        while places and places[-1] <= start:
            places.pop()
        return (places.pop() if places else start) + length

    def _place(self, opener: str, start: int) -> tuple[int, int, int, bool] | None:
        """Begin and end of the body, the end of it all, and whether it is a display."""
        inside = start + len(opener)
        if opener == "$":
            return self._dollars(start)
        if opener.startswith("\\begin"):
            return self._bare_environment(opener, start)
        pattern = _CLOSING.get(opener)
        if pattern is None or opener in self._hopeless:
            return None
        for found in pattern.finditer(self._text, inside):
            if found[1]:
                body = self._text[inside : found.start()]
                if body.strip(" \t>\n"):
                    return inside, found.start(), found.end(), opener[-1] in "[$"
                return None
            if found.lastindex:
                return None
        self._hopeless.add(opener)
        return None

    def _dollars(self, start: int) -> tuple[int, int, int, bool] | None:
        """`$...$` by pandoc's rule, and `$ x $` where it can only be a formula."""
        text = self._text
        for found in _DOLLAR_BODY.finditer(text, start + 1):
            if found.lastindex is None:
                continue
            if not found[1]:
                return None
            close = found.start()
            body, after = text[start + 1 : close], text[close + 1 : close + 2]
            if after == "$" or not _is_formula(body, after):
                return None
            return start + 1, close, close + 1, False
        return None

    def _bare_environment(self, opener: str, start: int) -> tuple[int, int, int, bool] | None:
        name = opener[len("\\begin{") : -1]
        if name.rstrip("*") not in ENVIRONMENTS:
            return None
        if self._ends is None:
            self._ends = {}
            stack: list[tuple[str, int]] = []
            for found in _ENVIRONMENT.finditer(self._text):
                if found[1] == "begin":
                    stack.append((found[2], found.start()))
                elif stack and stack[-1][0] == found[2]:
                    self._ends[stack.pop()[1]] = found.end()
        end = self._ends.get(start)
        return None if end is None else (start, end, end, True)

    def _formula(self, start: int, end: int, body: str, display: bool) -> int:
        """Put out a formula; the position from where the text goes on."""
        text = self._text
        if ">" in self._prefix:
            body = re.sub(r"\n[ \t]*>[ \t>]*", "\n", body)
        line_start = text.rfind("\n", 0, start) + 1
        before = text[line_start:start]
        own_lines = display and not self._one_line and before[-1:] not in ("*", "_", "[")
        if own_lines:
            following = text[end:].lstrip(" \t")[:1] if text[end : end + 1] in " \t.,;" else ""
            if following and following in ".,;":
                end = text.index(following, end) + 1
                body = body.rstrip() + following
        tex = formula(body, display=own_lines, cell=self._table, seen=self._seen)
        source = text[start:end]
        if not tex:
            self._pieces.append(Piece(source, code(source), True))
            return end
        if own_lines:
            return self._display(tex, source, before, line_start, end)
        if display:
            tex = "\\displaystyle " + tex
        lead = "<span></span>" if self._after_formula else ""
        if self._pieces and self._pieces[-1].output.endswith("\\"):
            last = self._pieces.pop()
            self._pieces.append(Piece(last.source, last.output[:-1] + BACKSLASH, True))
        trail = "<span></span>" if text[end : end + 1].isdigit() else ""
        self._pieces.append(Piece(source, f"{lead}${tex}${trail}", True))
        self._after_formula = True
        return end

    def _display(self, tex: str, source: str, before: str, line_start: int, end: int) -> int:
        """Put out a display on lines of its own, within the list item or quote it is in."""
        text = self._text
        indent = re.sub("[^>]", " ", self._prefix)
        blank = indent.rstrip()
        if before.strip(" \t>") and not (line_start == 0 and before == self._prefix):
            self._pieces.append(Piece("", f"\n{blank}\n{indent}"))
        elif line_start or not (self._after_blank or before.strip(" \t>")):
            self._pieces.append(Piece("", f"\n{indent}"))
        if ">" in indent:
            block = f"$${' '.join(tex.split(chr(10)))}$$"
        else:
            block = "\n".join(["$$", *(indent + line for line in tex.split("\n")), indent + "$$"])
        self._pieces.append(Piece(source, block, True))
        line_end = text.find("\n", end)
        rest = text[end:] if line_end < 0 else text[end:line_end]
        if rest.strip():
            self._pieces.append(Piece("", f"\n{blank}\n{indent}"))
            return end + len(rest) - len(rest.lstrip())
        if line_end >= 0 and text[line_end + 1 :].strip():
            self._pieces.append(Piece("", f"\n{blank}"))
        return end if line_end < 0 else line_end


def _open_display(text: str) -> str:
    """What would close the display that `text` ends in; empty if it ends in none.

    Only a delimiter with nothing after it in its line can open a display over a blank line.
    """
    last = ""
    for line in text.split("\n"):
        stripped = line.rstrip()
        if last:
            if last in line:
                last = ""
            continue
        for opener, closer in (("\\\\[", "\\\\]"), ("\\[", "\\]"), ("$$", "$$")):
            if stripped.endswith(opener) and stripped.count("$$") % 2 == (opener == "$$"):
                last = closer
                break
        if found := re.match(r"[ \t>]*\\begin\{([A-Za-z]+\*?)\}", line):
            name = found[1]
            closer = f"\\end{{{name}}}"
            if name.rstrip("*") in ENVIRONMENTS and closer not in line:
                last = closer
    return last


_OPERATOR = re.compile(r"[\\^_=<>+*/|−×≤≥∈→]")
_WORD = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{2,}")


def _is_formula(body: str, after: str) -> bool:
    """Whether what stands between two dollars, with `after` behind them, is mathematics."""
    if not body.strip() or body[0] in ")]},;:!?，。；：）、":
        return False
    spaced = body[0].isspace(), body[-1].isspace()
    if any(spaced):
        return all(spaced) and (len(body.split()) == 1 or bool(_OPERATOR.search(body)))
    if after.isdigit():
        return False
    return not (body[0].isdigit() and _WORD.search(body) and not _OPERATOR.search(body))


def _leading(prefix: str) -> str:
    """The part of a prefix before its first list marker."""
    found = re.match(r"[ \t>]*", prefix)
    return found[0] if found else ""


def _width(prefix: str) -> int:
    return len(prefix.expandtabs(4))

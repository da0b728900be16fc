r"""The formulas and dollars of one paragraph: where each begins and ends, and what to put there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from glm_jupyter.text import APART, BACKSLASH, DOLLAR, code
from glm_jupyter.text import literal as literal_text

from .codespans import CodeSpans
from .macros import braced
from .references import References
from .tex import ENVIRONMENTS, formula

# What stands before the text of a line: quote marks, list markers, indentation.
PREFIX = re.compile(r"(?:[ \t]*(?:>|(?:[-*+]|\d{1,9}[.)])(?=[ \t\n])))*[ \t]*")

_TOKEN = re.compile(
    r"\\(?:begin|end)\{[A-Za-z]+\*?\}|\\(?:eq)?ref\{[^{}\n]{1,80}\}|\\f?boxed(?=\{)"
    r"|\\\\[(\[]|\\[\s\S]|\$\$?|`+"
)
# A bracket might belong to a link, so it is a character reference.
_LITERALS = {r"\(": "(", r"\)": ")", r"\[": "&#91;", r"\]": "&#93;"}
_TEXT = r"\\(?:text[a-z]*|mbox)[ ]?\{[^{}]{0,300}\}"
_CLOSING = {
    "\\(": re.compile(rf"{_TEXT}|\\\\|(\\\))|\\[(\[]()|\n[ \t>]*\n()"),
    "\\[": re.compile(rf"{_TEXT}|\\\\|(\\\])|\\\[()"),
    "\\\\(": re.compile(r"(\\\\?\))|\\\\?[(\[](?!\d)()|\n[ \t>]*\n()"),
    "\\\\[": re.compile(r"(\\\\?\])|\\\\\[(?!\d)()"),
    "$$": re.compile(r"\\[\s\S]|(\$\$)"),
}
_ENVIRONMENT = re.compile(r"\\(begin|end)\{([A-Za-z]+\*?)\}")
_TIGHT = ("*", "_", "[")  # what a display cannot be parted from
_STOP = re.compile(r"[ \t]*([.,;])")
_MARGIN = re.compile(r"[ \t>]*")
_BACKSLASHES = re.compile(r"\\+\Z")
_VISIBLE = re.compile(r"\S")
_DOLLAR_BODY = re.compile(rf"{_TEXT}|\\[\s\S]|(\$)|\n[ \t>]*\n()")


class Piece(NamedTuple):
    """A piece of the text: what the model wrote, and what stands for it in the output."""

    source: str
    output: str
    changed: bool = False


class Formulas:
    """The formulas and dollars of one paragraph, heading or table row."""

    def __init__(
        self,
        text: str,
        references: References,
        one_line: bool,
        after_blank: bool,
        *,
        table: bool = False,
    ) -> None:
        self._text = text
        self._references = references
        self._one_line = one_line
        self._after_blank = after_blank
        self._table = table
        self._prefix = PREFIX.match(text)[0]  # type: ignore[index]
        self._spans = CodeSpans(text)
        self._ends: dict[int, int] | None = None
        self._hopeless: set[str] = set()
        self._pieces: list[Piece] = []
        self._after_formula = False
        self._line_start = self._searched = 0

    def pieces(self) -> Iterator[Piece]:
        """The paragraph, in pieces."""
        text, position, literal = self._text, 0, 0
        while found := _TOKEN.search(text, position):
            token, start = found[0], found.start()
            position = found.end()
            if token[0] == "`":
                close = self._spans.close(start, len(token))
                position = start + len(token) if close is None else close + len(token)
                continue
            place = self._place(token, start)
            if place is None and token == "$$":
                token, position = "$", start + 1
                place = self._place(token, start)
            if place and token[-1] == "[" and self._is_citation(start, place):
                self._literal(text[literal:start])
                shown = literal_text(f"[{text[place[0] : place[1]].strip()}]")
                self._pieces.append(Piece(text[start : place[2]], shown, True))
                position = literal = place[2]
                continue
            if place:
                body_start, body_end, end, display = place
                body = text[body_start:body_end]
                self._literal(text[literal:start])
                position = literal = self._formula(start, end, body, display)
            elif token in ("$", r"\$"):
                self._literal(text[literal:start])
                self._pieces.append(Piece(token, DOLLAR, True))
                literal = position
            elif "ref{" in token:
                self._literal(text[literal:start])
                number = self._references.number(token[token.index("{") + 1 : -1])
                shown = literal_text(f"({number})" if token.startswith("\\eq") else number)
                self._pieces.append(Piece(token, shown, True))
                literal = position
            elif token in _LITERALS or token.startswith(("\\begin{", "\\end{")):
                self._literal(text[literal:start])
                shown = BACKSLASH + _LITERALS.get(token, token[1:])
                self._pieces.append(Piece(token, shown, True))
                literal = position
        self._literal(text[literal:])
        yield from self._pieces

    def _literal(self, text: str) -> None:
        if text:
            self._pieces.append(Piece(text, text))
            self._after_formula = False

    def _place(self, opener: str, start: int) -> tuple[int, int, int, bool] | None:
        """Begin and end of the body, the end of it all, and whether it is a display."""
        inside = start + len(opener)
        if opener == "$":
            return self._dollars(start)
        if opener.startswith("\\begin"):
            return self._bare_environment(opener, start)
        if opener.endswith("boxed"):
            group = braced(self._text, inside)
            return (start, group[1], group[1], False) if group else None
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

    def _is_citation(self, start: int, place: tuple[int, int, int, bool]) -> bool:
        r"""Whether `\[1\]` or `\[PDF\]` within a line are brackets that needed no backslash."""
        body_start, body_end, end, _ = place
        text = self._text
        body = text[body_start:body_end]
        line_start = text.rfind("\n", 0, start) + 1
        line_end = text.find("\n", end)
        around = text[line_start:start] + text[end : line_end if line_end >= 0 else len(text)]
        return bool(_CITED.fullmatch(body) and around.strip(" \t>"))

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
            if body[0].isdigit() and text[start - 1 : start].isupper():
                return None  # US$5
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
            depth = self._prefix.count(">")
            body = re.sub(rf"\n(?:[ \t]*>){{0,{depth}}}", "\n", body)
        own_lines = display and not self._one_line and text[start - 1 : start] not in _TIGHT
        if own_lines and (stop := _STOP.match(text, end)):
            end = stop.end()
            body = body.rstrip() + stop[1]
        tex = formula(body, display=own_lines, cell=self._table, references=self._references)
        source = text[start:end]
        if not tex:
            self._pieces.append(Piece(source, code(source), True))
            return end
        if own_lines:
            return self._display(tex, source, start, end)
        if display:
            tex = "\\displaystyle " + tex
        lead = APART if self._after_formula else ""
        if self._pieces and (run := _BACKSLASHES.search(self._pieces[-1].output)):
            text_before = self._pieces.pop().output[: run.start()]  # is still to be made harmless
            shown = BACKSLASH * ((len(run[0]) + 1) // 2)  # two of them mean one
            self._pieces += [Piece(text_before, text_before), Piece(run[0], shown, True)]
        # VS Code takes no dollar for one beside a word; others none before a digit.
        if _WORD_CHARACTER.match(text[start - 1 : start]):
            lead = APART
        trail = APART if _WORD_CHARACTER.match(text[end : end + 1]) else ""
        self._pieces.append(Piece(source, f"{lead}${tex}${trail}", True))
        self._after_formula = True
        return end

    def _display(self, tex: str, source: str, start: int, end: int) -> int:
        """Put out a display on lines of its own, within the list item or quote it is in."""
        text = self._text
        # Only what is new since the last display is searched: a line may hold thousands.
        self._line_start = text.rfind("\n", self._searched, start) + 1 or self._line_start
        self._searched = start
        indent = re.sub("[^>]", " ", self._prefix)
        blank = indent.rstrip()
        first_line = self._line_start == 0
        margin = _MARGIN.match(text, self._line_start, start)
        at_margin = margin is not None and margin.end() == start
        if not at_margin and not (first_line and start == len(self._prefix)):
            self._pieces.append(Piece("", f"\n{blank}\n{indent}"))
        elif not first_line or (at_margin and not self._after_blank):
            self._pieces.append(Piece("", f"\n{indent}"))
        if ">" in indent:
            block = f"$${' '.join(tex.split(chr(10)))}$$"
        else:
            block = "\n".join(["$$", *(indent + line for line in tex.split("\n")), indent + "$$"])
        self._pieces.append(Piece(source, block, True))
        following = _VISIBLE.search(text, end)
        if following is None:
            newline = text.find("\n", end)
            return end if newline < 0 else newline
        line_end = text.find("\n", end, following.start())
        if line_end < 0:
            self._pieces.append(Piece("", f"\n{blank}\n{indent}"))
            return following.start()
        self._pieces.append(Piece("", f"\n{blank}"))
        return line_end


_WORD_CHARACTER = re.compile(r"[A-Za-z0-9_]|\d")
# Mathematics for sure, whatever stands beside it.
_SURE = re.compile(r"\\[A-Za-z]|[_^]|\A(?:[A-Za-z]|\d+)\Z")
_CITED = re.compile(r"\s*(?:\d[\d\s,;–-]*|[A-Za-z]{2,}[A-Za-z .:-]*)\s*")
# What a name in a shell or in PHP may end with before the next name's dollar, but no formula.
_BEFORE_NAME = re.compile(r"[-=+*/<>:@,.;|&^~!?(\[{_\"']\Z")
_OPERATOR = re.compile(r"[\\^_=<>+*/|−×≤≥∈→]")
_NAME_BEGINS = re.compile(r"[A-Za-z_]")
_PHRASE = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{2,} (?:[^\s]+ )*[A-Za-z]{2,}|[，。；：、！？]")
_WORD = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{2,}|[，。；：、！？]")


def _is_formula(body: str, after: str) -> bool:
    """Whether what stands between two dollars, with `after` behind them, is mathematics."""
    if not body.strip() or body[0] in ")]},;:!?，。；：）、":
        return False
    spaced = body[0].isspace(), body[-1].isspace()
    if any(spaced):
        return all(spaced) and (len(body.split()) == 1 or bool(_OPERATOR.search(body)))
    if after.isdigit() and not _SURE.search(body):
        return False
    if after == "{" or (_NAME_BEGINS.match(after) and _BEFORE_NAME.search(body)):
        return False
    if _OPERATOR.search(body):
        return True
    return not (_WORD.search(body) if body[0].isdigit() else _PHRASE.search(body))

"""A model's markdown -> markdown that cannot act, in any front end.

JupyterLab trusts what a cell has just produced and runs what it finds. So whatever the block
parser takes for code is written again in a form about which all parsers agree, and in
everything else each character that could begin HTML, a link, an image or code, and that is not
part of one that is harmless, becomes a character reference. Parsers that read the text
otherwise than markdown-it then still find nothing to run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from glm_jupyter.text import APART, BACKSLASH, BARE, DOLLAR, bare, code, literal

from .codespans import CodeSpans
from .emphasis import Emphasis
from .fences import fenced, mark_around, plain_fences
from .formulas import PREFIX, Piece
from .math import pieces
from .references import References

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

# Formulas stand aside while the markdown is read, each behind a mark that means nothing there.
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARK = re.compile(f"{_OPEN}(\\d+){_CLOSE}")

_TAGS = "b|i|u|s|em|strong|del|ins|mark|kbd|sub|sup"
_BREAK = re.compile(r"<br[ \t]*/?>", re.IGNORECASE)
_TAG = re.compile(rf"<(/?)({_TAGS})>", re.IGNORECASE)
# Of these characters an address may consist; a formula's mark is looked at again.
_ADDRESS = r"(?:https?://(?=[^\s/?#:])|mailto:)(?:[^\s<>()\[\]\\`\"'|]|\([^\s<>()\[\]\\`\"'|]*\))+"
_AUTOLINK = re.compile(rf"<({_ADDRESS})>", re.IGNORECASE)
_TITLE = r"(?:\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|\((?:[^()\\\n]|\\.)*\))"
_TARGET = re.compile(rf"\(\s*<?({_ADDRESS})>?(?:[ \t]+{_TITLE})?[ \t]*\)", re.IGNORECASE)
_LONG_TAG = re.compile(r"<[a-z]{3,}>\Z")
_SCHEME = re.compile(r"(https?):", re.IGNORECASE)
_LABEL = re.compile(r"\[([^\[\]]{0,98})\]")
_STRUCTURE = re.compile(r"[ \t>*_=|:+.)\d-]*")
_DEFINITION = re.compile(
    rf" {{0,3}}\[([^\[\]^][^\[\]]{{0,98}})\]:[ \t]*<?({_ADDRESS})>?(?:[ \t]+{_TITLE})?[ \t]*",
    re.IGNORECASE,
)
_IMAGE = re.compile(r"!\[([^\[\]\n]*)\](\(?)")
_SPECIAL = re.compile(
    rf"\\[\s\S]?|`+|<|\]\(|\]:|[\[\]]|\*+|_+|!(?=[!\[<])|~{{3,}}|\$|\n[ \t>]*|{_MARK.pattern}"
    r"|(?P<dollar>&(?:#0*36|#[xX]0*24|dollar);)|(?P<backslash>&(?:#0*92|#[xX]0*5[cC]|bsol);)"
    rf"|(?P<bare>(?i:{BARE}))"
)
# A backslash before one of these is dropped. An escaped `@` could make an `@@0@@`, which is
# JupyterLab's own mark for a formula that it has put aside.
_ESCAPED_HERE = frozenset("<`$~@")
_MATH_DELIMITER = re.compile(r"[()\[\]]|(?:begin|end)\{")

# Inline code with any of these is written with character references: some parser reads them
# as formulas, table cells, links or HTML even within backticks.
_RISKY_INLINE = re.compile(r"[<$`|\n]|\\[\\@]|\\(?:begin|end)\b|\]\(|!\[|\]:|&")
# So is a code block that is not at the margin, where parsers differ about where it ends.
_RISKY_BLOCK = re.compile(r"[<$&]|\\[\\@]|\\(?:begin|end)\b|\]\(|!\[|\]:|`{3}|~{3}|://")

_LANGUAGE = re.compile(r"(?!mermaid)[A-Za-z0-9_+#.-]{1,30}", re.IGNORECASE)


def harmless_block(lines: list[str], references: References) -> str:
    """Markdown for one block of a text that is typeset alike everywhere and cannot act anywhere.

    The text is cleaned of control characters already. `references` know what earlier blocks
    define, and learn what this one does.
    """
    text = "\n".join(plain_fences(lines)).replace(_OPEN, "\ufffd").replace(_CLOSE, "\ufffd")
    changed: list[Piece] = []
    marked: list[str] = []
    for piece in pieces(text, references):
        if piece.changed:
            marked.append(f"{_OPEN}{len(changed)}{_CLOSE}")
            changed.append(piece)
        else:
            marked.append(piece.output)
    return _Document("".join(marked), changed, references).markdown()


class _Document:
    def __init__(self, text: str, changed: list[Piece], references: References) -> None:
        self._text = text
        self._changed = changed
        self._references = references
        self._lines = text.split("\n")

    def markdown(self) -> str:
        out: list[str] = []
        line = 0
        for first, last, token in _blocks(self._text):
            out.extend(map(self._structure, self._lines[line:first]))
            if token.type in ("fence", "code_block"):
                if not token.level and out and out[-1].strip():
                    out.append("")
                out.append(self._code(token, first))
                if not token.level and last < len(self._lines) and self._lines[last].strip():
                    out.append("")
            elif token.type == "tr_open":
                cells = (self._inline(cell, cell=True) for cell in _cells(self._lines[first]))
                out.append("|".join(cells))
            else:
                first = self._definitions(first, last)
                if first < last:
                    out.append(self._inline("\n".join(self._lines[first:last])))
            line = last
        out.extend(map(self._structure, self._lines[line:]))
        return "\n".join(out).strip("\n")

    def _definitions(self, first: int, last: int) -> int:
        """Take the definitions of links at the beginning of a paragraph; where the rest begins."""
        while first < last and (found := _DEFINITION.fullmatch(self._lines[first])):
            address = _source(found[2], self._changed).replace("$", "%24")
            if not re.fullmatch(_ADDRESS, address, re.IGNORECASE):
                break
            self._references.define_link(found[1], address)
            first += 1
        return first

    def _code(self, token: Token, line: int) -> str:
        """A code block in a form about which all parsers agree."""
        content = _source(token.content, self._changed).rstrip("\n")
        language = _LANGUAGE.fullmatch(
            token.info.split(maxsplit=1)[0] if token.info.strip() else ""
        )
        # With a language, an opening line can never be taken for a closing one.
        info = language[0] if language else "text"
        if not token.level:
            return fenced(content, info)
        fence = mark_around(content)
        first = self._lines[line]
        if token.type == "fence":
            lead = first[: first.find(token.markup)]
        else:
            start = token.content.split("\n", 1)[0]
            lead = first[: len(first) - len(start)] if first.endswith(start) else ""
            lead = lead[:-4] if lead.endswith("    ") else lead
        indent = re.sub("[^>]", " ", lead)
        if _RISKY_BLOCK.search(content):
            block = f"{lead}<pre>{code(content)}</pre>"
        else:
            lines = [f"{lead}{fence}{info}"]
            lines += [(indent + text).rstrip() for text in content.split("\n")]
            block = "\n".join([*lines, indent + fence])
        return block

    def _structure(self, line: str) -> str:
        """A line without text: a rule, an underline, a row of a table's dashes."""
        return line if _STRUCTURE.fullmatch(line) else self._inline(line)

    def _inline(self, text: str, cell: bool = False) -> str:
        return _Inline(text, self._changed, self._references, cell).markdown()


class _Inline:
    """The text of one paragraph, heading or table cell."""

    def __init__(self, text: str, changed: list[Piece], references: References, cell: bool) -> None:
        self._text = text
        self._changed = changed
        self._references = references
        self._cell = cell
        self._out: list[str] = []
        self._open: list[tuple[str, int]] = []
        self._brackets: list[tuple[int, int]] = []  # where each begins, and the emphasis there
        self._linked = 0  # so many of them stand around a link, and cannot begin one
        self._emphasis = Emphasis()
        self._spans = CodeSpans(text)

    def markdown(self) -> str:
        text = self._text
        position = PREFIX.match(text).end()  # type: ignore[union-attr]  # it matches "" too
        self._out.append(text[:position])
        while found := _SPECIAL.search(text, position):
            self._out.append(text[position : found.start()])
            position = self._special(found)
        self._out.append(text[position:])
        self._close_line()
        self._emphasis.write(self._out)
        return "".join(_parted(self._out))

    def _special(self, found: re.Match[str]) -> int:
        """Put out what stands for the special characters; the position from where to go on."""
        text, out, token, start, end = self._text, self._out, found[0], found.start(), found.end()
        match token[0]:
            case "\n":
                self._close_line()
                out.append(token)
            case "\ue000":
                out.append(self._changed[int(found[1])].output)
            case "`":
                return self._ticked(start, token)
            case "<":
                return self._angle(start)
            case "\\":
                return self._backslash(token, end)
            case "*" | "_":
                before, after = text[start - 1 : start], text[end : end + 1]
                # A formula is a word like any other.
                before, after = before.replace(_CLOSE, "x"), after.replace(_OPEN, "x")
                self._emphasis.add(token, len(out), before, after)
                out.append(token)
            case "[":
                self._brackets.append((end, self._emphasis.mark()))
                out.append(token)
            case "]":
                return self._bracket(token, start, end)
            case "!":
                if self._is_image(start):
                    self._brackets.append((end + 1, self._emphasis.mark()))
                    out.append("[image: ")
                    return end + 1
                out.append("&#33;")
            case "$":
                out.append(DOLLAR)
            case "&":
                out.append(DOLLAR if found["dollar"] else BACKSLASH)
            case "~":
                out.append("&#126;" * len(token))
            case _:
                out.append(bare(text, found))
        return end

    def _bracket(self, token: str, start: int, end: int) -> int:
        """A closing bracket: the end of a link's text, or a character like any other."""
        begin, mark = self._brackets.pop() if self._brackets else (None, 0)
        around_link = len(self._brackets) < self._linked
        target = self._target(end - 1) if token == "](" else None
        if target is None and begin is not None and not around_link:
            target = self._reference(self._text[begin:start], start + 1)
        self._linked = len(self._brackets) if target else min(self._linked, len(self._brackets))
        if target:
            if begin is not None:
                self._emphasis.close(mark)
            self._out.append(f"]({target[0]})")
            return target[1]
        self._out.append({"](": "]&#40;", "]:": "]&#58;"}.get(token, token))
        if token == "](" and (scheme := _SCHEME.match(self._text, end)):
            self._out.append(f"{scheme[1]}&#58;")  # what is no link is none for anybody
            return scheme.end()
        return end

    def _is_image(self, start: int) -> bool:
        """Whether a picture is named at `start`, by its address or by a label that has one."""
        found = _IMAGE.match(self._text, start)
        return bool(found and (found[2] or self._reference(found[1], found.end())))

    def _reference(self, text: str, end: int) -> tuple[str, int] | None:
        """The address that `[text][label]` or `[text]` refers to, and where that ends."""
        if text.startswith("^"):
            return None
        found = _LABEL.match(self._text, end)
        label = found[1].strip() if found else ""
        address = self._references.link(_source(label or text, self._changed))
        return (address, found.end() if found else end) if address else None

    def _target(self, position: int) -> tuple[str, int] | None:
        """The harmless link target at `position`, and where it ends."""
        found = _TARGET.match(self._text, position)
        if not found:
            return None
        address = _source(found[1], self._changed).replace("$", "%24")
        return (address, found.end()) if re.fullmatch(_ADDRESS, address, re.I) else None

    def _backslash(self, token: str, end: int) -> int:
        out, following = self._out, token[1:]
        if following in _ESCAPED_HERE:
            out.append(DOLLAR if following == "$" else f"&#{ord(following)};")
        elif following == "\n" or not following or following == _OPEN:
            out.append(token[0])
            return end - len(following)
        elif _MATH_DELIMITER.match(self._text, end - 1):
            out.append(BACKSLASH)
            return end - 1
        elif following == "\\" and _MATH_DELIMITER.match(self._text, end):
            out.append(BACKSLASH)
        else:
            out.append(token)
        return end

    def _ticked(self, start: int, ticks: str) -> int:
        """A code span, always within one pair of single backticks or as entities."""
        text, length = self._text, len(ticks)
        close = self._spans.close(start, length)
        if close is None:
            self._out.append("&#96;" * length)
            return start + length
        content = _source(text[start + length : close], self._changed)
        content = re.sub(r"\n[ \t>]*", " ", content)
        if self._cell:
            content = content.replace("\\|", "|")  # the one escape that code has, in a table
        if content[:1] == content[-1:] == " " and content.strip():
            content = content[1:-1]
        risky = _RISKY_INLINE.search(content) or not content.strip()
        self._out.append(code(content) if risky else f"`{content}`")
        return close + length

    def _angle(self, start: int) -> int:
        """A tag that may stay, an address, or a character like any other."""
        text, out = self._text, self._out
        if found := _BREAK.match(text, start):
            alone = not text[text.rfind("\n", 0, start) + 1 : start].strip(" \t>")
            out.append("&nbsp;<br>" if alone else "<br>")
            return found.end()
        if (found := _AUTOLINK.match(text, start)) and _OPEN not in found[1]:
            out.append(f"[{literal(found[1])}]({found[1]})")
            return found.end()
        found = _TAG.match(text, start)
        if not found:
            out.append("&lt;")
            return start + 1
        name = found[2].lower()
        if not found[1]:
            self._open.append((name, len(out)))
            out.append(f"<{name}>")
        elif any(name == opened for opened, _ in self._open):
            while self._open[-1][0] != name:
                self._as_text(*self._open.pop())
            self._open.pop()
            out.append(f"</{name}>")
        else:
            out.append(f"&lt;/{name}>")
        return found.end()

    def _close_line(self) -> None:
        """A tag that is not closed in its line is text."""
        while self._open:
            self._as_text(*self._open.pop())

    def _as_text(self, name: str, place: int) -> None:
        self._out[place] = f"&lt;{name}>"


def _parted(out: list[str]) -> Iterator[str]:
    """The output, with formulas parted from longer tags before them, where VS Code sees none."""
    behind_tag = False
    for part in out:
        if behind_tag and part.startswith("$"):
            yield APART
        if part.startswith("$") or "</" in part:
            behind_tag = False
        elif _LONG_TAG.search(part):
            behind_tag = True
        yield part


def _source(text: str, changed: list[Piece]) -> str:
    """`text` with what the model wrote where formulas stand aside."""
    return _MARK.sub(lambda mark: changed[int(mark[1])].source, text)


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    # Inline text is read here, and definitions of links and HTML are text here.
    return parser.disable(["inline", "text_join", "reference", "html_block"])


def _blocks(text: str) -> Iterator[tuple[int, int, Token]]:
    """First line, line after the last, and token of each leaf block, in order."""
    done = 0
    in_row = False
    for token in _parser().parse(text):
        if token.type == "tr_open":
            in_row = True
        elif token.type == "tr_close":
            in_row = False
            continue
        elif in_row or token.type not in ("inline", "fence", "code_block"):
            continue
        if token.map and token.map[0] >= done:
            yield token.map[0], token.map[1], token
            done = token.map[1]


def _cells(row: str) -> list[str]:
    """A table row, split where the parsers split it."""
    cells = [""]
    for part in re.split(r"(\\[\s\S]|\|)", row):
        if part == "|":
            cells.append("")
        else:
            cells[-1] += part
    return cells

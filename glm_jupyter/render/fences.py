"""Fenced code: where it begins and ends in a model's text, and how it is written anew."""

from __future__ import annotations

import re

from .formulas import PREFIX

_MARK = re.compile(r"(`{3,})([^`]*)$|(~{3,})(.*)$")
_WORD = re.compile(r"[\w+#.-]+$")
_ITEM = re.compile(r"(?:[-*+]|\d{1,9}[.)])[ \t]")
_AT_MARGIN = re.compile(r" {0,3}[`~]")
_LEAD = re.compile(r"[ \t>]*")


class Fence:
    """A fence that is open.

    Models write code within code, and forget to indent code that is in a list. A `lenient` fence
    takes both for code; where it then is never closed, `doubtful` says that it may have been
    wrong. One at the `margin` is in no list.
    """

    def __init__(self, prefix: str, mark: str, info: str, lenient: bool, margin: bool) -> None:
        self.prefix = prefix.expandtabs(4)
        self.mark = mark
        self.info = info
        self.doubtful = False
        self._lenient = lenient
        self._depth = 0
        self._quotes = prefix.count(">")
        self._width = len(self.prefix)
        self._margin = margin

    @classmethod
    def opened_by(cls, line: str, lenient: bool = True, margin: bool = False) -> Fence | None:
        """The fence that `line` opens, at whatever depth of lists and quotes."""
        prefix = PREFIX.match(line)[0]  # type: ignore[index]  # it matches the empty string too
        found = _MARK.match(line, len(prefix))
        if not found:
            return None
        mark, info = (found[1], found[2]) if found[1] else (found[3], found[4])
        return cls(prefix, mark, info.strip(), lenient, margin)

    @classmethod
    def at_margin(cls, line: str) -> bool:
        """Whether `line` opens a fence outside of lists and quotes."""
        return bool(_AT_MARGIN.match(line)) and cls.opened_by(line) is not None

    def left_by(self, line: str) -> bool:
        """Whether `line` is outside of the quote or the list item that holds the code."""
        if self._quotes:
            return _quotes(line) < self._quotes
        if self._margin or not line.strip():
            return False
        body = line.lstrip(" \t")
        if len(line[: len(line) - len(body)].expandtabs(4)) >= self._width:
            return False
        if not self._lenient or _ITEM.match(body):
            return True
        self.doubtful = True
        return False

    def content(self, line: str) -> str:
        """What of `line` is code: the indentation of the list or quote that holds it is not."""
        if self._quotes:
            quotes = re.match(rf"(?:[ \t]*>){{0,{self._quotes}}} ?", line)
            return line[quotes.end() :] if quotes else line
        body = line.lstrip(" \t")
        if not self._width or line == body:
            return line
        return line[: len(line) - len(body)].expandtabs(4)[self._width :] + body

    def closed_by(self, line: str) -> bool:
        """Take the next line; whether it ends the code."""
        body = line.strip(" \t>\n")
        if len(body) >= len(self.mark) and not body.strip(self.mark[0]):
            self._depth -= 1
            return self._depth < 0
        inner = _MARK.match(body)
        if self._lenient and inner:
            mark, info = (inner[1], inner[2]) if inner[1] else (inner[3], inner[4])
            if mark.startswith(self.mark) and _WORD.match(info.strip()):
                self._depth += 1
                self.doubtful = True
        return False


def plain_fences(lines: list[str], *, lenient: bool = True) -> list[str]:
    """`lines` with tabs before their text as spaces, and with fences that all parsers read alike.

    A fence is longer than any in its code, stands at the depth of its list or quote, and is
    closed. A fence that says that it holds mathematics becomes a display.
    """
    out: list[str] = []
    fence: Fence | None = None
    code: list[str] = []
    opened = 0
    for number, line in enumerate(lines):
        if fence and fence.left_by(line):
            out += _written(fence, code)
            fence = None
        if fence:
            if fence.closed_by(line):
                out += _written(fence, code)
                fence = None
            else:
                code.append(fence.content(line))
        elif fence := Fence.opened_by(line, lenient, not number and Fence.at_margin(line)):
            opened, code = number, []
        else:
            prefix = PREFIX.match(line)[0]  # type: ignore[index]
            out.append(prefix.expandtabs(4) + line[len(prefix) :])
    if fence and fence.doubtful:
        return out + plain_fences(lines[opened:], lenient=False)
    return out + (_written(fence, code) if fence else [])


def _written(fence: Fence, code: list[str]) -> list[str]:
    indent = re.sub("[^>]", " ", fence.prefix)
    if fence.info.lower() == "math" and any(map(str.strip, code)) and "$" not in "".join(code):
        inside = [indent + line for line in code if line.strip()]
        return [f"{fence.prefix}$$", *inside, f"{indent}$$"]
    mark = mark_around("\n".join(code))
    word = fence.info.partition("`")[0].strip()  # no backtick may stand behind backticks
    info = f" {word}" if word else ""
    inside = [indent + line if line.strip() else indent.rstrip() for line in code]
    return [f"{fence.prefix}{mark}{info}", *inside, indent + mark]


def _quotes(line: str) -> int:
    return _LEAD.match(line)[0].count(">")  # type: ignore[index]


def fenced(text: str, language: str = "text") -> str:
    """`text` in a fence longer than any run of backticks in it."""
    mark = mark_around(text)
    return f"{mark}{language}\n{text}\n{mark}"


def mark_around(text: str) -> str:
    """Backticks for a fence around `text`: more than any run of them in it."""
    return "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))

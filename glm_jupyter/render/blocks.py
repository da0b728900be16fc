"""Splits a growing markdown text into blocks, each of which can be read once and for all.

`Splitter` takes whole lines. A block is finished when no later line can belong to it; whatever
the pieces in which a text arrives, its blocks are the same.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .fences import Fence
from .math import open_display

_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]|$)")
_RULE = re.compile(r" {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*$")
_ITEM = re.compile(r" {0,3}(?:[-*+]|(\d{1,9})[.)])(?:[ \t]|$)")
_DEEPER = re.compile(r"(?: {2,}|\t)")
_INDENTED = re.compile(r"(?: {4,}| {0,3}\t)")

# A list may be long; past this length its next item at the margin begins a block of its own.
LONG_LIST = 2000

# A blank line inside a display is dropped, but a delimiter that is never closed must not
# swallow the text below: after so many more lines it counts as text.
_PATIENCE = 30


class Block(NamedTuple):
    """The lines of a block, and what parts it from the next one."""

    lines: list[str]
    separator: str = "\n\n"


class Splitter:
    """Takes lines, gives the blocks that they finish; `lines` are those of the open block."""

    def __init__(self, *, lenient: bool = True) -> None:
        self.lines: list[str] = []
        self._done: list[Block] = []
        self._kind = ""
        self._fence: Fence | None = None
        self._lenient = lenient
        self._after_blank = False
        # An open display: what closes it, how many lines are before it, and for how many more
        # lines it may stay open.
        self._closer = ""
        self._opened = 0
        self._patience = 0

    @property
    def in_fence(self) -> bool:
        """Whether the open block ends inside of fenced code."""
        return self._fence is not None

    @property
    def display_from(self) -> int | None:
        """The line of the open block in which a display begins that is not closed yet."""
        return self._opened - 1 if self._closer else None

    def feed(self, line: str) -> list[Block]:
        """Take the next line, without its newline; the blocks that are finished now."""
        self._take(line)
        return self._flush()

    def end(self) -> list[Block]:
        """The rest: there are no more lines."""
        if self._closer:
            self._give_up()
        if self._fence and self._fence.doubtful:
            # What was taken for code was not: none of it was closed.
            strict = Splitter(lenient=False)
            for line in self.lines:
                self._done += strict.feed(line)
            self._done += strict.end()
            self.lines = []
        self._close()
        return self._flush()

    def _flush(self) -> list[Block]:
        done, self._done = self._done, []
        return done

    def _take(self, line: str) -> None:
        if self._fence:
            self._in_fence(self._fence, line)
        elif self._closer:
            self._in_display(line)
        elif not line.strip():
            self._blank(line)
        else:
            self._begin(line)
            self.lines.append(line)
            margin = self._kind == "fence"
            fence = Fence.opened_by(line, self._lenient, margin)
            if fence and self._kind != "indented":
                self._fence = fence
            elif self._kind != "indented":
                self._see_display(line)
            if self._kind == "line" and not self._closer:
                self._close()

    def _in_fence(self, fence: Fence, line: str) -> None:
        if fence.left_by(line):
            self._fence = None
            self._after_blank = not self.lines[-1].strip()
            self._take(line)
            return
        self.lines.append(line)
        if fence.closed_by(line):
            self._fence = None
            if self._kind == "fence":
                self._close()

    def _in_display(self, line: str) -> None:
        self._patience -= 1
        again = self._closer not in line and open_display(line) == self._closer
        body = line.lstrip(" \t>")
        if self._patience < 0 or again or _HEADING.match(body) or Fence.opened_by(line):
            self._give_up()
            self._take(line)
            return
        self.lines.append(line)
        if self._closer in line:
            self._closer = ""
            if self._kind == "line":
                self._close()

    def _see_display(self, line: str) -> None:
        self._closer = open_display(line)
        self._opened = len(self.lines)
        self._patience = _PATIENCE

    def _give_up(self) -> None:
        """The display was none: what was held for it is ordinary text."""
        self._closer = ""
        held = self.lines[self._opened :]
        del self.lines[self._opened :]
        if self._kind == "line":
            self._close()
        for line in held:
            self._take(line)

    def _blank(self, line: str) -> None:
        if self._kind in ("list", "indented"):
            self.lines.append(line)
            self._after_blank = True
        else:
            self._close()

    def _begin(self, line: str) -> None:
        """Decide whether `line` goes on with the open block, and close that where it does not."""
        item = _ITEM.match(line)
        fence = Fence.at_margin(line)
        if self._kind == "list":
            inside = item or _DEEPER.match(line) or not (self._after_blank or _interrupts(line))
            long = item and sum(map(len, self.lines)) > LONG_LIST
            if inside and not long:
                self._after_blank = False
                return
        elif self._kind == "indented":
            if _INDENTED.match(line):
                return
        elif self._kind == "prose":
            if _UNDERLINE.match(line):
                self._kind = "line"
                return
            if not (_interrupts(line) or (item and item[1] in (None, "1"))):
                return
        apart = self._after_blank or fence or self._kind == "indented"
        self._close("\n\n" if apart else "\n")
        if fence:
            self._kind = "fence"
        elif _INDENTED.match(line):
            self._kind = "indented"
        elif _HEADING.match(line) or _RULE.match(line):
            self._kind = "line"
        else:
            self._kind = "list" if item else "prose"

    def _close(self, separator: str = "\n\n") -> None:
        while self.lines and not self.lines[-1].strip():
            self.lines.pop()
        if self.lines:
            self._done.append(Block(self.lines, separator))
        self.lines = []
        self._kind = ""
        self._fence = None
        self._after_blank = False


def _interrupts(line: str) -> bool:
    return bool(_HEADING.match(line) or _RULE.match(line) or Fence.at_margin(line))

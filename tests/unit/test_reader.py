"""A text is read once, as it comes, and any pieces of it end in the same markdown."""

from __future__ import annotations

from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_jupyter.render.reader import Reader, edit, joined, read

# What markdown is made of, in any order.
PARTS = st.sampled_from(
    [
        *("a", "word ", "中文。", "😀", " ", "\n", "\n\n", "\n    ", "\t", "  "),
        *("**", "*", "_", "`", "```", "```py\n", "~~~", "- ", "1. ", "> ", "# ", "---\n", "|"),
        *("\\(", "\\)", "\\[", "\\]", "$", "$$", "x^2", "\\frac{1}{2}", "\\begin{align}", "&"),
        *("\\end{align}", "\\label{a}", "\\eqref{a}", "\\tag{1}", "[a]", "(https://b.c)"),
        *("[1]: https://b.c/d\n", "[1]", "<b>", "</b>", "<x>", "<|begin_of_box|>", "\x1b[31m"),
        *("| a | b |\n|---|---|\n", "```math\n", "\\boxed{", "}", "%", "5"),
    ]
)
TEXTS = st.lists(PARTS, max_size=40).map("".join)


@given(TEXTS, st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_any_pieces_of_a_text_end_in_the_same_markdown(text: str, lengths: list[int]) -> None:
    reader, at, turn = Reader(), 0, 0
    while at < len(text):
        length = lengths[turn % len(lengths)]
        reader.feed(text[at : at + length])
        reader.parts()  # as a channel does in between
        at, turn = at + length, turn + 1
    reader.end()
    assert reader.markdown() == read(text)


@given(TEXTS)
def test_edits_bring_a_page_to_what_the_kernel_has_read(text: str) -> None:
    told: list[str] = []
    places: list[int] = []
    reader, page = Reader(), ""
    for at in range(0, len(text), 5):
        reader.feed(text[at : at + 5])
        parts = reader.parts()
        if parts == told:
            continue
        change = edit(told, parts)
        told = parts
        page = page.encode("utf-16-le")[: 2 * change["at"]].decode("utf-16-le") + change["text"]
        places = places[: change["keep"]] + change["blocks"]
        assert (page, places) == joined(parts)


@given(TEXTS)
def test_blocks_are_the_whole_of_the_markdown(text: str) -> None:
    markdown, blocks = read(text)
    coded = markdown.encode("utf-16-le")
    assert b"".join(coded[2 * a : 2 * b] for a, b in pairwise(blocks)) == coded
    assert bool(blocks) == bool(markdown)


@pytest.mark.parametrize(
    "unit", ["x_", "*a **b ", "a* ", "_a __b ", "[a](", "[a][b] ", "`a ``b ", "\\(a ", "<b>", "> "]
)
def test_eight_times_the_text_takes_some_eight_times_as_long(unit: str) -> None:
    def seconds(count: int) -> float:
        started = process_time()
        read(unit * count)
        return process_time() - started

    few = 4000 // len(unit)
    # Where each part had to look at all others it would be 64 times.
    assert any(seconds(8 * few) < 32 * max(0.002, seconds(few)) for _ in range(3))


def grown(text: str) -> str:
    """The markdown of a text that may still grow."""
    reader = Reader()
    reader.feed(text)
    return reader.markdown().markdown


@pytest.mark.parametrize(
    ("so_far", "shown"),
    [
        ("Some **bold te", "Some **bold te**"),
        ("Some **bold**", "Some **bold**"),
        ("Some **", "Some"),
        ("Call `f(x", "Call `f(x`"),
        ("```py\nx = 1", "```py\nx = 1\n```"),
        ("```py\nx = 1\n``", "```py\nx = 1\n```"),
        ("So \\(x + y", "So `x + y`"),
        ("So \\", "So "),
        ("\\[\nx = 1\n+ 2", "`x = 1 + 2`"),
        ("Costs $5 and", "Costs <span>&#36;</span>5 and"),
        ("- a\n- **b", "- a\n- **b**"),
        ("<|begin_of", ""),
    ],
)
def test_what_is_open_reads_well_before_its_end_has_come(so_far: str, shown: str) -> None:
    assert grown(so_far) == shown


def test_finished_blocks_stay_as_they_are() -> None:
    reader = Reader()
    reader.feed("# One\n\nText with \\(x\\).\n\n- a\n- b\n\nLast **on")
    before = reader.parts()
    assert len(before) == 3
    reader.feed("e** and more.\n\nEnd.")
    assert reader.parts()[:2] == before[:2]


def test_a_link_that_is_defined_later_is_a_link() -> None:
    text = "See [the page][1] and [the page].\n\nMore.\n\n[1]: https://a.b/c\n[the page]: https://d.e\n"
    assert read(text).markdown == (
        "See [the page](https://a.b/c) and [the page](https://d.e).\n\nMore."
    )


def test_a_formula_that_is_named_before_it_comes_has_its_number() -> None:
    text = (
        "By \\eqref{b} and \\ref{a}:\n\n\\[x \\label{a}\\]\n\n"
        "\\begin{align}y&=1 \\label{b}\\\\z&=2\\tag{7}\\label{c}\\end{align}\n\n"
        "See \\eqref{c}, \\eqref{d}."
    )
    shown = read(text).markdown
    assert shown.startswith("By (2) and 1:\n\n$$\nx \\tag{1}\n$$")
    assert "y&=1 \\tag{2}\\\\z&=2\\tag{7}" in shown
    assert shown.endswith("See (7), (d).")
    assert "label" not in shown

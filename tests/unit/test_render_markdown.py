"""What a notebook keeps of an answer: complete, portable, and unable to act."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from glm_jupyter.answer import Answer
from glm_jupyter.api import events as ev
from glm_jupyter.render.markdown import bundle, markdown, plain

TEXTS = Path(__file__).parent.parent / "texts"


def answered(text: str, reasoning: str = "", finish: str | None = "stop") -> Answer:
    answer = Answer("glm-4-airx", "bigmodel")
    if reasoning:
        answer.apply(ev.ReasoningDelta(reasoning))
        answer.thinking_seconds = 12.3
    if text:
        answer.apply(ev.TextDelta(text))
    answer.apply(ev.UsageReport(ev.Usage(33, 885, 918)))
    if finish:
        answer.apply(ev.Finish(finish))
    answer.seconds = 14.2
    answer.thinking_seconds = 12.3 if reasoning else None
    answer.cost = Decimal("0.00918")
    answer.currency = "RMB"
    return answer


def body(text: str) -> str:
    """The markdown of an answer with this text, without the last line."""
    return markdown(answered(text)).rsplit("\n\n<small>", 1)[0]


def test_the_whole_of_an_answer() -> None:
    answer = answered(r"So \(x=1\).", "Let me see.")
    answer.usage = ev.Usage(33, 885, 918, reasoning_tokens=530)
    assert markdown(answer) == (
        "<details>\n<summary>Thought for 12 s, 530 tokens</summary>\n\n"
        "Let me see.\n\n</details>\n\n"
        "So $x=1$.\n\n"
        "<small>glm-4-airx · 33 tokens in, 885 out · 0.00918 RMB · 14 s</small>"
    )


def test_the_plain_text_of_an_answer() -> None:
    answer = answered(r"So \(x=1\).", "Let me see.\nWell.")
    assert plain(answer) == (
        "Thought for 12 s\n  Let me see.\n  Well.\n\n"
        "So \\(x=1\\).\n\n"
        "glm-4-airx · 33 tokens in, 885 out · 0.00918 RMB · 14 s"
    )


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (125.0, "2 min 5 s"),
    ],
)
def test_how_long_it_took(seconds: float, shown: str) -> None:
    answer = answered("Hi")
    answer.seconds = seconds
    assert plain(answer).endswith(f" · {shown}")


def test_the_bundle_has_every_form_and_is_json() -> None:
    answer = answered("**Hi**")
    data = json.loads(json.dumps(bundle(answer)))
    assert data["text/markdown"] == markdown(answer)
    assert data["text/plain"] == plain(answer)
    assert data["application/vnd.glm-jupyter.answer+json"]["text"] == "**Hi**"
    assert len(data) == 3


def test_reasoning_of_blank_lines_only_is_not_shown() -> None:
    answer = answered("Hi.", "\n\n")
    assert markdown(answer).startswith("Hi.")
    assert plain(answer).startswith("Hi.")
    assert answer.to_json()["reasoning"] == "\n\n"


def test_while_the_model_thinks_the_fold_is_open() -> None:
    answer = Answer("glm-z1-air", "bigmodel")
    answer.apply(ev.ReasoningDelta("Hm"))
    assert markdown(answer).startswith("<details open>\n<summary>Thinking…</summary>\n\nHm\n")
    assert plain(answer).startswith("Thinking…\n  Hm\n")
    answer.apply(ev.TextDelta("Yes"))
    assert markdown(answer).startswith("<details>\n<summary>Thought for ")


@pytest.mark.parametrize(
    ("cost", "estimated", "shown"),
    [
        (Decimal("0.00918"), False, "· 0.00918 RMB ·"),
        (Decimal("0.0091800"), True, "· at least 0.00918 RMB ·"),
        (Decimal(0), False, "· free ·"),
        (None, False, "· cost unknown ·"),
    ],
)
def test_the_cost_in_the_last_line(cost: Decimal | None, estimated: bool, shown: str) -> None:
    answer = answered("Hi")
    answer.cost = cost
    answer.usage = ev.Usage(33, 885, 918, estimated=estimated)
    for text in (markdown(answer), plain(answer)):
        last = text.rsplit("\n", 1)[1]
        assert shown in last
        assert ("about 33 tokens" in last) == estimated


@pytest.mark.parametrize(
    ("finish", "shown"),
    [
        ("length", "Cut off at the token limit."),
        ("model_context_window_exceeded", "Cut off: the model's context window is full."),
        ("sensitive", "Stopped by the service's content filter."),
        ("content_filter", "Stopped by the service's content filter."),
        ("refusal", "The model refused to answer."),
        ("network_error", "Broke off inside the service."),
        (None, "Broke off."),
    ],
)
def test_an_unfinished_answer_says_so(finish: str | None, shown: str) -> None:
    answer = answered("1, 2,", finish=finish)
    assert f"\n\n**{shown}**\n\n<small>" in markdown(answer)
    assert f"\n\n{shown}\n\nglm-4-airx" in plain(answer)


def test_an_answer_without_text_says_so() -> None:
    answer = answered("\n")
    assert "**The model sent no text.**" in markdown(answer)
    assert "\nglm-4-airx · 33 tokens in" in plain(answer)


def test_what_was_refused_is_no_broken_answer_and_not_called_free() -> None:
    answer = Answer("glm-4-airx", "bigmodel")
    answer.cost = Decimal(0)
    answer.stop_clock()
    assert plain(answer).startswith("No answer came.\n\nglm-4-airx · no cost · ")


def test_a_stopped_answer_says_so_once() -> None:
    answer = answered("1, 2,", finish=None)
    answer.stop("stopped")
    assert "Broke off" not in markdown(answer)
    assert markdown(answer).endswith("· 14 s · stopped</small>")


def test_notes_are_in_the_last_line_as_text() -> None:
    answer = answered("Hi")
    answer.model = "my_<b>model_*x*"
    answer.notes.append("recorded")
    last = markdown(answer).rsplit("\n", 1)[1]
    assert last.endswith("· recorded</small>")
    assert html_of(last) == []
    assert "my_<b>model_*x* · 33" in MarkdownIt().render(last).replace("&lt;", "<").replace(
        "&gt;", ">"
    )


def test_sources_are_listed_with_harmless_links() -> None:
    answer = answered("Hi")
    answer.apply(
        ev.Sources(
            (
                {"title": "A [page] <b>", "link": "https://example.org/a_b?c=1"},
                {"title": "Evil", "link": "javascript:alert(1)"},
                {"link": "https://example.org/"},
                {"title": "Wiki", "link": "https://example.org/wiki/Mean_(statistics)"},
                {"title": "中文", "link": "https://example.org/路?q=$1|<b>`"},
            )
        )
    )
    shown = markdown(answer)
    assert "[Wiki](https://example.org/wiki/Mean_%28statistics%29)" in shown
    assert "[中文](https://example.org/%E8%B7%AF?q=%241%7C%3Cb%3E%60)" in shown
    assert "Sources:\n\n1. [A &#91;page&#93; &#60;b&#62;](https://example.org/a_b?c=1)" in shown
    assert "\n2. Evil\n" in shown
    assert "](https://example.org/)" in shown
    assert "1. A [page] <b> <https://example.org/a_b?c=1>\n2. Evil\n" in plain(answer)


def test_no_formula_begins_in_the_title_of_a_source() -> None:
    answer = answered("Hi")
    titles = ("From $5 to $6", r"What \(x\) and \[y\] mean", "The @@0@@ mark")
    answer.apply(ev.Sources(tuple({"title": title} for title in titles)))
    shown = markdown(answer)
    # A reference alone is a dollar again in the page, where MathJax looks for pairs.
    assert "From <span>&#36;</span>5 to <span>&#36;</span>6" in shown
    assert shown.count("<span>&#92;</span>") == 4
    assert "@@" not in shown


def test_box_markers_are_dropped() -> None:
    assert body("<|begin_of_box|>42<|end_of_box|>") == "42"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a < b <c> & d > e", "a &lt; b &lt;c> & d > e"),
        ("H<sub>2</sub>O <B>x</B> a<br/>b", "H<sub>2</sub>O <b>x</b> a<br>b"),
        ("<b>x <i>y</b>", "<b>x &lt;i>y</b>"),
        ("x</small></details>", "x&lt;/small>&lt;/details>"),
        ("<b>\nx</b>", "&lt;b>\nx&lt;/b>"),
        ("<b class='x'>y</b>", "&lt;b class='x'>y&lt;/b>"),
        ("[a](https://b.c/d_(e)?f=$1) b", "[a](https://b.c/d_(e)?f=%241) b"),
        ("[a](<https://b.c> 'title')", "[a](https://b.c)"),
        ("[a](mailto:b@c.d)", "[a](mailto:b@c.d)"),
        ("[a](javascript:b)", "[a]&#40;javascript:b)"),
        ("[a](/b)", "[a]&#40;/b)"),
        ("[a]: javascript:b", "[a]&#58; javascript:b"),
        ("<https://b.c/d> <javascript:e>", "[https://b.c/d](https://b.c/d) &lt;javascript:e>"),
        ("!![a](https://b.c/d.png)", "&#33;[image: a](https://b.c/d.png)"),
        ("![a](data:image/png,x)", "[image: a]&#40;data:image/png,x)"),
        ("`a` ``b`` `c", "`a` `b` &#96;c"),
        ("`<b>` ``a`b`` `$x`", "<code>&#60;b&#62;</code> <code>a&#96;b</code> <code>&#36;x</code>"),
        ("https://a.b/`@\\@0@@`", "https://a.b/<code>&#64;&#92;&#64;0&#64;&#64;</code>"),
        ("@\\@0@@", "@&#64;0@@"),  # JupyterLab would take it for a formula it put aside
        ("\\<script> \\`a\\`", "&#60;script> &#96;a&#96;"),
        ("&#36;5, &dollar;6", "<span>&#36;</span>5, <span>&#36;</span>6"),
        ("\\\\begin{x}", "<span>&#92;</span>begin{x}"),
        ("a\n```py\n<b>\n```\nc", "a\n\n```py\n<b>\n```\n\nc"),
        ("```\na", "```text\na\n```"),
        ("~~~~ py x=1\n```\n~~~~", "````py\n```\n````"),
        ("```mermaid\na\n```", "```text\na\n```"),
        ("    <b>", "```text\n<b>\n```"),
        ("- a\n  ```py\n  b\n  ```", "- a\n  ```py\n  b\n  ```"),
        ("> ```\n> b", "> ```text\n> b\n> ```"),
        ("- ```py\n  <b>\n\n  c", "- <pre><code>&#60;b&#62;&#10;&#10;c</code></pre>"),
        ("|a|b|\n|-|-|\n|`<`|<b>|", "|a|b|\n|-|-|\n|<code>&#60;</code>|&lt;b>|"),
        ("\ue0000\ue001 \\(x\\)", "\ufffd0\ufffd $x$"),
    ],
)
def test_what_is_written_and_what_is_shown(written: str, shown: str) -> None:
    assert body(written) == shown


def test_control_characters_and_escape_sequences_are_dropped() -> None:
    answer = answered("a\x1b[31mb\x1b]0;title\x07c\x00d\x9b1me\r\nf\u2028g\u202eh")
    assert plain(answer).startswith("abcde\nf gh\n")
    assert markdown(answer).startswith("abcde\nf gh\n")


ALLOWED = {
    **dict.fromkeys(["h1", "h2", "h3", "h4", "h5", "h6"], ("id",)),
    **dict.fromkeys(["p", "hr", "br", "blockquote"], ()),
    **dict.fromkeys(["em", "strong", "b", "i", "u", "s", "del", "ins", "mark", "kbd"], ()),
    **dict.fromkeys(["sub", "sup", "small", "summary", "table", "thead", "tbody", "tr"], ()),
    **dict.fromkeys(["dl", "dt", "dd"], ()),
    **dict.fromkeys(["ul", "li", "pre", "code", "span", "div"], ("class",)),
    "details": ("open",),
    "ol": ("start",),
    "th": ("style",),
    "td": ("style",),
    "a": ("href", "class"),
    "input": ("type", "disabled", "checked", "class"),  # task lists
}


class _Check(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[object] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name not in ALLOWED.get(tag, ()):
                self.wrong.append((tag, name, value))
            if name == "href" and not re.match(r"(?:https?://|mailto:|#)", value or ""):
                self.wrong.append((tag, name, value))
            if name == "style" and not re.fullmatch(r"text-align:\s?\w+", value or ""):
                self.wrong.append((tag, name, value))
            if name == "class" and "mermaid" in (value or ""):
                self.wrong.append((tag, name, value))
        if tag not in ALLOWED:
            self.wrong.append(tag)

    def handle_comment(self, data: str) -> None:
        self.wrong.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment  # type: ignore[assignment]


ENGINES = (
    MarkdownIt("commonmark", {"html": True}).render,
    MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render,
    markdown2html_mistune,  # as nbconvert renders
)


def html_of(text: str) -> list[object]:
    """Whatever is not allowed in the HTML that any engine makes of `text`."""
    wrong: list[object] = []
    for render in ENGINES:
        check = _Check()
        check.feed(render(text))
        check.close()
        wrong += check.wrong
    return wrong


@pytest.mark.parametrize("formula", ["$x$", "\\(x\\)", "\\[x\\]", "$$x$$"])
@pytest.mark.parametrize("end", ["", "\\", "\\\\", "\\\\\\\\", "`", "$", "\\$", "<", "|", "*"])
def test_text_before_a_formula_is_harmless(formula: str, end: str) -> None:
    assert html_of(body(f"<img src=x onerror=alert(1)>{end}{formula}")) == []


def test_a_hostile_answer_is_harmless() -> None:
    text = (TEXTS / "hostile.md").read_text("utf-8")
    for shown in (markdown(answered(text)), markdown(answered("x", text))):
        assert html_of(shown) == []
        assert shown.endswith("14 s</small>")


HOSTILE = [
    *["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<b", "<b>", "</b>", "<!--"],
    *["-->", "<![CDATA[", "<?php", "<pre>", "</pre>", "<style>", "</details>", "</small>", "<br>"],
    *["<a href='javascript:alert(1)'>", "<svg/onload=alert(1)>", "<sub>", "</sub>", "<textarea>"],
    *["[x](javascript:alert(1))", "[x](", "(", ")", "[", "]", "[x]: javascript:alert(1)\n", "[x]"],
    *["java&#115;cript:alert(1)", "data:text/html,<script>", "![i](https://e.x/p.png)", "![", "!"],
    *["<https://a.b>", "](<https://a.b", "](https://a.b)", "https://a.b/", "'", '"onclick=x '],
    *["`", "``", "```", "````", "~~~", "```html\n", "```mermaid\n", "\n```\n", "\n~~~\n", "~"],
    *["\n", "\n", "\n\n", " ", "  ", "    ", "\n    ", "\n  ", "\t", "- ", "1. ", "> ", "# "],
    *[
        "|",
        "\n|-|-|\n",
        "\n|a|b|\n|-|-|\n|",
        "---",
        "===",
        "- ```\n",
        "> ```\n",
        "  ```\n",
        "- [ ] ",
    ],
    *["\\(", "\\)", "\\[", "\\]", "\\\\(", "$", "$$", "\\$", "\\begin{align}", "\\end{align}"],
    *["$x$", "\\\\$x$", "\\(y\\)", "\\[z\\]", "\\[\n", "\n\\]", "$$~~~", "="],
    *[
        "\\begin{x}",
        "\\end{x}",
        "\\",
        "\\\\",
        "\\`",
        "\\<",
        "&lt;script&gt;",
        "&#36;",
        "&",
        "{",
        "}",
    ],
    *["\\text{", "\\href{javascript:alert(1)}{x}", "%", "@@0@@", "@\\@0@@", "x", "foo", "*", "_"],
    *["\u2028", "\r\n", "\x0b", "\ue0000\ue001", "<|begin_of_box|>", ": ", "中"],
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(HOSTILE), max_size=30).map("".join))
def test_no_engine_finds_anything_that_could_act(text: str) -> None:
    answer = answered(text, text)
    assert html_of(markdown(answer)) == []


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_harmless_and_shown_to_its_end(text: str) -> None:
    shown = markdown(answered(text + "\n\nomega"))
    assert html_of(shown) == []
    assert "omega" in shown
    assert shown.endswith("14 s</small>")


@pytest.mark.parametrize("render", ENGINES[1:])
@pytest.mark.parametrize("text", ["```py\nx", "- ```\n  x", "> ~~~\n> x", "`x", "<!-- x", "\\[ x"])
def test_the_last_line_is_not_swallowed(render: object, text: str) -> None:
    assert callable(render)
    assert "<small>glm-4-airx" in render(markdown(answered(text)))


def test_importing_it_imports_nothing_heavy() -> None:
    program = (
        "import sys, glm_jupyter.render.markdown, glm_jupyter.render.terminal;"
        "print(*sorted({'markdown_it', 'httpx', 'pydantic', 'pandas', 'IPython'} & {*sys.modules}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == ""
    assert result.returncode == 0

"""Mathematics as models write it becomes mathematics that every front end typesets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_jupyter.render.math import pieces
from glm_jupyter.render.reader import read
from glm_jupyter.render.references import References

DOLLAR = "<span>&#36;</span>"
BACKSLASH = "<span>&#92;</span>"
TEXTS = Path(__file__).parent.parent / "texts"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        # Delimiters that only some front ends read.
        (r"a \(x\) b", "a $x$ b"),
        (r"a \( x \) b", "a $x$ b"),
        (r"a \\(x\\) b", "a $x$ b"),
        (r"\[x\]", "$$\nx\n$$"),
        (r"\\[ x \\]", "$$\nx\n$$"),
        ("\\[\nx\n\\]", "$$\nx\n$$"),
        ("\\begin{align}\na&=b\n\\end{align}", "$$\n\\begin{aligned}\na&=b\n\\end{aligned}\n$$"),
        ("\\begin{gather*}a\\end{gather*}", "$$\n\\begin{gathered}a\\end{gathered}\n$$"),
        ("\\begin{equation}\na=b\n\\end{equation}", "$$\na=b\n$$"),
        # Delimiters that all of them read.
        ("a $x$ b", "a $x$ b"),
        ("a $ x $ b", "a $x$ b"),
        ("a $ x + y $ b", "a $x + y$ b"),
        ("$$\nx\n$$", "$$\nx\n$$"),
        ("$$x$$", "$$\nx\n$$"),
        ("a $$x$$ b", "a \n\n$$\nx\n$$\n\nb"),
        ("a \\(x\ny\\) b", "a $x y$ b"),
        ("a $x\ny$ b", "a $x y$ b"),
        # Displays within the blocks of markdown.
        ("a\n\\[x\\]\nb", "a\n\n$$\nx\n$$\n\nb"),
        ("a \\[ x \\], where", "a \n\n$$\nx,\n$$\n\nwhere"),
        ("1. a\n   \\[\n   x\n   \\]\n2. b", "1. a\n   \n   $$\n   x\n   $$\n2. b"),
        ("1. a\n\\[\nx\n\\]\n2. b", "1. a\n\n   $$\n   x\n   $$\n2. b"),
        ("- a\n  - b \\[x\\]\n- c", "- a\n  - b \n\n    $$\n    x\n    $$\n- c"),
        ("- a\n\n\n      \\(x\\)\n", "- a\n\n\n  $x$"),
        ("- a\n\n      \\[x\\]\n", "- a\n\n  $$\n  x\n  $$"),
        ("> a \\[x\n> y\\] b", "> a \n>\n> $$x y$$\n>\n> b"),
        ("# a \\[x\\]", "# a $\\displaystyle x$"),
        ("**\\[x\\]**", "**$\\displaystyle x$**"),
        ("中文\\(x^2\\)中文，\\[y\\]。", "中文$x^2$中文，\n\n$$\ny\n$$\n\n。"),
        # What is inside.
        (r"\[- a + b - c\]", "$$\n{}- a + b - c\n$$"),
        ("\\[\na\n=\nb\n\\]", "$$\na =\nb\n$$"),
        ("$$~~~mermaid$$", "$$\n{}~~~mermaid\n$$"),
        ("\\[\na\n\nb\n\\]", "$$\na\nb\n$$"),
        (
            "\\begin{align}\na\n\n&=b\n\\end{align}",
            "$$\n\\begin{aligned}\na\n&=b\n\\end{aligned}\n$$",
        ),
        ("\\[\na % why\n+ b\n\\]", "$$\na + b\n$$"),
        (r"\(95%\)", r"$95\%$"),
        (r"$\begin{pmatrix}1\\[2pt]2\end{pmatrix}$", r"$\begin{pmatrix}1\\[2pt]2\end{pmatrix}$"),
        (r"$x<y$ $a_1*b_2*c$", r"$x< y$ $a_1*b_2*c$"),
        ("$$x ≤ y → \\text{中}$$", "$$\nx ≤ y → \\text{中}\n$$"),
        (r"\(\text{a_b}\)", r"${\text{a}\_\text{b}}$"),
        (r"\(x_\text{a_b}\)", r"$x_{\text{a}\_\text{b}}$"),
        (r"$x \text{if $y$}$", r"$x {\text{if }y}$"),
        (r"\(x \text{if \(y\)} z\)", r"$x {\text{if }y} z$"),
        (r"\(\begin{align}a&=b\end{align}\)", r"$\begin{aligned}a&=b\end{aligned}$"),
        (r"\(a#b\)", r"$a\#b$"),
        (r"\(5$\)", r"$5\$$"),
        (r"\(x\ \)", "$x$"),
        (r"\(x\)\(y\)", "$x$<span></span>$y$"),
        (r"<b \\$x$", f"&lt;b {BACKSLASH}$x$"),
        (r"a\\\\\(x\)", f"a{BACKSLASH}{BACKSLASH}$x$"),
        (r"\(x\)5", "$x$<span></span>5"),
        (
            r"\begin{align}a&=b\tag{1}\end{align}",
            "$$\n\\begin{align}a&=b\\tag{1}\\end{align}\n$$",
        ),
        (r"\[x\label{a}\tag{1}\]", "$$\nx\\tag{1}\n$$"),
        (
            "$$x\\label{a}\\tag{1}$$\n\n$$y\\label{a}\\tag{1}$$",
            "$$\nx\\tag{1}\n$$\n\n$$\ny\\qquad \\text{(1)}\n$$",
        ),
        (r"\(\unicode{x2103}\)", r"$\text{℃}$"),
        (r"\(\require{cancel}\cancel{x}\)", r"$\cancel{x}$"),
        # Tables.
        (
            "|a|b|\n|-|-|\n|$|z|$|\\(\\|z\\|\\)|",
            "|a|b|\n|-|-|\n|$\\vert z\\vert$|$\\Vert z\\Vert$|",
        ),
        ("|a|\n|-|\n|\\[x\\]|", "|a|\n|-|\n|$\\displaystyle x$|"),
        ("a|b\n-|-\n$|z|$|c", "a|b\n-|-\n$\\vert z\\vert$|c"),
        # Money and other dollars.
        ("It costs $5 and $10", f"It costs {DOLLAR}5 and {DOLLAR}10"),
        (r"\$5 and \$10", f"{DOLLAR}5 and {DOLLAR}10"),
        ("$5, where $x=5$", f"{DOLLAR}5, where $x=5$"),
        ("价格$5到$6，公式$x$", f"价格{DOLLAR}5到{DOLLAR}6，公式$x$"),
        ("5 $ and 10 $", f"5 {DOLLAR} and 10 {DOLLAR}"),
        ("between $5 and 10$", f"between {DOLLAR}5 and 10{DOLLAR}"),
        ("|Price ($)|Cost ($)|\n|-|-|", f"|Price ({DOLLAR})|Cost ({DOLLAR})|\n|-|-|"),
        ("$HOME and $PATH", f"{DOLLAR}HOME and {DOLLAR}PATH"),
        # No formula after all.
        (r"a \( b", f"a {BACKSLASH}( b"),
        ("a \\( b\n\nc \\) d", f"a {BACKSLASH}( b\n\nc {BACKSLASH}) d"),
        ("a \\[\nb\n\n# c\n", f"a {BACKSLASH}&#91;\nb\n\n# c"),
        ("$$ a\n\n# b\n\n\\(c\\)", f"{DOLLAR}{DOLLAR} a\n\n# b\n\n$c$"),
        (
            r"\begin{itemize}a\end{itemize}",
            f"{BACKSLASH}begin{{itemize}}a{BACKSLASH}end{{itemize}}",
        ),
        # Code is left alone.
        (r"`$a$` ``\[c\]``", r"<code>&#36;a&#36;</code> `\[c\]`"),
        ("```\n$a$ \\(b\\)\n```\n\\(c\\)", "```text\n$a$ \\(b\\)\n```\n\n$c$"),
        ("```\n- ```\n\\(b\\)\n```\n\\(c\\)", "````text\n- ```\n\\(b\\)\n````\n\n$c$"),
        ("~~~~\n~~~\n\\(b\\)\n~~~~\n\\(c\\)", "```text\n~~~\n\\(b\\)\n```\n\n$c$"),
        (
            "- a\n  ```\n  \\(b\\)\n  ```\n  \\(c\\)",
            "- a\n  ```text\n  \\(b\\)\n  ```\n  $c$",
        ),
        ("- a\n```\n\\(b\\)\n```\n\\(c\\)", "- a\n\n```text\n\\(b\\)\n```\n\n$c$"),
        ("- a\n  - b\n  ```\n  \\(b\\)\n", "- a\n  - b\n  ```text\n  \\(b\\)\n  ```"),
        ("> ```\n> \\(b\\)\n\n\\(c\\)", "> ```text\n> \\(b\\)\n> ```\n\n$c$"),
        ("- ```\n  \\(b\\)\n\n\\(c\\)", "- ```text\n  \\(b\\)\n  ```\n\n$c$"),
        ("a\n\n    \\(b\\)\n\nc", "a\n\n```text\n\\(b\\)\n```\n\nc"),
        ("@@0@@ $x$", "@@0@@ $x$"),
    ],
)
def test_what_is_written_and_what_is_shown(written: str, shown: str) -> None:
    assert read(written).markdown == shown


@pytest.mark.parametrize(
    "body",
    [
        r"\href{javascript:alert(1)}{x}",
        r"\style{position:fixed}{x}",
        r"\class{evil}{x}",
        r"\cssId{evil}{x}",
        r"\htmlData{a=b}{x}",
        r"\bbox[background:url(x)]{x}",
        r"\def\frac{1}",
        r"\newcommand{\x}{1}",
        r"\text{\href{javascript:alert(1)}{x}}",
        r"\text{if $\href{x}{y}$}",
        r"\begin{pmatrix} 1",
        "x}",
    ],
)
def test_what_may_act_or_cannot_be_typeset_is_shown_as_code(body: str) -> None:
    shown = read(f"a \\({body}\\) b").markdown
    assert shown.startswith("a <code>")
    assert shown.endswith("</code> b")
    assert "$" not in shown
    assert "\\" not in shown


@pytest.mark.parametrize("body", ["a<script>", "a</b", "a<!--", r"\text{<img src=x>}"])
def test_no_tag_begins_in_a_formula(body: str) -> None:
    shown = read(f"$x {body} y$").markdown
    assert shown.startswith("$x")
    assert shown.endswith(" y$")
    assert not {"<s", "</", "<!", "<i"} & {shown[i : i + 2] for i in range(len(shown))}


def test_no_link_and_no_attribute_begins_in_a_formula() -> None:
    assert read('$[0,1](x) "y"$').markdown == "$[0,1] (x) ”y”$"


def test_block_marks_do_not_begin_a_line_of_a_display() -> None:
    assert read("\\[\n- x\n+ y\n> z\n= 1\n\\]").markdown == "$$\n{}- x + y > z\n= 1\n$$"


def test_every_formula_of_a_long_answer_is_converted() -> None:
    text = (TEXTS / "covariance.md").read_text("utf-8")
    shown = read(text).markdown
    prose = shown[: shown.index("```python")] + shown[shown.rindex("```") :]
    assert "\\(" not in prose
    assert "\\[" not in prose.replace("\\\\[2pt]", "")
    assert prose.count(DOLLAR) == 5
    assert "\\(\\Sigma\\) in code stays as it is" in shown
    assert "<code>&#36;1</code>" in shown


PARTS = [
    *"$$`~\\|>{}()[]*_#%&<-=+.\n\n\n  ax5é中",
    *["\\(", "\\)", "\\[", "\\]", "\\\\(", "\\\\]", "$$", "```\n", "\n\n", "\n    ", "- ", "> "],
    *["\\begin{align}", "\\end{align}", "\\begin{x}", "\\text{", "\n|-|-|\n", "|", "1. ", "\\$"],
    *["\\label{a}", "\\tag{1}", "~~~\n", "# ", "\\href", "\n\\[\n", "\n\\]\n", "$x$", "\\(y\\)"],
]
TEXT = st.lists(st.sampled_from(PARTS), max_size=40).map("".join) | st.text(max_size=80)


@given(TEXT)
def test_nothing_of_the_text_is_lost(text: str) -> None:
    # Only indentation may shrink, where a formula in a list stood too far to the right.
    kept = "".join(piece.source for piece in pieces(text, References()))
    assert kept.replace(" ", "") == text.replace(" ", "")


@given(st.text(alphabet=st.characters(exclude_characters="$\\"), max_size=200))
def test_text_without_mathematics_stays_as_it_is(text: str) -> None:
    assert "".join(piece.output for piece in pieces(text, References())) == text

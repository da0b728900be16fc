"""KaTeX's own names in formulas: what reaches it of a formula shows what the formula itself does.

Its screenshot formulas are in no package; its sources are, and they name all that it knows.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from glm_jupyter.render.references import References
from glm_jupyter.render.tex import formula
from tests.front_ends.cases import FORMULAS
from tests.payloads import MODULES, node

# Why KaTeX shows something else than it would of the formula itself, and for which names.
DIFFERENCES: dict[str, list[str]] = json.loads(
    (Path(__file__).parents[1] / "texts" / "katex.json").read_text("utf-8")
)
MEANT = [name for each in DIFFERENCES.values() for name in each]
NAME = re.compile(r'"(\\\\[a-zA-Z]+)"')
FUNCTION = re.compile(r"names:\s*\[(.*?)\].*?numArgs:\s*(\d)", re.DOTALL)
# What KaTeX shows of each formula as text, if it can typeset it.
SHOWN = """
console.log = console.error = () => {{}}; // \\message of TeX writes there
const katex = require('katex');
const options = {{ displayMode: true, output: 'html', strict: false, trust: true }};
const shown = tex => {{
  try {{
    return katex.renderToString(tex, options);
  }} catch {{
    return null;
  }}
}};
process.stdout.write(JSON.stringify({formulas}.map(shown)));
"""


def names() -> dict[str, int]:
    """All names in KaTeX's sources, with the number of their arguments."""
    found: dict[str, int] = {}
    sources = MODULES / "katex" / "src"
    for path in sorted((sources / "functions").glob("*.ts")):
        for listed, count in FUNCTION.findall(path.read_text("utf-8")):
            found |= {name: int(count) for name in NAME.findall(listed)}
    for path in (sources / "symbols.ts", sources / "macros.ts"):
        found = dict.fromkeys(NAME.findall(path.read_text("utf-8")), 0) | found
    return {name.replace("\\\\", "\\"): count for name, count in found.items()}


def shown(formulas: list[str]) -> list[str | None]:
    """What KaTeX makes of each formula; None where that is an error."""
    return list(node(SHOWN.format(formulas=json.dumps(formulas))))


def text(html: str | None) -> str:
    """The characters that are seen."""
    return re.sub(r"<[^>]*>|[\s\u200b\u2061]+|&nbsp;", "", html or "")


@pytest.fixture(scope="module")
def typeset() -> dict[str, str]:
    """A formula with each name that KaTeX can typeset, and what it makes of it."""
    found: dict[str, str] = {}
    known = names()
    forms = (
        lambda name, count: f"{name}{'{a}' * count} x",
        lambda name, count: f"{name}{{a}}{{b}}{{c}} x",
        lambda name, count: f"a {name} b",
        lambda name, count: f"\\sum{name}_a",
    )
    for form in forms:
        left = {name: count for name, count in known.items() if name not in found}
        made = {name: form(name, count) for name, count in left.items()}
        for (name, tex), html in zip(made.items(), shown(list(made.values())), strict=True):
            if html:
                found[name] = tex
    return found


def test_every_name_means_what_katex_means_by_it_but_for_these(typeset: dict[str, str]) -> None:
    assert len(typeset) > 900
    ours = [formula(tex, display=True, references=References()) for tex in typeset.values()]
    wanted = shown(list(typeset.values()))
    got = shown([tex or "" for tex in ours])
    different = [
        name
        for name, tex, before, after in zip(typeset, ours, wanted, got, strict=True)
        if tex is None or (before != after and text(before) != text(after))
    ]
    assert sorted(different) == sorted(MEANT)


def test_formulas_of_answers_show_the_same_characters() -> None:
    ours = [formula(tex, display=True, references=References()) for tex in FORMULAS]
    wanted, got = shown(FORMULAS), shown([tex or "" for tex in ours])
    compared = [
        (tex, text(before), text(after))
        for tex, before, after in zip(FORMULAS, wanted, got, strict=True)
        if before and not set(re.findall(r"\\[a-zA-Z]+", tex)) & set(MEANT)
    ]
    assert len(compared) > 100
    assert [each for each in compared if each[1] != each[2]] == []

"""The formulas that the kernel finds are those that the JupyterLab extension finds.

`labextension/src/test/math.test.ts` reads the same cases.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from glm_jupyter.render.reader import read

CASES = json.loads((Path(__file__).parents[1] / "texts" / "formulas.json").read_text("utf-8"))

# In the output, no dollar stands for anything but mathematics, outside of code.
CODE = re.compile(
    r"<code>.*?</code>|^[> -]*(```|~~~).*?^[> ]*\1|(`+).*?\2", re.DOTALL | re.MULTILINE
)
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$]+\$", re.DOTALL)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_formulas_are_found(case: dict[str, object]) -> None:
    shown = CODE.sub("", read(str(case["text"])).markdown)
    found = [re.sub(r"\s", "", formula) for formula in FORMULA.findall(shown)]
    assert found == [re.sub(r"\s", "", formula) for formula in case["formulas"]]  # type: ignore[attr-defined]

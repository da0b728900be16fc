r"""Chemistry of LaTeX's package mhchem, `\ce{2H2 + O2 -> 2H2O}`, in common TeX.

What its manual calls formulas, charges, isotopes, states and arrows; the rest stays as it is.
"""

from __future__ import annotations

import re

_ARROWS = {
    "<-->": r"\rightleftarrows ",
    "<=>>": r"\rightleftharpoons ",
    "<<=>": r"\rightleftharpoons ",
    "<=>": r"\rightleftharpoons ",
    "<->": r"\leftrightarrow ",
    "->": r"\rightarrow ",
    "<-": r"\leftarrow ",
}
_TOKEN = re.compile(
    r"(?P<arrow><-->|<=>>|<<=>|<=>|<->|->|<-)(?P<above>\[[^\]]*\])?(?P<below>\[[^\]]*\])?"
    r"|(?P<state>\((?:aq|s|l|g)\))"
    r"|(?P<superscript>\^(?:\{[^{}]*\}|[\d+-]+))"
    r"|(?P<subscript>_(?:\{[^{}]*\}|\d+))"
    r"|(?P<element>[A-Z][a-z]?|[)\]])(?P<count>\d+)?(?P<charge>(?:[+-](?=\s|$|[)\]])))?"
    r"|(?P<bond>[=#](?=[A-Z(]))"
    r"|(?P<gas>\s\^(?=\s|$))|(?P<solid>\sv(?=\s|$))"
    r"|(?P<dot>\s*[*.]\s*(?=\d*[A-Z]))"
    r"|(?P<word>[a-z]+)|(?P<macro>\\[A-Za-z]+)|(?P<other>[\s\S])"
)


def tex(text: str) -> str:
    """A formula or equation of chemistry as TeX."""
    return "".join(map(_shown, _TOKEN.finditer(text)))


def _shown(found: re.Match[str]) -> str:
    kind = found.lastgroup or "other"
    part = found[0]
    if found["arrow"]:
        arrow = _ARROWS[found["arrow"]]
        above, below = (f"{tex(x[1:-1])}" if x else "" for x in (found["above"], found["below"]))
        if above or below:
            shape = "xleftarrow" if found["arrow"] == "<-" else "xrightarrow"
            return f"\\{shape}[{below}]{{{above}}} "
        return arrow
    if found["element"]:
        letter = found["element"]
        shown = f"\\mathrm{{{letter}}}" if letter.isalpha() else letter
        shown += f"_{{{found['count']}}}" if found["count"] else ""
        return shown + (f"^{{{found['charge']}}}" if found["charge"] else "")
    match kind:
        case "state":
            return f"\\,\\mathrm{{{part}}}"
        case "superscript" | "subscript":
            return f"{part[0]}{{{part[1:].strip('{}')}}}"
        case "bond":
            return "=" if part == "=" else r"\equiv "
        case "gas":
            return r"\uparrow "
        case "solid":
            return r"\downarrow "
        case "dot":
            return r"\cdot "
        case "word":
            return f"\\mathrm{{{part}}}"
        case _:
            return part

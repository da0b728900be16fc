"""Texts of any length, in which no two formulas are alike."""

from __future__ import annotations

HEADING = "## Part {n}: the moments\n\n"

SECTION = r"""For \( n = {n} \) the mean is
\( \bar{{x}}_{{{n}}} = \frac{{1}}{{{n}}} \sum_{{i=1}}^{{{n}}} x_i \),
and the deviation \( x_i - \bar{{x}}_{{{n}}} \) has the square

\[
S_{{{n}}} = \frac{{1}}{{{n} - 1}} \sum_{{i=1}}^{{{n}}} (x_i - \bar{{x}}_{{{n}}})^2 + \alpha^{{{n}}}
\]

```python
x_{n} = data[:{n}]
print(x_{n}.mean(), x_{n}.var(ddof=1))
```

"""

PROSE = """The sample of {n} observations was drawn in **one afternoon**, by hand, and nobody
looked at the weather. That may matter less than *it seems*: what was measured indoors stays dry.
Still, a careful reader asks who chose the {n} places, and why `{n}` lie on one side of the river.

- The first {n} notes are in pencil.
- The others are lost, or were never taken.

"""


def mathematics(size: int) -> str:
    """About `size` bytes, rich in formulas, with code."""
    return _fill(SECTION, size)


def prose(size: int) -> str:
    """About `size` bytes without formulas."""
    return _fill(PROSE, size)


def _fill(section: str, size: int) -> str:
    parts: list[str] = []
    length = 0
    while length < size:
        heading = HEADING if len(parts) % 6 == 0 else ""
        parts.append((heading + section).format(n=len(parts) + 2))
        length += len(parts[-1])
    return "".join(parts)

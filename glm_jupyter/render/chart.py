"""Small bar charts as SVG, from labels and numbers only; readable on light and on dark."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from decimal import Decimal
from html import escape
from typing import NamedTuple

# A picture knows no theme, and no grey can be read well on light and on dark: it has its ground.
GROUND = "#ffffff"
TEXT = "#404040"
BAR = "#2d7dd2"
EDGE = 8  # of ground beside the labels

WIDTH = 640
ROW = 24
LABEL = 250
VALUE = 180
HEIGHT = 120
LONGEST_LABEL = 34

# How the whole picture is styled; pages that allow no other styles allow this one by its hash.
STYLE = f"max-width: 100%; height: auto; font: 13px system-ui, sans-serif; background: {GROUND}"


class Bar(NamedTuple):
    """One bar: what it stands for, how long it is, and its length in words."""

    label: str
    value: Decimal
    words: str


def bundle(title: str, bars: Sequence[Bar], *, upright: bool) -> dict[str, str]:
    """The chart as a MIME bundle: columns where it is `upright`, rows otherwise."""
    drawn = columns(title, bars) if upright else rows(title, bars)
    data = b64encode(drawn.encode()).decode()
    # Front ends show SVG as a picture without a name; this one has its own.
    named = f'<img alt="{_said(title, bars)}" src="data:image/svg+xml;base64,{data}">'
    return {"text/html": named, "image/svg+xml": drawn, "text/plain": plain(bars)}


def rows(title: str, bars: Sequence[Bar]) -> str:
    """Bars one below the other, each with its label before and its words behind it."""
    room = WIDTH - LABEL - VALUE
    drawn = []
    for number, (bar, share) in enumerate(_shares(bars)):
        middle = number * ROW + ROW / 2
        length = max(1.0, share * room)
        drawn += [
            _text(LABEL - 8, middle, _short(bar.label), "end"),
            f'<rect x="{LABEL}" y="{middle - 7:.1f}" width="{length:.1f}" height="14" rx="2" '
            f'fill="{BAR}"/>',
            _text(LABEL + length + 6, middle, bar.words, "start"),
        ]
    return _svg(title, bars, len(bars) * ROW, drawn)


def columns(title: str, bars: Sequence[Bar]) -> str:
    """Columns side by side, for days: first and last are labelled, and the highest one."""
    step = WIDTH / max(len(bars), 1)
    width = min(step * 0.8, 40.0)
    drawn = []
    highest = max(bars, key=lambda bar: bar.value, default=None)
    base, top = HEIGHT - 20, 20
    for number, (bar, share) in enumerate(_shares(bars)):
        middle = (number + 0.5) * step
        height = max(1.0, share * (base - top))
        drawn.append(
            f'<rect x="{middle - width / 2:.1f}" y="{base - height:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" rx="1.5" fill="{BAR}">'
            f"<title>{_safe(f'{bar.label}: {bar.words}')}</title></rect>"
        )
        if bar is highest:
            anchor = "start" if middle < 80 else "end" if middle > WIDTH - 80 else "middle"
            drawn.append(_text(middle, base - height - 9, bar.words, anchor))
    if len(bars) == 1:
        drawn.append(_text(WIDTH / 2, HEIGHT - 10, bars[0].label, "middle"))
    elif bars:
        drawn.append(_text(EDGE, HEIGHT - 10, bars[0].label, "start"))
        drawn.append(_text(WIDTH - EDGE, HEIGHT - 10, bars[-1].label, "end"))
    return _svg(title, bars, HEIGHT, drawn)


def plain(bars: Sequence[Bar]) -> str:
    """The bars as text, for terminals."""
    longest = max((len(_short(bar.label)) for bar in bars), default=0)
    return "\n".join(
        f"{_short(bar.label):<{longest}}  {'█' * max(1, round(share * 30))} {bar.words}"
        for bar, share in _shares(bars)
    )


def _shares(bars: Sequence[Bar]) -> list[tuple[Bar, float]]:
    largest = max((bar.value for bar in bars), default=Decimal(0)) or Decimal(1)
    return [(bar, float(bar.value / largest)) for bar in bars]


def _svg(title: str, bars: Sequence[Bar], height: float, drawn: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="{WIDTH}" height="{height:.0f}" '  # front ends show it as a picture, in its size
        f'role="img" aria-label="{_said(title, bars)}" '
        f'style="{STYLE}">'
        f"{''.join(drawn)}</svg>"
    )


def _said(title: str, bars: Sequence[Bar]) -> str:
    """The chart in words, for an attribute."""
    words = "; ".join(f"{bar.label}: {bar.words}" for bar in bars)
    return _safe(f"{title}. {words}")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" dy="0.35em" text-anchor="{anchor}" '
        f'fill="{TEXT}">{_safe(text)}</text>'
    )


def _safe(text: str) -> str:
    """Text for XML, which has no place for control characters."""
    return escape("".join(c if c.isprintable() else "\ufffd" for c in text))


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"…{label[1 - LONGEST_LABEL :]}"

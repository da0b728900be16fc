"""Answer -> what a notebook keeps of it: portable, harmless markdown, and plain text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from glm_jupyter.text import clean, literal

from . import calls, summary, value

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer

VENDOR_TYPE = "application/vnd.glm-jupyter.answer+json"

# GLM's vision models put a final result between these.
_BOX = re.compile(r"<\|(?:begin|end)_of_box\|>")
_LINK = re.compile(r"https?://.+", re.IGNORECASE)
# What markdown and typesetters leave alone in a link; all else is written with percent signs.
_PLAIN_IN_LINKS = ":/?#@!&*+,;=%~"


def bundle(answer: Answer) -> dict[str, Any]:
    """The MIME bundle of `answer`: markdown, plain text and the vendor type, in every state."""
    return {
        "text/markdown": markdown(answer),
        "text/plain": plain(answer),
        VENDOR_TYPE: {**answer.to_json(), **extras(answer)},
    }


def extras(answer: Answer) -> dict[str, str]:
    """Harmless markdown that stands before the text, and in its place: calls, and the value."""
    found = {}
    if answer.tool_calls:
        found["calls_markdown"] = calls.markdown(answer)
    if answer.parsed is not None:
        found["value_markdown"] = value.markdown(answer.parsed)
    return found


def markdown(answer: Answer, seen: set[str] | None = None) -> str:
    """`answer` as markdown that any front end shows alike and in which nothing can act.

    `seen` gathers the labels of formulas, which must be unique where several answers are shown.
    """
    from .safety import harmless

    seen = set() if seen is None else seen
    parts = []
    if reasoning := _tidy(answer.reasoning):
        opened = "<details open>" if summary.thinking(answer) else "<details>"
        title = summary.thought(answer)
        shown = harmless(reasoning, seen)
        parts.append(f"{opened}\n<summary>{title}</summary>\n\n{shown}\n\n</details>")
    parts.extend(part for part in extras(answer).values() if part)
    if answer.parsed is None and (text := _tidy(answer.text)):
        parts.append(harmless(text, seen))
    if sources := _sources(answer):
        listed = [
            f"{number}. [{literal(title)}]({link})" if link else f"{number}. {literal(title)}"
            for number, (title, link) in enumerate(sources, 1)
        ]
        parts.append("\n".join(["Sources:", "", *listed]))
    if ending := summary.ending(answer):
        parts.append(f"**{ending[0].upper()}{ending[1:]}.**")
    parts.append(f"<small>{literal(clean(summary.line(answer)))}</small>")
    return "\n\n".join(parts)


def plain(answer: Answer) -> str:
    """`answer` for a terminal: its text without markup of ours and without control characters."""
    parts = []
    if reasoning := _tidy(answer.reasoning):
        lines = (f"  {line}".rstrip() for line in reasoning.split("\n"))
        parts.append("\n".join([summary.thought(answer), *lines]))
    if answer.tool_calls:
        parts.append(calls.plain(answer))
    if answer.parsed is not None:
        parts.append(value.plain(answer.parsed))
    elif text := _tidy(answer.text):
        parts.append(text)
    return "\n\n".join([*parts, *after(answer)])


def after(answer: Answer) -> list[str]:
    """What follows the text in a terminal: sources, how it ended, the last line."""
    parts = []
    if sources := _sources(answer):
        listed = [
            f"{number}. {title}{f' <{link}>' if link else ''}"
            for number, (title, link) in enumerate(sources, 1)
        ]
        parts.append("\n".join(["Sources:", *listed]))
    if ending := summary.ending(answer):
        parts.append(f"{ending[0].upper()}{ending[1:]}.")
    return [*parts, clean(summary.line(answer))]


def _tidy(text: str) -> str:
    return _BOX.sub("", clean(text)).strip("\n").rstrip()


def _sources(answer: Answer) -> list[tuple[str, str]]:
    """Title and link of each source; a link that is none is left out."""
    found = []
    for source in answer.sources:
        link = quote(str(source.get("link") or "").strip(), _PLAIN_IN_LINKS, errors="replace")
        link = link if _LINK.fullmatch(link) else ""
        title = " ".join(clean(str(source.get("title") or "")).split())
        found.append((title or link or "untitled", link))
    return found

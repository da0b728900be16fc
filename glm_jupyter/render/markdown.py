"""Answer -> what a notebook keeps of it: portable, harmless markdown, and plain text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from glm_jupyter.language import _
from glm_jupyter.text import clean, literal

from . import calls, media, summary, value
from .reader import BOX, Markdown, joined, read, utf16_length
from .references import References
from .words import words

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer

VENDOR_TYPE = "application/vnd.glm-jupyter.answer+json"

_LINK = re.compile(r"https?://.+", re.IGNORECASE)
# What markdown and typesetters leave alone in a link; all else is written with percent signs.
_PLAIN_IN_LINKS = ":/?#@!&*+,;=%~"


def bundle(answer: Answer) -> dict[str, Any]:
    """The MIME bundle of `answer`: markdown, plain text and the vendor type, in every state."""
    text, blocks = _composed(answer, References())
    vendor = _vendor(answer, blocks)
    if made_only(answer):
        return {**media.bundle(answer.media), VENDOR_TYPE: vendor}
    shown = {"text/markdown": text, "text/plain": plain(answer), VENDOR_TYPE: vendor}
    if answer.media:
        own = media.bundle(answer.media)
        shown |= {kind: own[kind] for kind in own if not kind.startswith("text/")}
    return shown


def made_only(answer: Answer) -> bool:
    """Whether what was made stands for the answer, and not a text."""
    return bool(answer.media) and not answer.text.strip() and not answer.reasoning.strip()


def below(answer: Answer) -> dict[str, Any]:
    """The bundle of what stands below something that was made: its file, and the last line.

    Beside a picture no front end would show a text of the same bundle.
    """
    return {"text/markdown": _last(answer), "text/plain": clean(summary.line(answer))}


def _last(answer: Answer) -> str:
    """The last small line, with links to what was kept."""
    files = filter(None, map(media.link, answer.media))
    return f"<small>{' · '.join([literal(clean(summary.line(answer))), *files])}</small>"


def part(answer: Answer, references: References, begin: int) -> tuple[str, dict[str, Any]]:
    """`answer` as a part of a longer markdown, which it begins at `begin` of, and its data."""
    text, blocks = _composed(answer, references)
    shifted = {name: [begin + place for place in places] for name, places in blocks.items()}
    return text, _vendor(answer, shifted)


def _vendor(answer: Answer, blocks: dict[str, list[int]]) -> dict[str, Any]:
    vendor = {**answer.to_json(), "blocks": blocks, "words": words(answer)}
    vendor["structured"] = answer.parsed is not None
    return vendor


def markdown(answer: Answer, references: References | None = None) -> str:
    """`answer` as markdown that any front end shows alike and in which nothing can act.

    `references` gather the tags of formulas, which must be unique where several answers are
    shown.
    """
    return _composed(answer, references or References())[0]


def _composed(answer: Answer, references: References) -> tuple[str, dict[str, list[int]]]:
    """The whole markdown, and where in it the blocks of the reasoning and of the text begin."""
    out = ""
    blocks: dict[str, list[int]] = {"reasoning": [], "text": []}

    def add(text: str, read: Markdown | None = None, part: str = "", end: str = "") -> None:
        nonlocal out
        out += ("\n\n" if out else "") + text
        if read:
            begin = utf16_length(out)
            blocks[part] = [begin + place for place in read.blocks]
            out += read.markdown + end

    reasoning = read(answer.reasoning, references)
    if reasoning.markdown:
        opened = "<details open>" if summary.thinking(answer) else "<details>"
        head = f"{opened}\n<summary>{summary.thought(answer)}</summary>\n\n"
        add(head, reasoning, "reasoning", "\n\n</details>")
    if answer.tool_calls:
        add(calls.markdown(answer))
    if shown := shown_text(answer, references):
        add("", shown, "text")
    if sources := _sources(answer):
        listed = [
            f"{number}. [{literal(title)}]({link})" if link else f"{number}. {literal(title)}"
            for number, (title, link) in enumerate(sources, 1)
        ]
        add("\n".join([_("Sources:"), "", *listed]))
    if ending := summary.ending(answer):
        add(f"**{ending}**")
    add(_last(answer))
    return out, blocks


def shown_text(answer: Answer, references: References) -> Markdown | None:
    """What stands for the answer's text: a structured answer shows its value."""
    if answer.parsed is not None:
        return joined([value.markdown(answer.parsed)])
    found = read(answer.text, references)
    return found if found.markdown else None


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
        parts.append("\n".join([_("Sources:"), *listed]))
    if ending := summary.ending(answer):
        parts.append(ending)
    parts += map(media.words, answer.media)
    return [*parts, clean(summary.line(answer))]


def _tidy(text: str) -> str:
    return BOX.sub("", clean(text)).strip("\n").rstrip()


def _sources(answer: Answer) -> list[tuple[str, str]]:
    """Title and link of each source; a link that is none is left out."""
    found = []
    for source in answer.sources:
        link = quote(str(source.get("link") or "").strip(), _PLAIN_IN_LINKS, errors="replace")
        link = link if _LINK.fullmatch(link) else ""
        title = " ".join(clean(str(source.get("title") or "")).split())
        found.append((title or link or _("untitled"), link))
    return found

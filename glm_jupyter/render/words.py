"""The words of an answer's frame, for a page to print: the page makes none of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glm_jupyter.text import clean

from . import calls, media, summary

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer


def words(answer: Answer, waiting: str = "") -> dict[str, Any]:
    """All that is said about an answer, for a page to print: what is empty is not said.

    `waiting` says what is waited for while there is no answer yet.
    """
    return {
        "thought": summary.thought(answer) if answer.reasoning.strip() else "",
        "ending": summary.ending(answer),
        "line": clean(waiting or ("" if _below(answer) else summary.line(answer))),
        "media": [clean(media.title(made)) for made in answer.media],
        "calls": [calls.title(call) for call in answer.tool_calls],
        "details": [[name, clean(text)] for name, text in summary.details(answer)],
    }


def _below(answer: Answer) -> bool:
    """Whether the last line stands below what was made, in a display of its own."""
    return bool(answer.media) and answer.seconds is not None and not answer.text.strip()

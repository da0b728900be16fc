"""Answers of several models in columns: a table whose cells are markdown, for any front end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from glm_jupyter.language import _, sentences
from glm_jupyter.text import literal, prose

from .frontend import shows_updates
from .live import SECONDS_PER_CHARACTER, SHORTEST_INTERVAL
from .markdown import part, plain
from .reader import utf16_length
from .references import References

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from glm_jupyter.answer import Answer
    from glm_jupyter.api.errors import GLMError

# What the JupyterLab extension draws in place of the table: the data of each answer.
COLUMNS_TYPE = "application/vnd.glm-jupyter.answers+json"

# A page that hears nothing for three times as long takes it that the kernel is gone.
HEARTBEAT = 5.0

# Attributes for front ends that drop styles, styles for those whose own are stronger.
_CELL = '<td width="{}%" align="left" valign="top" style="text-align: left; vertical-align: top">'


def columns(answers: Sequence[Answer], errors: Sequence[GLMError | None]) -> dict[str, Any]:
    """The MIME bundle: each answer, or how it failed, under its model's name."""
    references = References()
    heads = "".join(f"<th>{literal(answer.model)}</th>" for answer in answers)
    # Between blank lines, what stands in a cell is markdown for every renderer.
    cell = _CELL.format(100 // len(answers))
    out = f"<table>\n<tr>{heads}</tr>\n<tr>"
    shown = []
    for answer, error in zip(answers, errors, strict=True):
        out += f"\n{cell}\n\n"
        text, data = part(answer, references, utf16_length(out))
        if error is not None:
            data["words"]["ending"] = sentences(_("Failed."), str(error), error.remedy)
        shown.append(data)
        out += f"{text}{_failure(error)}\n\n</td>"
    texts = [
        f"{answer.model}\n{'-' * len(answer.model)}\n{plain(answer)}"
        + (f"\n\n{error}" if error else "")
        for answer, error in zip(answers, errors, strict=True)
    ]
    return {
        "text/markdown": f"{out}\n</tr>\n</table>",
        "text/plain": "\n\n".join(texts),
        COLUMNS_TYPE: {"version": 1, "answers": shown},
    }


def _failure(error: GLMError | None) -> str:
    if error is None:
        return ""
    failed = _("Failed.")
    return f"\n\n**{failed}** {prose(str(error))}\n\n{prose(error.remedy)}".rstrip()


class ColumnsView:
    """One display that grows with several answers; in a terminal it is printed at the end."""

    def __init__(
        self, shell: InteractiveShell, answers: Sequence[Answer], errors: Sequence[Any]
    ) -> None:
        from IPython.core.displaypub import CapturingDisplayPublisher

        self._shell = shell
        self._answers = answers
        self._errors = errors
        self._loop = asyncio.get_running_loop()
        self._display_id = uuid4().hex
        captured = isinstance(shell.display_pub, CapturingDisplayPublisher)
        self._live = shows_updates(shell) and not captured
        self._shown = False
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._beat: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        """Publish now, or when the interval is over."""
        if not self._live or self._timer is not None:
            return
        length = sum(len(answer.text) + len(answer.reasoning) for answer in self._answers)
        interval = max(SHORTEST_INTERVAL, SECONDS_PER_CHARACTER * length)
        wait = self._last + interval - self._loop.time()
        self._timer = self._loop.call_later(max(0.0, wait), self._publish)

    def close(self) -> None:
        """Publish the finished answers."""
        self._live = False
        if self._timer:
            self._timer.cancel()
        self._publish()

    def _publish(self) -> None:
        self._timer = None
        if self._beat:
            self._beat.cancel()
        if self._live:
            self._beat = self._loop.call_later(HEARTBEAT, self._publish)
        self._last = self._loop.time()
        self._shell.display_pub.publish(
            columns(self._answers, self._errors),
            transient={"display_id": self._display_id},
            update=self._shown,
        )
        self._shown = True

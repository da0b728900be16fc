"""Answers of several models in columns: a table whose cells are markdown, for any front end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from glm_jupyter.text import literal, prose

from .live import SECONDS_PER_CHARACTER, SHORTEST_INTERVAL
from .markdown import markdown, plain
from .references import References

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from glm_jupyter.answer import Answer
    from glm_jupyter.api.errors import GLMError

# Attributes for front ends that drop styles, styles for those whose own are stronger.
_CELL = '<td width="{}%" align="left" valign="top" style="text-align: left; vertical-align: top">'


def columns(answers: Sequence[Answer], errors: Sequence[GLMError | None]) -> dict[str, str]:
    """The MIME bundle: each answer, or how it failed, under its model's name."""
    references = References()
    heads = "".join(f"<th>{literal(answer.model)}</th>" for answer in answers)
    # Between blank lines, what stands in a cell is markdown for every renderer.
    cell = _CELL.format(100 // len(answers))
    cells = [
        f"{cell}\n\n{markdown(answer, references)}{_failure(error)}\n\n</td>"
        for answer, error in zip(answers, errors, strict=True)
    ]
    texts = [
        f"{answer.model}\n{'-' * len(answer.model)}\n{plain(answer)}"
        + (f"\n\n{error}" if error else "")
        for answer, error in zip(answers, errors, strict=True)
    ]
    body = "\n".join(cells)
    return {
        "text/markdown": f"<table>\n<tr>{heads}</tr>\n<tr>\n{body}\n</tr>\n</table>",
        "text/plain": "\n\n".join(texts),
    }


def _failure(error: GLMError | None) -> str:
    if error is None:
        return ""
    return f"\n\n**Failed.** {prose(str(error))} {prose(error.remedy)}".rstrip()


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
        self._live = hasattr(shell, "kernel") and not captured
        self._shown = False
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None

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
        if self._timer:
            self._timer.cancel()
        self._publish()

    def _publish(self) -> None:
        self._timer = None
        self._last = self._loop.time()
        self._shell.display_pub.publish(
            columns(self._answers, self._errors),
            transient={"display_id": self._display_id},
            update=self._shown,
        )
        self._shown = True

"""A growing answer in a plain terminal: text as it comes, nothing drawn twice."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from glm_jupyter.language import _
from glm_jupyter.text import Cleaner

from . import calls, summary, value
from .markdown import after

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer

_DIM, _NORMAL = "\x1b[2m", "\x1b[0m"


class TerminalView:
    """Writes what is new in `answer` with `write` (by default to standard output).

    Reasoning is dimmed on a terminal that shows colours (not where NO_COLOR is set), and
    framed by two lines of text everywhere.
    """

    def __init__(self, answer: Answer, write: Callable[[str], object] | None = None) -> None:
        self._answer = answer
        self._write = write or _to_stdout
        colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._dim, self._normal = (_DIM, _NORMAL) if colours else ("", "")
        self._reasoning = _Shown()
        self._text = _Shown()
        self._calls = 0

    def status(self, text: str) -> None:
        """Say what is being waited for."""
        self._write(f"{text}\n")

    def changed(self) -> None:
        """Write what the answer has grown by."""
        reasoning, text = self._answer.reasoning, self._answer.text
        if new := self._reasoning.new(reasoning):
            title = "" if self._reasoning.begun else _("Thinking…") + "\n"
            self._reasoning.begun = True
            self._write(f"{self._dim}{title}{new}{self._normal}")
        if new := self._text.new(text):
            if not self._text.begun and self._reasoning.begun:
                self._write(f"\n{self._dim}{summary.thought(self._answer)}{self._normal}\n\n")
            self._text.begun = True
            self._write(new)
        while self._calls < len(made := self._answer.tool_calls) and "result" in made[self._calls]:
            self._write(f"\n{calls.line(made[self._calls])}\n")
            self._calls += 1

    def close(self) -> None:
        """Write the rest and the last line."""
        self.changed()
        for shown, codes in (
            (self._reasoning, (self._dim, self._normal)),
            (self._text, ("", "")),
        ):
            if rest := shown.rest():
                self._write(f"{codes[0]}{rest}{codes[1]}")
        if self._answer.parsed is not None:
            self._write(f"\n\n{value.plain(self._answer.parsed)}")
        begun = self._reasoning.begun or self._text.begun
        self._write(("\n\n" if begun else "") + "\n\n".join(after(self._answer)) + "\n")


class _Shown:
    """How much of a growing text has been written."""

    def __init__(self) -> None:
        self.begun = False
        self._length = 0
        self._cleaner = Cleaner()

    def new(self, text: str) -> str:
        again = len(text) < self._length  # the model is asked anew: what it said does not count
        fresh, self._length = f"\n\n{text}" if again else text[self._length :], len(text)
        return self._trim(self._cleaner.decode(fresh))

    def rest(self) -> str:
        return self._trim(self._cleaner.flush())

    def _trim(self, text: str) -> str:
        return text if self.begun else text.lstrip("\n")


def _to_stdout(text: str) -> None:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()

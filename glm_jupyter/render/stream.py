"""What the pages have been sent of one growing answer, and what they are sent next."""

from __future__ import annotations

import asyncio
import time
from contextvars import copy_context
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from . import summary
from .reader import Reading, edit, joined
from .words import words

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer

# A message on the websocket carries some 700 bytes besides its text. So text is gathered until
# it is worth a message, or until the page, which smooths what comes, would run dry.
WORTH_A_MESSAGE = 700
SHORTEST_PAUSE = 0.05
LONGEST_PAUSE = 0.35


class Stream:
    """Sends states and edits of one answer, as `labextension/PROTOCOL.md` describes them."""

    def __init__(self, send: Any, answer: Answer, place: dict[str, Any], waiting: str) -> None:
        self.place = place
        self.waiting = waiting
        self._send = send
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()  # says which cell's messages these are
        self._timer: asyncio.TimerHandle | None = None
        self._number = 0
        self._reading = Reading()
        self._told: dict[str, list[str]] = {"text": [], "reasoning": []}
        self._said: tuple[Any, ...] = ()
        self._last = 0.0
        self._state_wanted = True
        self._closed = False

    def grow(self) -> None:
        """Send what is new, now or, gathered with what follows, a moment later."""
        waited = time.monotonic() - self._last
        if self._state_wanted or waited >= self._pause():
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._pause() - waited, self._flush)

    def want_state(self) -> None:
        """Send the whole answer next: some page does not have all of it."""
        self._state_wanted = True
        self._loop.call_soon_threadsafe(self._flush, context=self._context)

    def close(self, *, tell: bool) -> None:
        """Send nothing more, for the final display has it all; but to a page that has asked."""
        if tell and self._state_wanted:
            self._flush()
        self._cancel()
        self._closed = True

    def _pause(self) -> float:
        answer = self._answer
        waiting = len(answer.text) + len(answer.reasoning) - self._reading.length
        return SHORTEST_PAUSE if waiting >= WORTH_A_MESSAGE else LONGEST_PAUSE

    def _flush(self) -> None:
        if self._closed:
            return
        self._cancel()
        answer = self._answer
        self._state_wanted |= not self._reading.update(answer)
        parts = {"text": self._reading.text.parts(), "reasoning": self._reading.reasoning.parts()}
        waiting = "" if answer.begun else self.waiting
        said = (_calls_to_tell(answer), summary.thought(answer), waiting)
        message: dict[str, Any] = {"id": answer.id, "n": self._number}
        if self._state_wanted or said != self._said:
            shown = {name: joined(blocks)._asdict() for name, blocks in parts.items()}
            vendor = {**answer.to_json(), "words": words(answer, waiting)}
            del vendor["text"], vendor["reasoning"]
            message |= {"type": "state", **self.place, "answer": vendor, "shown": shown}
            self._said = said
        else:
            edits = {
                name: edit(self._told[name], blocks)
                for name, blocks in parts.items()
                if blocks != self._told[name]
            }
            if not edits:
                return
            message |= {"type": "edit", **edits}
        self._told = parts
        self._state_wanted = False
        self._number += 1
        self._last = time.monotonic()
        self._send(message)

    def _cancel(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


def _calls_to_tell(answer: Answer) -> list[dict[str, Any]]:
    """The calls as far as they are worth a state: arguments once they are whole."""
    calls = deepcopy(answer.tool_calls)  # they are filled in where they stand
    for call in calls:
        if not (answer.finished or "result" in call):
            call["function"]["arguments"] = ""
    return calls

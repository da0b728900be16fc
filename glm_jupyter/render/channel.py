"""The live channel: the kernel's side of what `labextension/PROTOCOL.md` describes."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextvars import copy_context
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from . import summary
from .reader import Reading, edit, joined

if TYPE_CHECKING:
    from comm.base_comm import BaseComm
    from IPython.core.interactiveshell import InteractiveShell

    from glm_jupyter.answer import Answer

TARGET = "glm-jupyter.answer"

# A message on the websocket carries some 700 bytes besides its text. So text is gathered until
# it is worth a message, or until the page, which smooths what comes, would run dry.
WORTH_A_MESSAGE = 700
SHORTEST_PAUSE = 0.05
LONGEST_PAUSE = 0.35

# Finished answers that a page which comes late can still ask for.
KEPT = 8


class Channel:
    """Sends growing answers to every page that has the JupyterLab extension.

    There is one comm for a kernel and its id is its target's name, so a page that comes late
    knows it without asking: a kernel that is busy with a cell answers no `comm_info_request`.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        from comm import create_comm, get_comm_manager

        self._shell = shell
        self._streams: dict[str, _Stream] = {}
        self._ended: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._listening = False
        self._closed = False
        # Where nobody looks on, the opening would only make nbclient warn of an unknown comm.
        self._comm = create_comm(
            target_name=TARGET,
            comm_id=TARGET,
            data={"type": "hello"},
            primary=not _is_batch(shell),
        )
        if _is_batch(shell):
            get_comm_manager().register_comm(self._comm)
        self._hear(self._comm)

    @property
    def listening(self) -> bool:
        """Whether some page with the extension has said hello."""
        return self._listening

    def begin(self, answer: Answer, display_id: str) -> None:
        """Announce an answer that is shown under `display_id`, in the cell that runs now."""
        parent = self._shell.kernel.get_parent("shell")  # type: ignore[attr-defined]
        place = {
            "display": display_id,
            "cell": parent.get("metadata", {}).get("cellId"),
            "request": parent.get("header", {}).get("msg_id"),
        }
        self._streams[answer.id] = _Stream(self._send, answer, place)
        self.delta(answer)

    def delta(self, answer: Answer) -> None:
        """Send what is new in `answer`, now or, gathered with what follows, a moment later."""
        if self._listening and (stream := self._streams.get(answer.id)):
            stream.grow()

    def end(self, answer: Answer, bundle: dict[str, Any]) -> None:
        """Say that `answer` has ended. `bundle` is its final display, for pages that missed it."""
        stream = self._streams.pop(answer.id, None)
        if stream is None:
            return
        self._ended[answer.id] = {"type": "end", "id": answer.id, **stream.place, "bundle": bundle}
        while len(self._ended) > KEPT:
            self._ended.popitem(last=False)
        stream.close(tell=self._listening)
        if self._listening:
            self._send({"type": "end", "id": answer.id})

    def close(self) -> None:
        """Close the comm; a later `channel_for` opens it again."""
        global _channel
        self._closed = True
        self._listening = False
        self._comm.close()
        if _channel is self:
            _channel = None

    def _send(self, data: dict[str, Any]) -> None:
        self._comm.send(data)

    def _hear(self, comm: BaseComm) -> None:
        comm.on_msg(self._heard)
        comm.on_close(self._reopen)

    def _heard(self, message: dict[str, Any]) -> None:
        """Take a page's message. It may come in another thread than the answer grows in."""
        data = message["content"]["data"]
        wanted = data.get("id")
        match data.get("type"):
            case "hello":
                if not self._listening:
                    self._listening = True
                    for stream in list(self._streams.values()):
                        stream.want_state()
            case "state" if wanted in self._streams:
                self._listening = True
                self._streams[wanted].want_state()
            case "state" if wanted in self._ended:
                self._send(self._ended[wanted])
            case "state":
                self._send({"type": "unknown", "id": wanted})

    def _reopen(self, _message: dict[str, Any]) -> None:
        """Stay open for the other pages: a page without the extension has closed the comm."""
        if self._closed:
            return
        from comm import create_comm, get_comm_manager

        self._comm = create_comm(target_name=TARGET, comm_id=TARGET, primary=False)
        get_comm_manager().register_comm(self._comm)
        self._hear(self._comm)


class _Stream:
    """What the pages have been sent of one answer."""

    def __init__(self, send: Any, answer: Answer, place: dict[str, Any]) -> None:
        self.place = place
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
        said = (_calls_to_tell(answer), summary.thought(answer))
        message: dict[str, Any] = {"id": answer.id, "n": self._number}
        if self._state_wanted or said != self._said:
            shown = {name: joined(blocks)._asdict() for name, blocks in parts.items()}
            vendor = {**answer.to_json(), "words": summary.words(answer)}
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


def _is_batch(shell: InteractiveShell) -> bool:
    """Whether nbclient runs the notebook, for nbconvert, papermill or a test: it has a kernel
    that keeps no history.
    """
    history = getattr(shell, "history_manager", None)
    return getattr(history, "hist_file", None) == ":memory:"


def _calls_to_tell(answer: Answer) -> list[dict[str, Any]]:
    """The calls as far as they are worth a state: arguments once they are whole."""
    calls = deepcopy(answer.tool_calls)  # they are filled in where they stand
    for call in calls:
        if not (answer.finished or "result" in call):
            call["function"]["arguments"] = ""
    return calls


_channel: Channel | None = None


def channel_for(shell: InteractiveShell) -> Channel | None:
    """The channel of `shell`'s kernel, opened at first use; None where there is no kernel."""
    global _channel
    if _channel is None and hasattr(shell, "kernel"):
        _channel = Channel(shell)
    return _channel

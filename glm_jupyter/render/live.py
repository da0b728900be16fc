"""Which updates of a growing answer are published, where, and when."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from glm_jupyter.language import _
from glm_jupyter.text import clean, literal

from .frontend import shows_updates
from .markdown import VENDOR_TYPE, below, bundle, made_only, markdown
from .terminal import TerminalView
from .words import words

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from glm_jupyter.answer import Answer

# A front end without our extension draws the whole answer anew at each update. Its cost grows
# with the length (about 0.14 s per 1,000 characters rich in formulas, JupyterLab 4.6, two
# cores), and so do the bytes; this keeps drawing to a third of the time and the bytes of all
# updates together to a small multiple of the text.
SHORTEST_INTERVAL = 0.1
SECONDS_PER_CHARACTER = 0.4 / 1000

# With the extension the text flows through the channel, and a page that reloads asks there. A
# full copy goes into the notebook only so that a kernel's death in a long answer loses little.
CHECKPOINT_SECONDS = 120.0

# How long a quiet service may keep the reader without a sign.
SILENCE_SECONDS = 1.0


class View(Protocol):
    """Shows one answer while it grows."""

    def status(self, text: str) -> None:
        """Say what is being waited for."""

    def changed(self) -> None:
        """The answer has grown."""

    def close(self) -> None:
        """The answer will not grow any more."""


class CapturedView:
    """For `%%capture` and its like: only the finished answer counts."""

    def __init__(self, shell: InteractiveShell, answer: Answer) -> None:
        self._shell = shell
        self._answer = answer

    def status(self, text: str) -> None:
        """Say nothing: nobody is looking."""

    def changed(self) -> None:
        """Wait for the end."""

    def close(self) -> None:
        """Publish the answer."""
        self._shell.display_pub.publish(
            bundle(self._answer), transient={"display_id": _display_id()}
        )
        if made_only(self._answer):
            self._shell.display_pub.publish(below(self._answer))


class NotebookView:
    """One display in the notebook, brought up to date at an interval that grows with the text."""

    def __init__(self, shell: InteractiveShell, answer: Answer, channel: Any = None) -> None:
        self._shell = shell
        self._answer = answer
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._display_id = _display_id()
        self._shown = False
        self._streaming = False
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._silence = self._loop.call_later(
            SILENCE_SECONDS, self.status, _("Waiting for {model} …").format(model=answer.model)
        )

    def status(self, text: str) -> None:
        """Show `text` in the place of the answer, until there is one."""
        self._silence.cancel()
        if self._answer.begun:
            return
        if self._streaming:
            self._channel.waiting(self._answer, text)
        elif self._channel is not None and self._channel.listening:
            self._stream(text)
        else:
            self._publish(_remark(text))

    def changed(self) -> None:
        """Publish now, or when the interval is over."""
        if not self._answer.begun:
            return
        self._silence.cancel()
        if self._streaming:
            self._channel.delta(self._answer)
        elif self._channel is not None and self._channel.listening:
            self._stream()
        if self._timer is None:
            wait = self._last + self._interval() - self._loop.time()
            if wait > 0:
                self._timer = self._loop.call_later(wait, self._update)
            else:
                self._update()

    def close(self) -> None:
        """Publish the finished answer, in every form."""
        self._silence.cancel()
        self._cancel()
        if not (self._shown or self._answer.begun or self._answer.finished):
            return  # the error that follows says it all
        final = bundle(self._answer)
        self._publish(final)
        if self._streaming:
            self._channel.end(self._answer, final)
        if made_only(self._answer):
            self._shell.display_pub.publish(below(self._answer))

    def _stream(self, waiting: str = "") -> None:
        """Let the text go through the channel from now on."""
        self._cancel()
        begun = self._shown and self._answer.begun
        self._publish(bundle(self._answer) if begun else self._place(waiting))
        self._channel.begin(self._answer, self._display_id, waiting)
        self._streaming = True

    def _place(self, waiting: str) -> dict[str, Any]:
        """The answer without its text, which the channel is about to bring."""
        vendor = {
            **self._answer.to_json(),
            "text": "",
            "reasoning": "",
            "blocks": {"reasoning": [], "text": []},
            "words": words(self._answer, waiting),
        }
        model = self._answer.model
        remark = _remark(waiting or _("{model} is answering …").format(model=model))
        return {**remark, VENDOR_TYPE: vendor}

    def _cancel(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _interval(self) -> float:
        if self._streaming:
            return CHECKPOINT_SECONDS
        length = len(self._answer.text) + len(self._answer.reasoning)
        return max(SHORTEST_INTERVAL, SECONDS_PER_CHARACTER * length)

    def _update(self) -> None:
        self._timer = None
        if self._streaming:
            self._publish(bundle(self._answer))
        else:
            self._publish({"text/markdown": markdown(self._answer)})

    def _publish(self, data: dict[str, Any]) -> None:
        self._last = self._loop.time()
        self._shell.display_pub.publish(
            data, transient={"display_id": self._display_id}, update=self._shown
        )
        self._shown = True


def view_for(shell: InteractiveShell, answer: Answer, channel: Any = None) -> View:
    """The view that fits where `shell` shows its output."""
    from IPython.core.displaypub import CapturingDisplayPublisher

    if isinstance(shell.display_pub, CapturingDisplayPublisher):
        return CapturedView(shell, answer)
    if shows_updates(shell):
        return NotebookView(shell, answer, channel)
    return TerminalView(answer)


def _remark(text: str) -> dict[str, Any]:
    """A bundle for a line of ours, which may quote what a service said."""
    text = " ".join(clean(text).split())
    return {"text/markdown": f"*{literal(text)}*", "text/plain": text}


def _display_id() -> str:
    return uuid4().hex

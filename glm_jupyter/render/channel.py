"""The live channel: the kernel's side of what `labextension/PROTOCOL.md` describes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from glm_jupyter import language

if TYPE_CHECKING:
    from comm.base_comm import BaseComm
    from IPython.core.interactiveshell import InteractiveShell

    from glm_jupyter.answer import Answer

    from .stream import Stream

TARGET = "glm-jupyter.answer"

# What kernel and page must agree on. It counts up whenever PROTOCOL.md changes in a way that the
# other side would not understand; a page with another number gets full updates.
PROTOCOL = 1

# Seconds that a page may take to tell its cells.
PATIENCE = 2.0
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
        self._streams: dict[str, Stream] = {}
        self._ended: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._wanted: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Future[Any]]] = {}
        self._listening = False
        self._closed = False
        # Whether a page has said hello that speaks another protocol.
        self.skewed = False
        # What else a page may ask for: what is called by the type of its message.
        self.asked: dict[str, Callable[[], None]] = {}
        # Where nobody looks on, the opening would only make nbclient warn of an unknown comm.
        self._comm = create_comm(
            target_name=TARGET,
            comm_id=TARGET,
            data=_hello(),
            primary=not _is_batch(shell),
        )
        if _is_batch(shell):
            get_comm_manager().register_comm(self._comm)
        self._hear(self._comm)

    @property
    def listening(self) -> bool:
        """Whether some page that speaks this protocol has said hello."""
        return self._listening

    def begin(self, answer: Answer, display_id: str, waiting: str = "") -> None:
        """Announce an answer that is shown under `display_id`, in the cell that runs now.

        `waiting` says what is waited for while nothing of it has come.
        """
        from .stream import Stream  # reads markdown, which %load_ext need not wait for

        parent = self._shell.kernel.get_parent()  # type: ignore[attr-defined]
        place = {
            "display": display_id,
            "cell": parent.get("metadata", {}).get("cellId"),
            "request": parent.get("header", {}).get("msg_id"),
        }
        self._streams[answer.id] = Stream(self.send, answer, place, waiting)
        self.delta(answer)

    def delta(self, answer: Answer) -> None:
        """Send what is new in `answer`, now or, gathered with what follows, a moment later."""
        if self._listening and (stream := self._streams.get(answer.id)):
            stream.grow()

    def waiting(self, answer: Answer, text: str) -> None:
        """Say what is waited for now."""
        if stream := self._streams.get(answer.id):
            stream.waiting = text
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
            self.send({"type": "end", "id": answer.id})

    def close(self) -> None:
        """Close the comm; a later `channel_for` opens it again."""
        global _channel
        self._closed = True
        self._listening = False
        self._comm.close()
        if _channel is self:
            _channel = None

    def send(self, data: dict[str, Any]) -> None:
        """Send a message to all pages."""
        self._comm.send(data)

    async def cells_above(self, cell: str) -> list[dict[str, Any]] | None:
        """The cells above `cell` as a page has them now; None where none tells."""
        if not self._listening:
            return None
        loop = asyncio.get_running_loop()
        asked, future = uuid4().hex, loop.create_future()
        self._wanted[asked] = loop, future
        self.send({"type": "cells", "id": asked, "cell": cell})
        try:
            cells = await asyncio.wait_for(future, PATIENCE)
        except TimeoutError:
            return None
        finally:
            self._wanted.pop(asked, None)
        return cells if isinstance(cells, list) else None

    def _hear(self, comm: BaseComm) -> None:
        comm.on_msg(self._heard)
        comm.on_close(self._reopen)

    def _heard(self, message: dict[str, Any]) -> None:
        """Take a page's message. It may come in another thread than the answer grows in."""
        data = message["content"]["data"]
        wanted = data.get("id")
        match data.get("type"):
            case "hello" if data.get("protocol", 1) != PROTOCOL:
                self.skewed = True
                self.send(_hello())  # so that the page, which may not have heard it, can say so
            case "hello":
                language.choose(data.get("language"))
                if not self._listening:
                    self._listening = True
                    for stream in list(self._streams.values()):
                        stream.want_state()
            case "state" if wanted in self._streams:
                self._streams[wanted].want_state()
            case "state" if wanted in self._ended:
                self.send(self._ended[wanted])
            case "state":
                self.send({"type": "unknown", "id": wanted})
            case "cells" if (waiting := self._wanted.pop(wanted, None)) is not None:
                loop, future = waiting
                loop.call_soon_threadsafe(_fulfil, future, data.get("cells"))
            case str(kind) if kind in self.asked:
                self.asked[kind]()

    def _reopen(self, _message: dict[str, Any]) -> None:
        """Stay open for the other pages: a page without the extension has closed the comm."""
        if self._closed:
            return
        from comm import create_comm, get_comm_manager

        self._comm = create_comm(target_name=TARGET, comm_id=TARGET, primary=False)
        get_comm_manager().register_comm(self._comm)
        self._hear(self._comm)


def _hello() -> dict[str, Any]:
    from importlib.metadata import version

    return {"type": "hello", "protocol": PROTOCOL, "version": version("glm-jupyter")}


def _fulfil(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _is_batch(shell: InteractiveShell) -> bool:
    """Whether nbclient runs the notebook, for nbconvert, papermill or a test: it has a kernel
    that keeps no history.
    """
    history = getattr(shell, "history_manager", None)
    return getattr(history, "hist_file", None) == ":memory:"


_channel: Channel | None = None


def channel_for(shell: InteractiveShell) -> Channel | None:
    """The channel of `shell`'s kernel, opened at first use; None where there is no kernel."""
    global _channel
    if _channel is None and hasattr(shell, "kernel"):
        _channel = Channel(shell)
    return _channel

"""Engine: starts, shares and stops the child process that answers on this machine."""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import os
import secrets
import sys
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from glm_jupyter.api.errors import InputError
from glm_jupyter.language import _

from . import weights
from .child import Child, EngineError
from .gguf import read_head
from .progress import FetchBar
from .weights import EMBEDDED, Progress, Stopped


@dataclass(frozen=True, slots=True)
class Status:
    """What the engine does.

    `model` is the name to ask for at the endpoint `local`, `context` its window in tokens,
    `note` what to say beside each of its answers.
    """

    running: bool
    model: str
    file: Path | None = None
    url: str | None = None
    pid: int | None = None
    context: int | None = None
    threads: int | None = None
    note: str = ""


def installed() -> bool:
    """Whether llama.cpp is in this environment (the extra `local`)."""
    return importlib.util.find_spec("xllamacpp") is not None


def check_place() -> None:
    """Raise InputError where there are no processes for an engine."""
    if sys.platform == "emscripten":
        raise InputError(
            _("The embedded engine cannot run in a browser."),
            remedy=_("Name a hosted model, or a server that lets pages ask it."),
        )


def engine() -> Engine:
    """The one engine of this process; it ends with the process."""
    global _engine
    with _making:
        if _engine is None:
            _engine = Engine()
            atexit.register(_stop_own, _engine, os.getpid())
        return _engine


_engine: Engine | None = None
_making = threading.Lock()


def _stop_own(one: Engine, owner: int) -> None:
    if os.getpid() == owner:  # a forked process must not stop its parent's engine
        one.stop()


class Engine:
    """One llama.cpp server in a child process, on 127.0.0.1, for holders of `key` only.

    It holds one model at a time: starting another stops the one before, whose unfinished
    answers break off. Safe to use from several coroutines, event loops and threads.
    """

    def __init__(self) -> None:
        self.key = secrets.token_urlsafe(32)
        self._files: dict[str, Path] = {}
        self._default = EMBEDDED.name
        self._state = threading.Lock()
        self._turn = threading.Lock()  # held by the one start that is at work
        self._start: _Start | None = None
        self._child: Child | None = None

    def use(self, path: str | Path) -> str:
        """Make the GGUF file at `path` the default model, and return its name: the file's stem.

        Raises InputError where it is not such a file.
        """
        self._default = self._add(Path(path))
        return self._default

    def knows(self, model: str) -> bool:
        """Whether `model` (with or without `local/`) is the embedded one or a file in use."""
        name = model.removeprefix("local/")
        return name == EMBEDDED.name or name in self._files

    async def start(self, model: str | Path | None = None, progress: Progress | None = None) -> str:
        """Start the engine unless it runs, and return its base URL, which ends in /v1.

        `model` is a name (`local/smollm2-135m`), the path of a GGUF file, or None for the
        default: the embedded model, or the file last given to `use`. `progress` hears of the
        one-time fetch of weights (bytes so far, bytes in all); without it a bar is shown.
        Cancelling the last waiting caller ends fetch and start, and leaves nothing behind.

        Raises InputError (not installed, no such model), NetworkError (weights out of reach)
        and EngineError (the model does not load), each with what to do.
        """
        name = self._resolve(model)
        with self._state:
            start = self._start
            if start is None or start.name != name or start.stop.is_set():
                if start is None and self._serves(name):
                    return self._child.url  # type: ignore[union-attr]
                start = self._start = _Start(name)
                threading.Thread(target=self._work, args=(start,), daemon=True).start()
            first = start.waiting == 0
            start.waiting += 1
        try:
            with FetchBar() as bar:
                show = progress or bar
                while not start.url.done():
                    await asyncio.sleep(0.02)
                    if first and start.total:
                        show(start.done, start.total)
                return start.url.result()
        finally:
            with self._state:
                start.waiting -= 1
                if not start.waiting and not start.url.done():
                    start.end()

    def stop(self) -> None:
        """Stop the engine, and a start that is under way."""
        with self._state:
            if self._start is not None:
                self._start.end()
            child, self._child = self._child, None
        if child is not None:
            child.end()

    def status(self) -> Status:
        """What runs now; where nothing runs, what would."""
        with self._state:
            child = self._child
        if child is not None and child.alive:
            return Status(
                running=True,
                model=child.name,
                file=child.file,
                url=child.url,
                pid=child.process.pid,
                context=child.context,
                threads=child.threads,
                note=_note(child.name),
            )
        name = self._default
        file = weights.found() if name == EMBEDDED.name else self._files[name]
        return Status(running=False, model=name, file=file, note=_note(name))

    def _add(self, path: Path) -> str:
        path = path.expanduser().absolute()
        read_head(path)
        name = path.stem.lower()
        if name == EMBEDDED.name:
            raise InputError(
                _("{file} would be called like the embedded model, {model}.").format(
                    file=path.name, model=EMBEDDED.name
                ),
                remedy=_("Give the file another name."),
            )
        self._files[name] = path
        return name

    def _resolve(self, model: str | Path | None) -> str:
        check_place()
        if not installed():
            raise InputError(
                _("The embedded engine is not installed."),
                remedy=_(
                    'Install it with %pip install "glm-jupyter[local]", restart the kernel; '
                    "or name a hosted model and set ZAI_API_KEY."
                ),
            )
        if model is None:
            return self._default
        if isinstance(model, Path):
            return self._add(model)
        if self.knows(model):
            return model.removeprefix("local/")
        names = ", ".join(f"local/{name}" for name in (EMBEDDED.name, *self._files))
        raise InputError(
            _("The embedded engine has no model {model!r}. It has: {names}.").format(
                model=model, names=names
            ),
            remedy=_("Add one: %glm local use FILE.gguf"),
        )

    def _serves(self, name: str) -> bool:
        child = self._child
        if child is None or child.name != name or not child.alive:
            return False
        return name == EMBEDDED.name or child.file == self._files[name]

    def _work(self, start: _Start) -> None:
        """A start, in its own thread: everything that blocks."""
        try:
            with self._turn:
                url = self._launch(start)
        except BaseException as error:
            self._finish(start, error=error)
        else:
            self._finish(start, url=url)

    def _finish(self, start: _Start, url: str = "", error: BaseException | None = None) -> None:
        with self._state:
            if self._start is start:
                self._start = None
            if isinstance(error, Stopped):
                error = EngineError(_("The embedded engine was stopped before it was ready."))
            if error is not None:
                start.url.set_exception(error)
            else:
                start.url.set_result(url)

    def _launch(self, start: _Start) -> str:
        with self._state:
            if self._serves(start.name):
                return self._child.url  # type: ignore[union-attr]
            before, self._child = self._child, None
        if before is not None:
            before.end()
        embedded = start.name == EMBEDDED.name
        file = weights.ensure(start.report, start.stop) if embedded else self._files[start.name]
        with self._state:
            if start.stop.is_set():
                raise Stopped
            child = start.child = Child(start.name, file, self.key)
        try:
            child.wait_until_ready()
            with self._state:
                if start.stop.is_set():
                    raise Stopped
                self._child, start.child = child, None
        except BaseException:
            child.end()
            if start.stop.is_set():
                raise Stopped from None
            raise
        return child.url


@dataclass(eq=False)
class _Start:
    """A start under way, shared by all who wait for it."""

    name: str
    url: Future[str] = field(default_factory=Future)
    stop: threading.Event = field(default_factory=threading.Event)
    waiting: int = 0
    done: int = 0
    total: int = 0
    child: Child | None = None

    def report(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    def end(self) -> None:
        self.stop.set()
        if self.child is not None:
            self.child.process.kill()  # its thread, which reads from it, wakes and tidies up


def _note(name: str) -> str:
    return _(EMBEDDED.note) if name == EMBEDDED.name else ""

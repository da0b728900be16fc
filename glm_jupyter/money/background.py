"""Writing in the background: a disk may take its time, and no answer waits for it."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Background(Generic[Item]):
    """A thread that hands to `write` what has come together since the last time, in order."""

    def __init__(self, write: Callable[[list[Item]], object]) -> None:
        self._write = write
        self._waiting: deque[Item] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="glm-jupyter-disk")

    def add(self, item: Item) -> None:
        """Write this soon."""
        self._waiting.append(item)
        self.submit(self._drain)

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Do something in the thread, after all that was added before is written."""
        if sys.platform == "emscripten":  # has no threads
            done: Future[Result] = Future()
            done.set_result(work())
            return done
        return self._thread.submit(work)

    def close(self) -> None:
        """Wait until everything is written."""
        self._thread.shutdown()

    def _drain(self) -> None:
        items = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if items:
            self._write(items)

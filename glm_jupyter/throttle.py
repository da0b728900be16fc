"""How often something is drawn or told: at once, but no more than a few times a second."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from threading import Lock, Timer
from time import monotonic

INTERVAL = 0.25  # seconds from one drawing to the next


class Throttle:
    """Draws when something has changed, and what has changed since once the interval is over.

    The late drawing is in a thread of its own: the loop that runs now may end before it, where
    there is one at all, and answers need not wait for what the ledger has to add up.
    """

    def __init__(self, draw: Callable[[], object]) -> None:
        self._draw = draw
        self._lock = Lock()
        self._last = 0.0
        self._timer: object = None

    def now(self) -> None:
        """Draw without waiting."""
        self._last = monotonic()
        self._draw()
        self._last = monotonic()

    def soon(self) -> None:
        """Draw now, or once when the interval since the last drawing is over."""
        with self._lock:
            if self._timer is not None:
                return
            wait = self._last + INTERVAL - monotonic()
            if wait > 0:
                self._timer = _call_later(wait, self._late)
                return
        self.now()

    def _late(self) -> None:
        with self._lock:
            # What changes from here on may miss this drawing, so it asks for one more.
            self._timer = None
            self._last = monotonic()
        self.now()


def _call_later(seconds: float, draw: Callable[[], object]) -> object:
    if sys.platform == "emscripten":  # no threads, and one loop that never ends
        return asyncio.get_running_loop().call_later(seconds, draw)
    timer = Timer(seconds, draw)
    timer.daemon = True
    timer.start()
    return timer

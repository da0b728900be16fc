"""How far a map is: a bar that a terminal forgets, and that a notebook keeps as one plain line.

tqdm writes the bar. Its own notebook bar is a widget, which a reopened notebook shows as an error.
"""

from __future__ import annotations

import asyncio
from math import ceil
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING

from glm_jupyter.language import _
from glm_jupyter.money.words import amount
from glm_jupyter.render.frontend import shows_updates
from glm_jupyter.render.line import Line
from glm_jupyter.render.summary import seconds

if TYPE_CHECKING:
    from .scheduler import Tally

INTERVAL = 0.25  # seconds between updates


def progress(tally: Tally) -> Progress:
    """What fits where output is shown: a kernel's display, or standard error."""
    from IPython.core.getipython import get_ipython

    return _Line(tally) if shows_updates(get_ipython()) else _Bar(tally)


class Progress:
    """Shows a tally while it changes; to be used in a running event loop."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Progress:
        self._update()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer:
            self._timer.cancel()
        self._close()

    def _update(self) -> None:
        self._show()
        # Also where nothing has changed but the time: a wait that shows nothing looks like a fault.
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._update)

    def _show(self) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError


class _Bar(Progress):
    def __init__(self, tally: Tally) -> None:
        super().__init__(tally)
        from tqdm import tqdm

        # disable=None: only where somebody watches
        unit = _(" answers")
        self._bar = tqdm(total=tally.total, unit=unit, leave=False, disable=None)

    def _show(self) -> None:
        tally = self._tally
        self._bar.set_postfix_str(_so_far(tally), refresh=False)
        self._bar.update(tally.done + tally.failed - self._bar.n)

    def _close(self) -> None:
        self._bar.close()


class _Line(Progress):
    def __init__(self, tally: Tally) -> None:
        super().__init__(tally)
        self._line = Line()

    def _show(self) -> None:
        from tqdm import tqdm

        tally = self._tally
        self._line.show(
            tqdm.format_meter(
                tally.done + tally.failed,
                tally.total or 0,
                monotonic() - tally.begun,
                ncols=100,
                unit=_(" answers"),
                initial=tally.kept,
                postfix=_so_far(tally),
            )
        )

    def _close(self) -> None:
        self._line.show(summary(self._tally))


def summary(tally: Tally) -> str:
    """What has come of it, in a line."""
    text = _("{done:,} answered")
    if tally.total not in (None, tally.done):
        text = _("{done:,} of {total:,} answered")
    parts = [text.format(done=tally.done, total=tally.total)]
    if tally.cut:
        parts.append(_("{count:,} cut off").format(count=tally.cut))
    if tally.failed:
        parts.append(_("{count:,} failed").format(count=tally.failed))
    if tally.kept:
        parts.append(_("{count:,} kept from an earlier run").format(count=tally.kept))
    if tally.asked:
        parts.append(_("recorded") if tally.recorded else _cost(tally))
    parts.append(seconds(monotonic() - tally.begun))
    return " · ".join(parts)


def _so_far(tally: Tally) -> str:
    parts = [_("{count} cut off").format(count=tally.cut)] if tally.cut else []
    if tally.failed:
        parts.append(_("{count} failed").format(count=tally.failed))
    if tally.asked and not tally.recorded:
        parts.append(_cost(tally))
    if tally.says:
        parts.append(tally.says)
    wait = ceil(tally.waits_until - monotonic())
    if tally.in_flight:
        parts.append(_("{count} in flight").format(count=tally.in_flight))
    elif wait > 0:
        parts.append(_("asking again in {seconds} s").format(seconds=wait))
    return ", ".join(parts)


def _cost(tally: Tally) -> str:
    if tally.unpriced:
        text = _("{count} of unknown cost")
        if tally.paid:
            text = _("{cost} and {count} of unknown cost")
        return text.format(count=tally.unpriced, cost=amount(tally.paid, tally.currency))
    return amount(tally.paid, tally.currency)

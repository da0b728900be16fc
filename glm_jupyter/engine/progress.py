"""The progress of the one-time fetch, in a terminal and in a notebook."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from glm_jupyter.language import _
from glm_jupyter.render.frontend import shows_updates
from glm_jupyter.render.line import Line

from .weights import EMBEDDED


class FetchBar:
    """A bar that nobody sees any more once the weights are there, also in a saved notebook.

    tqdm's own notebook bar is a widget, which a reopened notebook shows as an error.
    Nothing is shown before the first call.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._line = Line()
        self._begun = self._shown = 0.0

    def __enter__(self) -> FetchBar:
        return self

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` bytes are here."""
        from IPython.core.getipython import get_ipython

        if shows_updates(get_ipython()):
            self._show_line(done, total)
        else:
            self._show_bar(done, total)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._line.shown:
            said = ""
            if error:
                said = _("The weights of {model} were not fetched.").format(model=EMBEDDED.title)
            self._line.show(said)

    def _show_bar(self, done: int, total: int) -> None:
        from tqdm import tqdm

        if self._bar is None:
            # disable=None: only where somebody watches
            self._bar = tqdm(
                desc=_title(), total=total, unit="B", unit_scale=True, leave=False, disable=None
            )
        self._bar.update(done - self._bar.n)

    def _show_line(self, done: int, total: int) -> None:
        from tqdm import tqdm

        now = time.monotonic()
        if not self._line.shown:
            self._begun = now
        elif now - self._shown < 0.25:
            return
        self._shown = now
        elapsed = now - self._begun
        meter = tqdm.format_meter(
            done, total, elapsed, ncols=80, prefix=_title(), unit="B", unit_scale=True
        )
        self._line.show(meter)


def _title() -> str:
    return _("Fetching {model}, once").format(model=EMBEDDED.title)

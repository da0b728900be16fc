"""The panel: a view of the session in ipywidgets, and its choices by hand."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from threading import RLock
from typing import TYPE_CHECKING

import ipywidgets as widgets

from glm_jupyter.language import _
from glm_jupyter.sessions.settings import NAMES
from glm_jupyter.throttle import Throttle

from . import spending as bill
from .controls import Controls
from .gateway import GatewaySums
from .html import reasoning, so_far, status, trouble

if TYPE_CHECKING:
    from traitlets import HasTraits

    from glm_jupyter.sessions.session import Session

# What answers change, many times a second where many are under way.
TRAFFIC = ("last", "spent", "unpriced", "running")


class Panel:
    """Widgets that show a session and change it; all panels of a session stay in step.

    `widget` is what to display. Nothing is kept here: every value lives in the session, and
    nothing of an answer but a view of its reasoning.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        # A kernel may run callbacks of widgets in a thread of their own, and late drawings are.
        self._lock = RLock()
        self._status = widgets.HTML()
        # Beside the status, which is spoken whenever it changes: this changes all the time.
        self._so_far = widgets.HTML()
        self._stop = widgets.Button(
            description=_("Stop"),
            icon="stop",
            tooltip=_("Stop the answer; what has arrived is kept"),
        )
        self._stop.on_click(lambda button: session.stop_running())
        self._choosing = Controls(session, self._lock)
        self._spending = widgets.HTML()
        self._gateway = GatewaySums()
        self._reasoning = widgets.HTML()
        style = (resources.files(__package__) / "panel.css").read_text("utf-8")
        self.widget = widgets.VBox(
            [
                widgets.HTML(f"<style>{style}</style>"),
                _classed(
                    widgets.Box([widgets.Box([self._status, self._so_far]), self._stop]),
                    "glm-panel-head",
                ),
                _classed(widgets.Box([self._choosing.widget, self._spending]), "glm-panel-columns"),
                self._gateway.widget,
                self._reasoning,
            ]
        )
        self.widget.add_class("glm-panel")
        redrawing = Throttle(self._show)
        # The rest of the panel waits for the end of the answer: it costs more to draw.
        measuring = Throttle(self._show_so_far)
        self._observe(session, list(NAMES), redrawing.now)
        self._observe(session.settings, list(NAMES), redrawing.now)
        self._observe(session, list(TRAFFIC), redrawing.soon)
        self._observe(session.budgets, ["revision"], redrawing.soon)
        self._observe(session.budgets, ["revision"], self._gateway.refresh)
        self._observe(session.budgets, ["measured"], measuring.soon)
        self._redraw = redrawing.now
        self.refresh()

    def _observe(self, source: HasTraits, names: list[str], draw: Callable[[], None]) -> None:
        """Call `draw` when one of these has changed, until the widgets are closed."""

        def changed(change: object) -> None:
            if self.closed:
                source.unobserve(changed, names)
            else:
                draw()

        source.observe(changed, names)

    @property
    def closed(self) -> bool:
        """Whether somebody has closed its widgets, so that they cannot be shown any more."""
        return self.widget.comm is None

    def refresh(self) -> None:
        """Draw all anew, after what tells nobody: a new key, a new day."""
        self._redraw()
        self._gateway.refresh()

    def _show(self) -> None:
        with self._lock:
            try:
                self._show_all()
            except Exception as error:
                # It is the session that calls: what fails here must not fail its answer.
                self._status.value = trouble(error)

    def _show_so_far(self) -> None:
        with self._lock:
            self._so_far.value = so_far(self.session)

    def _show_all(self) -> None:
        session = self.session
        self._show_so_far()
        self._stop.disabled = not session.running
        self._status.value = status(session)
        self._reasoning.value = reasoning(session.last)
        self._choosing.show()
        self._spending.value = bill.view(session)


_panel: Panel | None = None


def panel_of(session: Session) -> Panel:
    """The panel of `session`, which may be shown any number of times."""
    global _panel
    if _panel is None or _panel.session is not session or _panel.closed:
        _panel = Panel(session)
    else:
        _panel.refresh()
    return _panel


def _classed(widget: widgets.DOMWidget, name: str) -> widgets.DOMWidget:
    widget.add_class(name)
    return widget

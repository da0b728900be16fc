"""The part of the panel that a class gateway fills: what it counts for the user."""

from __future__ import annotations

import sys
from html import escape
from threading import Lock, Thread

import ipywidgets as widgets

from glm_jupyter import gateway_usage
from glm_jupyter.gateway_usage import Counted
from glm_jupyter.language import _


class GatewaySums:
    """A widget with the gateway's sums; empty where there is no gateway.

    They are fetched in a thread of their own, since no answer waits for them.
    """

    def __init__(self) -> None:
        self.widget = widgets.HTML()
        self._lock = Lock()
        self._wanted = False
        self._running = False

    def refresh(self) -> None:
        """Fetch the sums anew."""
        # A browser has no threads, and cannot wait here.
        if sys.platform == "emscripten" or gateway_usage.known() is None:
            self.widget.value = ""
            return
        with self._lock:
            self._wanted = True
            if self._running:
                return
            self._running = True
        Thread(target=self._fetch, name="glm-jupyter-gateway", daemon=True).start()

    def _fetch(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._running = False
                    return
                self._wanted = False
            endpoint = gateway_usage.known()
            found = gateway_usage.counted(endpoint) if endpoint else None
            self.widget.value = "" if found is None else view(found)


def view(counted: Counted) -> str:
    """The sums as HTML."""
    names = ("", _("spent"), _("budget"), _("left"))
    head = "".join(f"<th scope='col'>{name}</th>" for name in names)
    title = _("At the gateway, as {user}").format(user=counted.user)
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th>"
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for name, *cells in counted.rows()
    )
    return f"<h2>{escape(title)}</h2><table class='glm-panel-table'><tr>{head}</tr>{rows}</table>"

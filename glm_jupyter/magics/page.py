"""What a page may ask about besides answers: how the session stands, and its panel."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glm_jupyter.render.channel import Channel
    from glm_jupyter.sessions.session import Session

# Where a kernel that runs in the page hears of interrupts; src/interrupt.ts has the same name.
HEARD_IN_PAGE = "glm-jupyter.interrupt"


class Page:
    """Tells the pages of `channel` how the session stands, once one of them has asked."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._told: Session | None = None
        channel.asked = {"status": self._status, "panel": self._panel}
        self._interrupts = _interrupts() if sys.platform == "emscripten" else None

    def _status(self) -> None:
        """Say how the session stands, and from now on whenever that has changed."""
        from glm_jupyter.sessions.session import current
        from glm_jupyter.sessions.settings import NAMES
        from glm_jupyter.throttle import Throttle

        session = current()
        if session is not self._told:
            self._told = session
            telling = Throttle(lambda: self._tell(session))
            session.observe(lambda _: telling.soon(), [*NAMES, "last", "unpriced", "running"])
            session.settings.observe(lambda _: telling.soon(), list(NAMES))
            session.budgets.observe(lambda _: telling.soon(), ["revision"])
        self._tell(session)

    def _tell(self, session: Session) -> None:
        if session is self._told:
            self._channel.send({"type": "status", **standing(session)})

    def _panel(self) -> None:
        from .commands.setup import panel_bundle

        self._channel.send({"type": "panel", "bundle": panel_bundle()})

    def close(self) -> None:
        """Tell nothing any more."""
        self._told = None
        if self._interrupts is not None:
            self._interrupts.close()


def _interrupts() -> Any:
    """Hear the page's interrupts where the kernel runs in the page: JupyterLite sends it nothing,
    no message either, before the cell that runs has ended.
    """
    from js import BroadcastChannel
    from pyodide.ffi import create_proxy

    def interrupt(event: Any) -> None:
        from IPython.core.getipython import get_ipython

        from glm_jupyter.sessions.session import current

        shell: Any = get_ipython()
        parent = shell.kernel.get_parent()
        if event.data == parent.get("header", {}).get("session"):  # a page may have several kernels
            current().stop_running()

    channel = BroadcastChannel.new(HEARD_IN_PAGE)
    channel.onmessage = create_proxy(interrupt)
    return channel


def standing(session: Session) -> dict[str, Any]:
    """Who answers, or why nobody can; what is under way; what the session has spent."""
    from glm_jupyter.money.words import rounded

    model = endpoint = trouble = ""
    try:
        target = session.target()
        model, endpoint = target.model, target.endpoint.name
    except Exception as error:
        # It is the session that calls: what fails here must not fail its answer.
        trouble = f"{error} {getattr(error, 'remedy', '')}".strip()
    return {
        "model": model,
        "endpoint": endpoint,
        "trouble": trouble,
        "running": [turn.answer.model for turn in session.running],
        "answers": session.answers,
        "spent": [[rounded(cost), currency] for currency, cost in session.spent.items() if cost],
        "unpriced": session.unpriced,
    }

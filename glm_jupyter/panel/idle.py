"""Telling the front end that a control's change is dealt with, also while a cell is awaited."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython

if TYPE_CHECKING:
    import ipywidgets as widgets

    from glm_jupyter.sessions.session import Session


class Receipt:
    """Says that the kernel is idle again after each change while an answer is under way.

    A control keeps its next change back until then. ipykernel says it of the messages that come
    between cells, but not of those that it handles while a cell is awaited, so that without this
    a control would act once for each answer.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._last = ""

    def observe(self, control: widgets.Widget, changed: Callable[[Any], None]) -> None:
        """Call `changed` whenever the value of `control` does."""

        def dealt_with(change: Any) -> None:
            try:
                changed(change)
            finally:
                self._give()

        control.observe(dealt_with, "value")

    def _give(self) -> None:
        kernel = getattr(get_ipython(), "kernel", None)
        if kernel is None or not self._session.running:
            return
        parent = kernel.get_parent("shell") or {}
        header = parent.get("header", {})
        if header.get("msg_type") != "comm_msg" or header["msg_id"] == self._last:
            return
        self._last = header["msg_id"]
        # The cell goes on, and the front end's indicator shows the last state it was told.
        for state in ("idle", "busy"):
            kernel.session.send(
                kernel.iopub_socket,
                "status",
                {"execution_state": state},
                parent=parent,
                ident=b"status",
            )

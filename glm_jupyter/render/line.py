"""A display of one plain line that is brought up to date: what a saved notebook can keep."""

from __future__ import annotations

from typing import Any


class Line:
    """One line of text in the output of the cell that runs; nothing before the first `show`."""

    def __init__(self) -> None:
        self._handle: Any = None

    @property
    def shown(self) -> bool:
        """Whether there is a line yet."""
        return self._handle is not None

    def show(self, text: str) -> None:
        """Show `text` in the place of what was shown before; an empty one leaves nothing to see."""
        from IPython.display import display

        data = {"text/plain": text} if text else {"text/html": "", "text/plain": ""}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(data, raw=True)

"""Fields of the panel that can also be left "as configured"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from glm_jupyter.language import N_, _

from .idle import Receipt

AS_CONFIGURED = N_("As configured")

# Stand for None, which to a list of choices means that nothing is picked, and for a name to come.
_NONE, _OTHER = "as configured", "another"


class Pick:
    """A list to choose from; with `others`, also room for what is not in it."""

    def __init__(
        self,
        description: str,
        choose: Callable[[Any], None],
        receipt: Receipt,
        *,
        others: str = "",
    ) -> None:
        self._choose = choose
        self._others = others
        self._list = widgets.Dropdown(description=description)
        self._text = widgets.Text(
            description=others, placeholder=_("press Enter to take it"), continuous_update=False
        )
        self._text.layout.display = "none"
        receipt.observe(self._list, self._picked)
        receipt.observe(self._text, self._typed)
        self.widget = widgets.VBox([self._list, self._text])

    def show(
        self, value: Any, options: Sequence[tuple[str, Any]], *, possible: bool = True
    ) -> None:
        """Show what is chosen and what could be; not `possible`: there is nothing to choose."""
        found = list(options)
        if value not in [option for _words, option in found]:
            found.append((str(value), value))
        listed = [(words, (_NONE if option is None else option,)) for words, option in found]
        if self._others:
            listed.append((_("Another …"), (_OTHER,)))
        if self._list.options != tuple(listed):
            self._list.options = listed
        self._list.value = (_NONE if value is None else value,)
        self.widget.layout.display = "" if possible else "none"
        self._text.layout.display = "none"
        self._text.value = ""

    def _picked(self, change: dict[str, Any]) -> None:
        (value,) = change["new"]
        if value is _OTHER:
            self._text.layout.display = ""
            self._text.focus()
        else:
            self._choose(None if value is _NONE else value)

    def _typed(self, change: dict[str, Any]) -> None:
        if text := change["new"].strip():
            self._choose(text)


class Number:
    """A number that counts only while its box is ticked."""

    def __init__(
        self,
        description: str,
        field: widgets.BoundedFloatText | widgets.BoundedIntText,
        choose: Callable[[Any], None],
        receipt: Receipt,
    ) -> None:
        self._description = description
        self._choose = choose
        self._chosen = widgets.Checkbox(indent=False)
        self._field = field
        receipt.observe(self._chosen, self._changed)
        receipt.observe(self._field, self._changed)
        self.widget = widgets.VBox([self._chosen, self._field])

    def show(
        self, value: float | None, usual: float | None, low: float, high: float, first: float
    ) -> None:
        """Show the number, what holds without one where it is known, and its bounds.

        `first` is what it begins with when the box is ticked.
        """
        description = self._description
        if usual is not None and value is None:
            description = _("{description} (without: {usual:g})").format(
                description=description, usual=usual
            )
        self._chosen.description = description
        self._chosen.value = value is not None
        # The bounds may never cross, also not between two assignments.
        self._field.min = min(low, self._field.min)
        self._field.max = max(high, low)
        self._field.min = low
        self._field.value = first if value is None else value
        self._field.layout.display = "" if value is not None else "none"

    def _changed(self, change: object) -> None:
        self._choose(self._field.value if self._chosen.value else None)

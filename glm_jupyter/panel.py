"""The panel: a view of the session in ipywidgets, and its choices by hand."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from .api import catalogue
from .api.errors import GLMError
from .render.money import amount

if TYPE_CHECKING:
    from .sessions import Session

THINKING = (("As configured", None), ("On", True), ("Off", False))


class Panel:
    """Widgets that show a session and change it; two panels of one session stay in step.

    `widget` is what to display. Nothing is kept here: every value lives in the session.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.model = widgets.Dropdown(description="Model", layout=widgets.Layout(width="auto"))
        self.think = widgets.ToggleButtons(description="Thinking", options=THINKING)
        self.facts = widgets.HTML()
        self.reasoning = widgets.HTML()
        fold = widgets.Accordion([self.reasoning], titles=("Reasoning of the last answer",))
        self.widget = widgets.VBox([self.model, self.think, self.facts, fold])
        self.model.observe(self._choose_model, "value")
        self.think.observe(self._choose_thinking, "value")
        session.observe(self._show, ["model", "endpoint", "think", "last", "spent", "unpriced"])
        self._show()

    def _choose_model(self, change: dict[str, Any]) -> None:
        if change["new"] != self.session.model:
            with self.session.hold_trait_notifications():
                self.session.model, self.session.endpoint = change["new"], None

    def _choose_thinking(self, change: dict[str, Any]) -> None:
        self.session.think = change["new"]

    def _show(self, change: object = None) -> None:
        chosen = self.session.model
        names = [f"{model.endpoint}/{model.name}" for model in catalogue.models()]
        if chosen and chosen not in names:
            names.insert(0, chosen)
        options = [("As configured", None), *((name, name) for name in names)]
        if self.model.options != tuple(options):
            self.model.options = options
        self.model.value = chosen
        self.think.value = self.session.think
        self.facts.value = f"<div>{'<br>'.join(escape(line) for line in self._facts())}</div>"
        last = self.session.last
        trace = last.reasoning if last else ""
        self.reasoning.value = (
            f"<pre style='white-space: pre-wrap'>{escape(trace or 'None.')}</pre>"
        )

    def _facts(self) -> list[str]:
        session = self.session
        try:
            target = session.target()
            lines = [f"Answers come from {target.endpoint.name}/{target.model or 'its model'}."]
        except GLMError as error:
            lines = [str(error), error.remedy]
        sums = [amount(cost, currency) for currency, cost in sorted(session.spent.items())]
        if session.unpriced:
            sums.append(f"{session.unpriced} of unknown price")
        lines.append(f"Spent in this session: {' + '.join(sums) or 'nothing'}.")
        return lines

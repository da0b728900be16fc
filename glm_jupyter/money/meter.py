"""Meter: what an answer has cost while it grows, and where that is too much."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from glm_jupyter.api import events as ev
from glm_jupyter.api import tokens
from glm_jupyter.exact import add
from glm_jupyter.language import _, sentences

from .limit import how_to_go_on, left
from .words import amount

if TYPE_CHECKING:
    from .limit import Limit
    from .quote import Quote

# An answer is measured anew each time it has grown by so many characters.
METER_CHARACTERS = 400


class Meter:
    """Follows what an answer has cost while it grows, and stops it where that passes `limit`.

    `cost` is what the service has counted so far, or an estimate. `changed` is called whenever
    it has changed.
    """

    def __init__(
        self,
        quote: Quote,
        currency: str,
        limit: Limit | None,
        changed: Callable[[], None],
    ) -> None:
        self.currency = currency
        self.cost = Decimal(0)
        self._quote = quote
        self._limit = limit
        self._changed = changed
        self._searched = Decimal(0)
        self._output_tokens = 0
        self._unmeasured = ""

    def see(self, event: ev.Event) -> None:
        """Count one more event of the answer. Raises BudgetError where the limit is passed.

        Only text that grows can be stopped: the count after its end comes too late for that.
        """
        match event:
            case ev.Started():
                self._count(ev.Usage(prompt_tokens=self._quote.prompt_tokens))
            case ev.UsageReport(usage):
                self._count(usage)
            case ev.Sources():
                self._searched = self._quote.search_price
            case ev.TextDelta(text) | ev.ReasoningDelta(text):
                self._grow(text)
            case ev.ToolCallDelta(name=name, arguments=arguments):
                self._grow((name or "") + arguments)

    def _grow(self, text: str) -> None:
        self._unmeasured += text
        if len(self._unmeasured) >= METER_CHARACTERS:
            self._output_tokens += tokens.estimate(self._unmeasured)
            self._unmeasured = ""
            # An estimate must not stop what the check before sending has let through.
            output = min(self._output_tokens, self._quote.most_output or self._output_tokens)
            self._count(ev.Usage(prompt_tokens=self._quote.prompt_tokens, completion_tokens=output))
        if self._limit is not None and self.cost > self._limit.left:
            raise self._limit.refusal(
                _("The answer was stopped: it has cost about {cost} so far, and {left}.").format(
                    cost=amount(self.cost, self.currency), left=left(self._limit)
                ),
                remedy=sentences(_("What had arrived is kept."), how_to_go_on(self._limit)),
            )

    def _count(self, usage: ev.Usage) -> None:
        cost = self._quote.model.cost(usage) if self._quote.model else None
        if cost is not None and (whole := add(cost, self._searched)) > self.cost:
            self.cost = whole
            self._changed()

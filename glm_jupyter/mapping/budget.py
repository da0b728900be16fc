"""Allowance: what one map may spend, kept by holding back what each request may cost at most."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from glm_jupyter.api.errors import InputError
from glm_jupyter.exact import add
from glm_jupyter.language import _
from glm_jupyter.money.amounts import parse_amount
from glm_jupyter.money.limit import BudgetError
from glm_jupyter.money.words import amount, number

if TYPE_CHECKING:
    from glm_jupyter.sessions.request import ModelRequest
    from glm_jupyter.sessions.target import Target


class Allowance:
    """The budget of a map, an amount such as "5 RMB" or a number in the currency of `target`.

    Raises InputError where `target` bills in another currency, or nobody knows its prices.
    """

    def __init__(self, budget: str | float, target: Target) -> None:
        model = target.known
        if model is None or not model.prices:
            raise InputError(
                _(
                    "What {model} costs is not known, so a budget cannot be kept. Nothing was sent."
                ).format(model=target.model or target.endpoint.name),
                remedy=_("Choose a model with a price (`%glm models`), or leave out the budget."),
            )
        self.most, self.currency = parse_amount(str(budget), model.currency)
        if self.currency != model.currency:
            raise InputError(
                _(
                    "The budget is in {currency}, but {endpoint} bills in "
                    "{currency_of_model}. Nothing was sent."
                ).format(
                    currency=self.currency,
                    endpoint=target.endpoint.name,
                    currency_of_model=model.currency,
                ),
                remedy=_("Give the budget in {currency_of_model}.").format(
                    currency_of_model=model.currency
                ),
            )
        self.held = Decimal(0)  # for the questions in flight

    @contextmanager
    def hold(self) -> Iterator[Hold]:
        """What one question may cost, held back until it has ended."""
        hold = Hold(self)
        try:
            yield hold
        finally:
            self.held = add(self.held, hold.held.copy_negate())

    def check(self, worst: Decimal, paid: Decimal) -> None:
        """Raise BudgetError where `worst` more, beside what is `paid` and held, may be too much."""
        if add(paid, self.held, worst) > self.most:
            raise BudgetError(
                _(
                    "The budget of this map, {most} {currency}, might be passed: "
                    "{paid} {currency} are spent, and one more answer may cost up "
                    "to {worst}."
                ).format(
                    most=number(self.most),
                    currency=self.currency,
                    paid=number(paid),
                    worst=amount(worst, self.currency),
                ),
                remedy=_(
                    "Give a lower max_tokens, which lowers what an answer may cost, or a "
                    "higher budget."
                ),
            )


class Hold:
    """What is held back for one question: the worst cost of each request it has taken so far."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self.held = Decimal(0)

    def add(self, one: ModelRequest, paid: Decimal) -> None:
        """Hold back for one more request, beside what the map has `paid`.

        Raises BudgetError where that may be too much, InputError where nobody knows how much.
        """
        worst = one.quote.worst
        if worst is None:
            raise InputError(
                _(
                    "How long an answer of {model} can be is not known, so a budget "
                    "cannot be kept. Nothing was sent."
                ).format(model=one.target.model),
                remedy=_("Give max_tokens."),
            )
        self._allowance.check(worst, paid)
        self._allowance.held = add(self._allowance.held, worst)
        self.held = add(self.held, worst)

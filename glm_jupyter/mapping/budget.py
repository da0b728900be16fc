"""Allowance: what one map may spend, kept by holding back what each request may cost at most."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from glm_jupyter.api.errors import InputError
from glm_jupyter.exact import add
from glm_jupyter.language import _
from glm_jupyter.money.amounts import parse_amount
from glm_jupyter.money.limit import BudgetError
from glm_jupyter.money.words import amount, number

if TYPE_CHECKING:
    from glm_jupyter.sessions.request import ModelRequest
    from glm_jupyter.sessions.target import Target
    from glm_jupyter.sessions.turn import Turn


class Purse(Protocol):
    """Where the money of a map is counted: in its process, or for all workers at one place."""

    async def take(self, worst: Decimal) -> None:
        """Hold back `worst`. Raises AllowanceError where that may be too much."""

    def settle(self, held: Decimal, cost: Decimal) -> None:
        """Spend `cost` in place of what was held back."""


class AllowanceError(BudgetError):
    """The budget of a map has no room for one more answer.

    `waits` says that some of it is held for answers under way, and may be given back.
    """

    def __init__(self, message: str, *, remedy: str, waits: bool) -> None:
        super().__init__(message, remedy=remedy)
        self.waits = waits


class Allowance:
    """The budget of a map: the most that it may spend, what it has paid, and what it holds back."""

    def __init__(self, most: Decimal, currency: str) -> None:
        self.most = most
        self.currency = currency
        self.paid = Decimal(0)
        self.held = Decimal(0)  # for the questions in flight

    @classmethod
    def of(cls, budget: str | float, target: Target) -> Allowance:
        """The budget that is an amount such as "5 RMB", or a number in the currency of `target`.

        Raises InputError where `target` bills in another currency, or nobody knows its prices.
        """
        model = target.known
        if model is None or not model.prices:
            raise InputError(
                _(
                    "What {model} costs is not known, so a budget cannot be kept. Nothing was sent."
                ).format(model=target.model or target.endpoint.name),
                remedy=_("Choose a model with a price (`%glm models`), or leave out the budget."),
            )
        most, currency = parse_amount(str(budget), model.currency)
        if currency != model.currency:
            raise InputError(
                _(
                    "The budget is in {currency}, but {endpoint} bills in "
                    "{currency_of_model}. Nothing was sent."
                ).format(
                    currency=currency,
                    endpoint=target.endpoint.name,
                    currency_of_model=model.currency,
                ),
                remedy=_("Give the budget in {currency_of_model}.").format(
                    currency_of_model=model.currency
                ),
            )
        return cls(most, currency)

    async def take(self, worst: Decimal) -> None:
        """Hold back `worst`. Raises AllowanceError where that may be too much."""
        self.check(worst)
        self.held = add(self.held, worst)

    def settle(self, held: Decimal, cost: Decimal) -> None:
        """Spend `cost` in place of what was held back."""
        self.held = add(self.held, held.copy_negate())
        self.paid = add(self.paid, cost)

    def check(self, worst: Decimal) -> None:
        """Raise AllowanceError where `worst` more, beside paid and held, may be too much."""
        if add(self.paid, self.held, worst) > self.most:
            raise AllowanceError(
                _(
                    "The budget of this map, {most} {currency}, might be passed: "
                    "{paid} {currency} are spent, and one more answer may cost up "
                    "to {worst}."
                ).format(
                    most=number(self.most),
                    currency=self.currency,
                    paid=number(self.paid),
                    worst=amount(worst, self.currency),
                ),
                remedy=_(
                    "Give a lower max_tokens, which lowers what an answer may cost, or a "
                    "higher budget."
                ),
                waits=bool(self.held),
            )


class Hold:
    """What is held back for one question: the worst cost of each request it has taken so far."""

    def __init__(self, purse: Purse) -> None:
        self._purse = purse
        self._held = Decimal(0)

    async def add(self, one: ModelRequest) -> None:
        """Hold back for one more request.

        Raises AllowanceError where that may be too much, InputError where nobody knows how much.
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
        await self._purse.take(worst)
        self._held = add(self._held, worst)

    def settle(self, cost: Decimal) -> None:
        """Spend what the question has cost in place of what was held back."""
        self._purse.settle(self._held, cost)


@contextmanager
def held(purse: Purse, turn: Turn) -> Iterator[Hold]:
    """What a turn may cost, held back until it has ended."""
    hold = Hold(purse)
    try:
        yield hold
    finally:
        hold.settle((turn.answer.cost if turn.rounds else None) or Decimal(0))

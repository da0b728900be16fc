"""Limit: an amount that may be spent, what of it is used, and the refusal of what it forbids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, get_args

from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.exact import add, exactly

from .amounts import parse_amount
from .words import amount, number

if TYPE_CHECKING:
    from .quote import Quote

Period = Literal["session", "day", "month"]
PERIODS: tuple[Period, ...] = get_args(Period)
WORDS = {"session": "of this session", "day": "of today", "month": "of this month"}


class BudgetError(GLMError):
    """A budget does not allow the request, or no more of its answer.

    `per_request` says that it is the limit of this one answer, `max_cost`, and concerns no other.
    """

    def __init__(self, message: str, *, remedy: str, per_request: bool = False) -> None:
        super().__init__(message, remedy=remedy)
        self.per_request = per_request


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget and what of it is used: spent, and held back for answers under way."""

    period: Period | Literal["cell"]
    amount: Decimal
    currency: str
    spent: Decimal = Decimal(0)
    held: Decimal = Decimal(0)
    ceiling: bool = False  # set by the administrator

    @property
    @exactly
    def left(self) -> Decimal:
        """What may still be spent."""
        return max(Decimal(0), self.amount - self.spent - self.held)

    def refusal(self, message: str, remedy: str) -> BudgetError:
        """The error for what this limit does not allow."""
        return BudgetError(message, remedy=remedy, per_request=self.period == "cell")

    @property
    def name(self) -> str:
        """The limit in words: "the budget of today (5 RMB)"."""
        if self.period == "cell":
            return f"--max-cost {number(self.amount)}"
        kind = "the administrator's ceiling" if self.ceiling else "the budget"
        return f"{kind} {WORDS[self.period]} ({number(self.amount)} {self.currency})"


def cap(max_cost: str | None, quote: Quote, paid: Decimal) -> Limit | None:
    """The limit of one cell, `max_cost` as typed, of which `paid` is used up.

    None where there is none, or nothing to pay. Raises InputError where it is in another currency
    than the request is billed in.
    """
    if max_cost is None or quote.endpoint.name == "local":
        return None
    value, wanted = parse_amount(max_cost, quote.currency)
    if wanted != quote.currency:
        raise InputError(
            f"--max-cost is in {wanted}, but {quote.endpoint.name} bills in "
            f"{quote.currency or 'no currency known here'}. Nothing was sent.",
            remedy=f"Give --max-cost in {quote.currency}." if quote.currency else "Leave it out.",
        )
    return Limit("cell", value, wanted, paid)


def check(quote: Quote, limits: Iterable[Limit | None]) -> Limit | None:
    """The tightest of `limits`. Raises BudgetError where it has no room for the request."""
    given = [limit for limit in limits if limit is not None]
    limit = min(given, key=lambda limit: limit.left, default=None)
    if limit is None:
        return None
    if not quote.priced:
        raise limit.refusal(
            f"The price of {quote.name} is not known, so {limit.name} cannot be kept. "
            "Nothing was sent.",
            remedy="Put its price into your catalogue.toml (`%glm doctor` says where that is), "
            f"or choose a model with a price. {how_to_go_on(limit)}",
        )
    # Without a known longest answer, the prompt alone must fit; the meter sees to the rest.
    least = quote.worst if quote.worst is not None else quote.worst_with(0)
    if least is None or least <= limit.left:
        return limit
    facts = quote.facts
    remedy = ""
    if quote.search_price:
        facts.append(f"a web search for {amount(quote.search_price, limit.currency)}")
        remedy = "Leave out --web. " if least <= add(limit.left, quote.search_price) else ""
    if fits := quote.longest_within(limit.left):
        remedy = f"Give --max-tokens {fits} or less, or choose a cheaper model. "
    words = f" ({', '.join(facts)})" if facts else ""
    raise limit.refusal(
        f"This cell may cost up to {amount(least, limit.currency)} with {quote.name}"
        f"{words}, and {left(limit)}. Nothing was sent.",
        remedy=remedy + how_to_go_on(limit),
    )


def left(limit: Limit) -> str:
    """What is left of a limit, in words that go on from what it may cost or has cost."""
    if limit.period == "cell":
        return f"{limit.name} allows no more"
    held = f" ({number(limit.held)} are held for answers under way)" if limit.held else ""
    return f"of {limit.name}, {number(limit.left)} {limit.currency} are left{held}"


def how_to_go_on(limit: Limit) -> str:
    """What to do about a limit that allows no more."""
    if limit.period == "cell":
        return "A higher --max-cost, or none, lets it through."
    if limit.ceiling:
        return "Only the administrator of this system can raise the ceiling."
    flag = "" if limit.period == "session" else f" --{limit.period}"
    return f"`%glm budget AMOUNT{flag}` raises the budget, `%glm budget off{flag}` takes it off."

"""Limit: an amount that may be spent, what of it is used, and the refusal of what it forbids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, get_args

from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.exact import add, exactly
from glm_jupyter.language import N_, _, sentences

from .amounts import parse_amount
from .words import amount, number

if TYPE_CHECKING:
    from .quote import Quote

Period = Literal["session", "day", "month"]
PERIODS: tuple[Period, ...] = get_args(Period)
_BUDGETS = {
    "session": N_("the budget of this session ({amount} {currency})"),
    "day": N_("the budget of today ({amount} {currency})"),
    "month": N_("the budget of this month ({amount} {currency})"),
}
_CEILINGS = {
    "session": N_("the administrator's ceiling of this session ({amount} {currency})"),
    "day": N_("the administrator's ceiling of today ({amount} {currency})"),
    "month": N_("the administrator's ceiling of this month ({amount} {currency})"),
}


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
        names = _CEILINGS if self.ceiling else _BUDGETS
        return _(names[self.period]).format(amount=number(self.amount), currency=self.currency)


def cap(max_cost: str | None, quote: Quote, paid: Decimal) -> Limit | None:
    """The limit of one cell, `max_cost` as typed, of which `paid` is used up.

    None where there is none, or nothing to pay. Raises InputError where it is in another currency
    than the request is billed in.
    """
    if max_cost is None or quote.endpoint.name == "local":
        return None
    value, wanted = parse_amount(max_cost, quote.currency)
    if wanted != quote.currency:
        says = _(
            "--max-cost is in {wanted}, but {endpoint} bills in no currency known here. "
            "Nothing was sent."
        )
        remedy = _("Leave it out.")
        if quote.currency:
            says = _(
                "--max-cost is in {wanted}, but {endpoint} bills in {currency}. Nothing was sent."
            )
            remedy = _("Give --max-cost in {currency}.").format(currency=quote.currency)
        raise InputError(
            says.format(wanted=wanted, endpoint=quote.endpoint.name, currency=quote.currency),
            remedy=remedy,
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
            _(
                "The price of {model} is not known, so {limit} cannot be kept. Nothing was sent."
            ).format(model=quote.name, limit=limit.name),
            remedy=sentences(
                _(
                    "Put its price into your catalogue.toml (`%glm doctor` says where that is), "
                    "or choose a model with a price."
                ),
                how_to_go_on(limit),
            ),
        )
    # Without a known longest answer, the prompt alone must fit; the meter sees to the rest.
    least = quote.worst if quote.worst is not None else quote.worst_with(0)
    if least is None or least <= limit.left:
        return limit
    facts = quote.facts
    remedy = ""
    if quote.search_price:
        price = amount(quote.search_price, limit.currency)
        facts.append(_("a web search for {price}").format(price=price))
        if least <= add(limit.left, quote.search_price):
            remedy = _("Leave out --web.")
    if fits := quote.longest_within(limit.left):
        shorter = _("Give --max-tokens {fits} or less, or choose a cheaper model.")
        remedy = shorter.format(fits=fits)
    says = _("This cell may cost up to {cost} with {model}, and {left}. Nothing was sent.")
    if facts:
        says = _(
            "This cell may cost up to {cost} with {model} ({facts}), and {left}. Nothing was sent."
        )
    raise limit.refusal(
        says.format(
            cost=amount(least, limit.currency),
            model=quote.name,
            facts=", ".join(facts),
            left=left(limit),
        ),
        remedy=sentences(remedy, how_to_go_on(limit)),
    )


def left(limit: Limit) -> str:
    """What is left of a limit, in words that go on from what it may cost or has cost."""
    if limit.period == "cell":
        return _("{limit} allows no more").format(limit=limit.name)
    says = _("of {limit}, {left} {currency} are left")
    if limit.held:
        says = _("of {limit}, {left} {currency} are left ({held} are held for answers under way)")
    return says.format(
        limit=limit.name,
        left=number(limit.left),
        currency=limit.currency,
        held=number(limit.held),
    )


def how_to_go_on(limit: Limit) -> str:
    """What to do about a limit that allows no more."""
    if limit.period == "cell":
        return _("A higher --max-cost, or none, lets it through.")
    if limit.ceiling:
        return _("Only the administrator of this system can raise the ceiling.")
    flag = "" if limit.period == "session" else f" --{limit.period}"
    return _(
        "`%glm budget AMOUNT{flag}` raises the budget, `%glm budget off{flag}` takes it off."
    ).format(flag=flag)

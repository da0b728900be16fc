"""Amounts of money: as people write them ("5", "5 RMB", "USD 2", "$2"), and their sums."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from glm_jupyter.api import catalogue
from glm_jupyter.api.errors import InputError
from glm_jupyter.exact import add
from glm_jupyter.language import _

from .words import number

_NAMES = {
    **dict.fromkeys(("rmb", "cny", "yuan", "¥", "￥", "元"), "RMB"),
    **dict.fromkeys(("usd", "$"), "USD"),
}
# With the exponent that Python gives a small float: str(0.00001) is "1e-05".
_AMOUNT = re.compile(
    r"\s*([a-z¥￥$元]*)\s*([0-9.]+(?:e-[0-9]{1,2})?)\s*([a-z¥￥$元]*)\s*", re.IGNORECASE
)

# More than any lesson costs: a slip of the finger rather than a budget.
LARGEST = Decimal(1_000_000)


def parse_amount(text: str, currency: str | None = None) -> tuple[Decimal, str]:
    """The amount and currency in "5", "5 USD", "USD 5", "¥5"; without one it is in `currency`.

    Raises InputError for what is no amount of money.
    """
    remedy = _("Write an amount as 5, 0.5, 5 RMB or 2 USD.")
    if text.strip().startswith("-"):
        raise InputError(_("{text} is less than nothing.").format(text=text.strip()), remedy=remedy)
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise InputError(
            _("{text!r} is not an amount of money.").format(text=text.strip()), remedy=remedy
        )
    sign, digits, word = match.groups()
    try:
        value = Decimal(digits)
    except InvalidOperation:
        raise InputError(
            _("{digits!r} is not a number.").format(digits=digits), remedy=remedy
        ) from None
    named = {parse_currency(name) for name in (sign, word) if name}
    if len(named) > 1:
        raise InputError(
            _("{text!r} names two currencies.").format(text=text.strip()), remedy=remedy
        )
    currency = named.pop() if named else currency
    if currency is None:
        raise InputError(
            _("The model in use is not billed, so the amount needs a currency."), remedy=remedy
        )
    if value > LARGEST:
        raise InputError(
            _("{amount} {currency} is more than a budget can be ({largest} {currency}).").format(
                amount=number(value), currency=currency, largest=number(LARGEST)
            ),
            remedy=_("Take it off with `%glm budget off` where nothing is to be limited."),
        )
    return value, currency


def parse_currency(text: str) -> str:
    """The currency that `text` names. Raises InputError for one that no price is in."""
    found = _NAMES.get(text.lower(), text.upper())
    if found not in currencies():
        raise InputError(
            _("{text!r} is no currency known here.").format(text=text),
            remedy=_("Prices are in {names}.").format(names=_(" and ").join(currencies())),
        )
    return found


def currencies() -> list[str]:
    """The currencies of the services, and those of the user's own catalogue."""
    named = (model.currency for model in catalogue.models())
    return list(dict.fromkeys(("RMB", "USD", *filter(None, named))))


def total(costs: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of costs in one currency; None where one of them is not known."""
    known = list(costs)
    return None if None in known else add(*(cost for cost in known if cost is not None))

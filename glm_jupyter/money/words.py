"""Money in words: exact, without an exponent, and never zero where it is unknown."""

from __future__ import annotations

from decimal import Decimal

from glm_jupyter.language import _


def amount(value: Decimal | None, currency: str | None = None) -> str:
    """ "0.00918 RMB", "free", or "cost unknown" for None."""
    if value is None:
        return _("cost unknown")
    if not value:
        return _("free")
    return f"{number(value)} {currency or ''}".rstrip()


def number(value: Decimal) -> str:
    """The amount alone, without zeros that say nothing."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded(value: Decimal) -> str:
    """The amount for the eye: with its cents, or three digits of what is less than one."""
    places = 2 if abs(value) >= 1 else 2 - value.adjusted()
    return number(Decimal(f"{value:.{places}f}"))

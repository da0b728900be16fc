"""Exact arithmetic with money, whatever decimal context the notebook has set."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# A lesson on rounding may set `getcontext().prec = 3`; what it costs must not follow.
CONTEXT = Context(prec=50, traps=[InvalidOperation, DivisionByZero, Overflow])


def exactly(function: Callable[P, T]) -> Callable[P, T]:
    """Let the arithmetic inside `function` be exact."""

    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> T:
        with localcontext(CONTEXT):
            return function(*args, **kwargs)

    return inner


@exactly
def add(*amounts: Decimal) -> Decimal:
    """The sum of amounts."""
    return sum(amounts, Decimal(0))

"""Estimates how many tokens a text has, without a tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# How far the true count may be below an estimate: the share of it that is beyond doubt.
SURE = 0.7


def at_least(estimated: int) -> int:
    """What a text estimated at so many tokens has at the very least."""
    return int(estimated * SURE)


def estimate(content: str | Iterable[Mapping[str, Any]]) -> int:
    """About how many tokens a text, or the messages of a request, have."""
    raise NotImplementedError

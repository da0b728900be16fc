"""The catalogue for readers: a line for each model, with its prices, limits and abilities."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from glm_jupyter.api import catalogue
from glm_jupyter.money.words import number
from glm_jupyter.render.table import table

if TYPE_CHECKING:
    from glm_jupyter.api.catalogue import Model

CAPTION = (
    "Prices are per million tokens; a range depends on the length of prompt and answer. "
    "? = sources contradict each other or are old. `%glm use MODEL` chooses one."
)
HEADERS = ("model", "input", "cached", "output", "context", "answer", "can", "as of")


def listing(models: Sequence[Model]) -> dict[str, str]:
    """The models as a table, as a MIME bundle."""
    return table(HEADERS, [_row(model) for model in models], CAPTION)


def price(model: Model) -> str:
    """A model's prices in a few words, such as "2-4 / 8-16 RMB"."""
    if model.free:
        return "free"
    if not model.prices:
        return "price unknown"
    tiers = model.prices
    inputs, outputs = [tier.input for tier in tiers], [tier.output for tier in tiers]
    return f"{_span(inputs)} / {_span(outputs)} {model.currency}"


def about(name: str) -> str:
    """A model of the catalogue in some lines; empty for another name."""
    known = next((m for m in catalogue.models() if name in (m.name, m.full_name)), None)
    if known is None:
        return ""
    return "\n".join(
        [
            known.full_name,
            "",
            f"Price per million tokens in / out: {price(known)}",
            f"Context: {size(known.context)}, longest answer: {size(known.max_output)}",
            *([f"Can: {can}"] if (can := _abilities(known)) else []),
        ]
    )


def size(tokens: int | None) -> str:
    """A size in tokens as the services write it, such as "128K"."""
    if tokens is None:
        return "?"
    if tokens >= 1 << 20:
        return f"{tokens >> 20}M"
    return f"{round(tokens / 1024)}K" if tokens >= 1024 else str(tokens)


def _row(model: Model) -> tuple[str, ...]:
    name = f"{model.full_name}{' (retired)' if model.retired else ''}"
    if model.free:
        prices = ("free", "free", "free")
    elif not model.prices:
        prices = ("unknown", "unknown", "unknown")
    else:
        tiers = model.prices
        cached = [tier.cached for tier in tiers if tier.cached is not None]
        prices = (
            f"{_span([tier.input for tier in tiers])} {model.currency}",
            f"{_span(cached)} {model.currency}" if cached else "as input",
            f"{_span([tier.output for tier in tiers])} {model.currency}",
        )
    date = f"{model.date}{' ?' if model.unsure else ''}"
    return (name, *prices, size(model.context), size(model.max_output), _abilities(model), date)


def _abilities(model: Model) -> str:
    words = ["thinks"] if model.reasons else []
    if "image" in model.input:
        words.append("sees")
    words += [word for word in ("tools", "json", "web") if word in model.features]
    return ", ".join(words)


def _span(values: Sequence[Decimal]) -> str:
    low, high = min(values), max(values)
    return number(low) if low == high else f"{number(low)}–{number(high)}"

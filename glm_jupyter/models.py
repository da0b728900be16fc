"""The catalogue for readers: a line for each model, with its prices, limits and abilities."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from glm_jupyter.api import catalogue
from glm_jupyter.api.catalogue_file import KINDS
from glm_jupyter.money.words import number
from glm_jupyter.render.table import table

if TYPE_CHECKING:
    from glm_jupyter.api.catalogue import Model

MARKDOWN, PLAIN = "text/markdown", "text/plain"
CAPTION = (
    "Prices are per million tokens; a range depends on the length of prompt and answer. "
    "? = sources contradict each other or are old. `%glm use MODEL` chooses one."
)
MADE_CAPTION = (
    "? = sources contradict each other or are old. `%%glm -m MODEL` makes them, and `%%glm --help` "
    "lists their options; embedding and rerank are for Python: `glm.embed`, `glm.rerank`."
)
OF_WHAT = {"speech": " at a time", "transcription": " of earlier text", "rerank": " each"}
MADE_HEADERS = ("model", "price", "limits", "as of")
HEADERS = ("model", "input", "cached", "output", "context", "answer", "can", "as of")


def listing(models: Sequence[Model]) -> dict[str, str]:
    """The models in a table for each kind, as a MIME bundle."""
    kinds = [kind for kind in KINDS if any(model.kind == kind for model in models)]
    parts = [_contents(models, kinds)] if len(kinds) > 1 else []
    for kind in kinds:
        alike = [model for model in models if model.kind == kind]
        if len(kinds) > 1:
            parts.append({MARKDOWN: f"**{_title(kind)}**", PLAIN: _title(kind)})
        if kind == "chat":
            parts.append(table(HEADERS, [_row(model) for model in alike], CAPTION))
        else:
            caption = MADE_CAPTION if kind == kinds[-1] else ""
            parts.append(table(MADE_HEADERS, [_made(model) for model in alike], caption))
    return {mime: "\n\n".join(part[mime] for part in parts) for mime in (MARKDOWN, PLAIN)}


def price(model: Model) -> str:
    """A model's prices in a few words, such as "2-4 / 8-16 RMB"."""
    if model.free:
        return "free"
    if model.unit != "token" and model.each is not None:
        per = model.unit if model.per == 1 else f"{model.per:,} {model.unit}s"
        return f"{number(model.each)} {model.currency} for {_article(per)}{per}"
    if not model.prices:
        return "price unknown"
    tiers = model.prices
    inputs, outputs = [tier.input for tier in tiers], [tier.output for tier in tiers]
    return f"{_span(inputs)} / {_span(outputs)} {model.currency}"


def made_price(model: Model) -> str:
    """The price of a model that makes other things than text, in its own unit."""
    if model.free or model.unit != "token" or len(model.prices) != 1:
        return price(model)
    tier = model.prices[0]
    one = not tier.output or tier.output == tier.input  # what is made costs nothing, or the same
    worth = f"{number(tier.input)} {model.currency}" if one else price(model)
    return f"{worth} per million tokens"


def about(name: str) -> str:
    """A model of the catalogue in some lines; empty for another name."""
    known = next((m for m in catalogue.models() if name in (m.name, m.full_name)), None)
    if known is None:
        return ""
    if known.kind != "chat":
        facts = [f"Makes {KINDS[known.kind]}", f"Price: {made_price(known)}", limits(known)]
        return "\n".join([known.full_name, "", *filter(None, facts)])
    return "\n".join(
        [
            known.full_name,
            "",
            f"Price per million tokens in / out: {price(known)}",
            f"Context: {size(known.context)}, longest answer: {size(known.max_output)}",
            *([f"Can: {can}"] if (can := _abilities(known)) else []),
        ]
    )


def limits(model: Model) -> str:
    """What a model that makes other things than text can take, in a few words."""
    found = []
    if model.sizes:
        more = len(model.sizes) - 1
        found.append((model.default_size or model.sizes[0]) + (f" and {more} more" * (more > 0)))
    if model.side_range and model.side_multiple:
        low, high = model.side_range
        found.append(f"sides {low} to {high} in steps of {model.side_multiple}")
    if len(model.qualities) > 1:
        found.append(" or ".join(model.qualities))
    if model.durations:
        found.append(" or ".join(map(str, model.durations)) + " s")
    if model.frames and model.frames[1]:
        low, high = model.frames
        span = f"{high}" if low == high else f"{low} to {high}" if low else f"up to {high}"
        found.append(f"{span} picture{'s' * (high > 1)}")
    if model.sound:
        found.append("sound")
    if model.voices:
        found.append(f"{len(model.voices)} voices")
    if model.max_characters:
        which = OF_WHAT.get(model.kind, "")
        found.append(f"{model.max_characters:,} characters{which}")
    if model.max_seconds:
        found.append(f"{model.max_seconds:g} s at a time")
    if model.max_pages:
        found.append(f"{model.max_pages} pages")
    if model.dimensions:
        found.append(" or ".join(map(str, model.dimensions)) + " numbers")
    if model.max_items:
        found.append(f"up to {model.max_items} texts at a time")
    return ", ".join(found)


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


def _made(model: Model) -> tuple[str, ...]:
    name = f"{model.full_name}{' (retired)' if model.retired else ''}"
    date = f"{model.date}{' ?' if model.unsure else ''}"
    return (name, made_price(model), limits(model), date)


def _title(kind: str) -> str:
    return f"{kind}: models that make {KINDS[kind]}"


def _contents(models: Sequence[Model], kinds: Sequence[str]) -> dict[str, str]:
    counts = ", ".join(f"{kind} ({sum(m.kind == kind for m in models)})" for kind in kinds)
    example = "image" if "image" in kinds else kinds[-1]
    text = f"By kind: {counts}. `%glm models {example}` shows one kind."
    return {MARKDOWN: text, PLAIN: text}


def _article(noun: str) -> str:
    return "" if noun[0].isdigit() else "an " if noun[0] in "aeiou" else "a "


def _abilities(model: Model) -> str:
    words = ["thinks"] if model.reasons else []
    if "image" in model.input:
        words.append("sees")
    words += [word for word in ("tools", "json", "web") if word in model.features]
    return ", ".join(words)


def _span(values: Sequence[Decimal]) -> str:
    low, high = min(values), max(values)
    return number(low) if low == high else f"{number(low)}–{number(high)}"

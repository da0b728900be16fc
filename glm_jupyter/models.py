"""The catalogue for readers: a line for each model, with its prices, limits and abilities."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from glm_jupyter.api import catalogue
from glm_jupyter.api.catalogue_file import KINDS
from glm_jupyter.language import N_, _, ngettext
from glm_jupyter.money.words import number
from glm_jupyter.render.table import table

if TYPE_CHECKING:
    from glm_jupyter.api.catalogue import Model

MARKDOWN, PLAIN = "text/markdown", "text/plain"
CAPTION = N_(
    "Prices are per million tokens; a range depends on the length of prompt and answer. "
    "? = sources contradict each other or are old. `%glm use MODEL` chooses one."
)
MADE_CAPTION = N_(
    "? = sources contradict each other or are old. `%%glm -m MODEL` makes them, and `%%glm --help` "
    "lists their options; embedding and rerank are for Python: `glm.embed`, `glm.rerank`."
)
CHARACTERS_AT_MOST = N_("{count:,} characters")
CHARACTERS = {
    "speech": N_("{count:,} characters at a time"),
    "transcription": N_("{count:,} characters of earlier text"),
    "rerank": N_("{count:,} characters each"),
}
PER = {
    "image": N_("{price} for an image"),
    "video": N_("{price} for a video"),
    "character": N_("{price} for a character"),
    "page": N_("{price} for a page"),
    "second": N_("{price} for a second"),
    "call": N_("{price} for a call"),
}
PER_MANY = {
    "image": N_("{price} for {count:,} images"),
    "video": N_("{price} for {count:,} videos"),
    "character": N_("{price} for {count:,} characters"),
    "page": N_("{price} for {count:,} pages"),
    "second": N_("{price} for {count:,} seconds"),
    "call": N_("{price} for {count:,} calls"),
}
MADE_HEADERS = (N_("model"), N_("price"), N_("limits"), N_("as of"))
HEADERS = (
    N_("model"),
    N_("input"),
    N_("cached"),
    N_("output"),
    N_("context"),
    N_("answer"),
    N_("can"),
    N_("as of"),
)


def listing(models: Sequence[Model]) -> dict[str, str]:
    """The models in a table for each kind, as a MIME bundle."""
    kinds = [kind for kind in KINDS if any(model.kind == kind for model in models)]
    parts = [_contents(models, kinds)] if len(kinds) > 1 else []
    for kind in kinds:
        alike = [model for model in models if model.kind == kind]
        if len(kinds) > 1:
            parts.append({MARKDOWN: f"**{_title(kind)}**", PLAIN: _title(kind)})
        if kind == "chat":
            rows = [_row(model) for model in alike]
            parts.append(table([_(name) for name in HEADERS], rows, _(CAPTION)))
        else:
            caption = _(MADE_CAPTION) if kind == kinds[-1] else ""
            rows = [_made(model) for model in alike]
            parts.append(table([_(name) for name in MADE_HEADERS], rows, caption))
    return {mime: "\n\n".join(part[mime] for part in parts) for mime in (MARKDOWN, PLAIN)}


def price(model: Model) -> str:
    """A model's prices in a few words, such as "2-4 / 8-16 RMB"."""
    if model.free:
        return _("free")
    if model.unit != "token" and model.each is not None:
        text = PER[model.unit] if model.per == 1 else PER_MANY[model.unit]
        worth = f"{number(model.each)} {model.currency}"
        return _(text).format(price=worth, count=model.per)
    if not model.prices:
        return _("price unknown")
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
    return _("{price} per million tokens").format(price=worth)


def about(name: str) -> str:
    """A model of the catalogue in some lines; empty for another name."""
    known = next((m for m in catalogue.models() if name in (m.name, m.full_name)), None)
    if known is None:
        return ""
    if known.kind != "chat":
        facts = [
            _("Makes {what}").format(what=_(KINDS[known.kind])),
            _("Price: {price}").format(price=made_price(known)),
            limits(known),
        ]
        return "\n".join([known.full_name, "", *filter(None, facts)])
    return "\n".join(
        [
            known.full_name,
            "",
            _("Price per million tokens in / out: {price}").format(price=price(known)),
            _("Context: {context}, longest answer: {longest}").format(
                context=size(known.context), longest=size(known.max_output)
            ),
            *([_("Can: {abilities}").format(abilities=can)] if (can := _abilities(known)) else []),
        ]
    )


def limits(model: Model) -> str:
    """What a model that makes other things than text can take, in a few words."""
    found, either = [], _(" or ")
    if model.sizes:
        more = len(model.sizes) - 1
        text = _("{size} and {count} more") if more else "{size}"
        found.append(text.format(size=model.default_size or model.sizes[0], count=more))
    if model.side_range and model.side_multiple:
        low, high = model.side_range
        text = _("sides {low} to {high} in steps of {step}")
        found.append(text.format(low=low, high=high, step=model.side_multiple))
    if len(model.qualities) > 1:
        found.append(either.join(model.qualities))
    if model.durations:
        found.append(_("{seconds} s").format(seconds=either.join(map(str, model.durations))))
    if model.frames and model.frames[1]:
        low, high = model.frames
        if low == high:
            text = ngettext("{high} picture", "{high} pictures", high)
        elif low:
            text = _("{low} to {high} pictures")
        else:
            text = ngettext("up to {high} picture", "up to {high} pictures", high)
        found.append(text.format(low=low, high=high))
    if model.sound:
        found.append(_("sound"))
    if model.voices:
        found.append(_("{count} voices").format(count=len(model.voices)))
    if model.max_characters:
        text = _(CHARACTERS.get(model.kind, CHARACTERS_AT_MOST))
        found.append(text.format(count=model.max_characters))
    if model.max_seconds:
        found.append(_("{seconds:g} s at a time").format(seconds=model.max_seconds))
    if model.max_pages:
        found.append(_("{count} pages").format(count=model.max_pages))
    if model.dimensions:
        found.append(_("{count} numbers").format(count=either.join(map(str, model.dimensions))))
    if model.max_items:
        found.append(_("up to {count} texts at a time").format(count=model.max_items))
    return _(", ").join(found)


def size(tokens: int | None) -> str:
    """A size in tokens as the services write it, such as "128K"."""
    if tokens is None:
        return "?"
    if tokens >= 1 << 20:
        return f"{tokens >> 20}M"
    return f"{round(tokens / 1024)}K" if tokens >= 1024 else str(tokens)


def _row(model: Model) -> tuple[str, ...]:
    name = _name(model)
    if model.free:
        prices = (_("free"),) * 3
    elif not model.prices:
        prices = (_("unknown"),) * 3
    else:
        tiers = model.prices
        cached = [tier.cached for tier in tiers if tier.cached is not None]
        prices = (
            f"{_span([tier.input for tier in tiers])} {model.currency}",
            f"{_span(cached)} {model.currency}" if cached else _("as input"),
            f"{_span([tier.output for tier in tiers])} {model.currency}",
        )
    date = f"{model.date}{' ?' if model.unsure else ''}"
    return (name, *prices, size(model.context), size(model.max_output), _abilities(model), date)


def _made(model: Model) -> tuple[str, ...]:
    name = _name(model)
    date = f"{model.date}{' ?' if model.unsure else ''}"
    return (name, made_price(model), limits(model), date)


def _name(model: Model) -> str:
    name = model.full_name
    return _("{name} (retired)").format(name=name) if model.retired else name


def _title(kind: str) -> str:
    return _("{kind}: models that make {what}").format(kind=kind, what=_(KINDS[kind]))


def _contents(models: Sequence[Model], kinds: Sequence[str]) -> dict[str, str]:
    counts = ", ".join(f"{kind} ({sum(m.kind == kind for m in models)})" for kind in kinds)
    example = "image" if "image" in kinds else kinds[-1]
    text = _("By kind: {counts}. `%glm models {example}` shows one kind.").format(
        counts=counts, example=example
    )
    return {MARKDOWN: text, PLAIN: text}


def _abilities(model: Model) -> str:
    words = [_("thinks")] if model.reasons else []
    if "image" in model.input:
        words.append(_("sees"))
    words += [word for word in ("tools", "json", "web") if word in model.features]
    return _(", ").join(words)


def _span(values: Sequence[Decimal]) -> str:
    low, high = min(values), max(values)
    return number(low) if low == high else f"{number(low)}–{number(high)}"

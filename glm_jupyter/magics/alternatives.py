"""What a request would cost, with its own model and with three others that can answer it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from glm_jupyter.api import catalogue
from glm_jupyter.api.errors import InputError
from glm_jupyter.api.events import Usage
from glm_jupyter.api.making import MakingRequest
from glm_jupyter.language import _
from glm_jupyter.money.words import amount
from glm_jupyter.render.table import table

if TYPE_CHECKING:
    from glm_jupyter.api.catalogue import Model
    from glm_jupyter.money.quote import Quote

# An answer of about a page, to compare prices by.
PAGE = 1_000
OTHERS = 3


def comparison(one: Quote) -> dict[str, str] | None:
    """The costs as a table, as a MIME bundle; None where there is nothing to compare."""
    if one.model is None or not one.priced:
        return None
    if isinstance(one.request, MakingRequest):
        return _makers(one.request, one.model)
    if not (found := others(one, one.model)):
        return None
    headers = (
        _("model"),
        _("prompt"),
        _("with {count:,} tokens of answer").format(count=_page(one)),
        _("at most"),
    )
    rows = [_row(model, one) for model in [one.model, *found]]
    return table(headers, rows, numbers=headers[1:])


def others(one: Quote, own: Model) -> list[Model]:
    """Up to three models of the same service and kind that can answer, by price: the cheapest,
    the next cheaper than `own`, the next dearer; where there is none, the next ones.
    """
    kin = [
        model
        for model in catalogue.models(endpoint=own.endpoint)
        if model.name != own.name
        and model.kind == own.kind
        and model.reasons == own.reasons
        and ("image" in model.input) == ("image" in own.input)
    ]
    ranked = sorted((model for model in kin if _can(model, one)), key=_page_cost(one))
    limit = _page_cost(one)(own)
    cheaper = [model for model in ranked if _page_cost(one)(model) <= limit]
    dearer = [model for model in ranked if _page_cost(one)(model) > limit]
    wanted = [*cheaper[:1], *cheaper[-1:], *dearer, *reversed(cheaper)]
    found = list({model.name: model for model in wanted}.values())[:OTHERS]
    return sorted(found, key=_page_cost(one))


def _makers(request: MakingRequest, own: Model) -> dict[str, str] | None:
    """What the models of the same kind at the same service ask for what is to be made."""
    kin = catalogue.models(own.kind, own.endpoint)
    rows = []
    for model in [own, *(each for each in kin if each.name != own.name and not each.retired)]:
        try:
            worst = request.named(model.name).checked(model).worst(model)
        except InputError:
            continue
        rows.append((model.name, amount(worst, model.currency)))
    headers = _("model"), _("at most")
    return table(headers, rows[: OTHERS + 1], numbers=headers[1:]) if len(rows) > 1 else None


def _can(model: Model, one: Quote) -> bool:
    """Whether a model of known price takes the request, with shorter answers if need be."""
    if model.retired or model.unsure or not model.prices or isinstance(one.request, MakingRequest):
        return False
    shorter = replace(one.request, max_tokens=_within(one.request.max_tokens, model))
    try:
        model.check(shorter, one.prompt_tokens)
    except InputError:
        return False
    return True


def _within(most: int | None, model: Model) -> int | None:
    """The longest answer that is asked for, or the longest that `model` gives."""
    return min(most, model.max_output) if most and model.max_output else most


def _page(one: Quote) -> int:
    """The tokens of the answer to compare by: a page, or less where the request allows less."""
    return min(PAGE, one.request.max_tokens or PAGE)


def _page_cost(one: Quote) -> Callable[[Model], tuple[Decimal, str]]:
    def cost(model: Model) -> tuple[Decimal, str]:
        usage = Usage(prompt_tokens=one.prompt_tokens, completion_tokens=_page(one))
        return model.cost(usage) or Decimal(0), model.name

    return cost


def _row(model: Model, one: Quote) -> Sequence[str]:
    theirs = replace(one, model=model)
    most = _within(theirs.most_output, model)
    prompt = model.cost(Usage(prompt_tokens=one.prompt_tokens))
    page, _ = _page_cost(one)(model)
    worst = theirs.worst_with(most) if most else None
    costs = [amount(cost, model.currency) for cost in (prompt, page, worst)]
    return (model.name, *costs)

"""What `--dry-run` shows: the messages, their tokens, what they would cost, what a budget says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from glm_jupyter.api import tokens
from glm_jupyter.api.errors import GLMError
from glm_jupyter.api.making import MakingRequest
from glm_jupyter.language import _, sentences
from glm_jupyter.money.limit import left
from glm_jupyter.money.words import amount
from glm_jupyter.render.fences import fenced
from glm_jupyter.render.transcript import said
from glm_jupyter.text import literal, prose

from .alternatives import comparison

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glm_jupyter.prompt.expand import Value
    from glm_jupyter.sessions.request import ModelRequest
    from glm_jupyter.sessions.turn import Turn


def preview(turn: Turn, values: Sequence[Value] = ()) -> dict[str, str]:
    """The MIME bundle that describes a request nobody has sent; `values` came by `{{ }}`."""
    one = turn.opening
    messages = [(message["role"], said(message)) for message in one.request.messages]
    if tools := [json.dumps(tool, ensure_ascii=False) for tool in one.request.tools]:
        messages.append(("tools", "\n".join(tools)))
    shown = [f"**{role}**\n\n{fenced(text)}" for role, text in messages]
    plain = [f"{role}:\n{text}" for role, text in messages]
    facts = [_facts(one)]
    if turn.knowledge:
        facts.append(_("the knowledge base {name} is asked first").format(name=turn.knowledge))
    words = [*map(str, values), *turn.answer.notes]
    line = " · ".join([*facts, *dict.fromkeys(words)])
    costs = comparison(one.quote) or {"text/markdown": "", "text/plain": ""}
    verdict = _verdict(turn)
    return {
        "text/markdown": "\n\n".join(
            [*shown, costs["text/markdown"], prose(verdict), f"<small>{literal(line)}</small>"]
        ),
        "text/plain": "\n\n".join(filter(None, [*plain, costs["text/plain"], verdict, line])),
    }


def _verdict(turn: Turn) -> str:
    """What the budgets in force say, if there are any."""
    if turn.opening.recorded:
        return ""
    try:
        limit = turn.budgets.check(turn.opening.quote, turn.opening.cap)
    except GLMError as error:
        return sentences(_("It would be refused."), str(error), error.remedy)
    if limit is None:
        return ""
    allowed = left(limit)
    if limit.period == "cell":
        allowed = _("{limit} allows it").format(limit=limit.name)
    return _("It would not be refused: {allowed}.").format(allowed=allowed)


def _facts(one: ModelRequest) -> str:
    quote = one.quote
    if isinstance(one.request, MakingRequest):
        return _making_facts(one, one.request)
    about, most = quote.prompt_tokens, quote.most_output
    asked = _("about {about:,} tokens in (an estimate: {least:,} to {most:,})").format(
        about=about, least=tokens.at_least(about), most=tokens.at_most(about)
    )
    parts = [_not_sent(one), asked, *quote.images]
    limit = _("length of the answer not limited")
    if most:
        limit = _("at most {count:,} out").format(count=most)
    parts += [limit, _price(one)]
    if any(tool["type"] == "function" for tool in one.request.tools):
        parts.append(_("each round of function calls is a further request"))
    return " · ".join(parts)


def _making_facts(one: ModelRequest, request: MakingRequest) -> str:
    """What is to be made, as it is asked for."""
    chosen = [f"{name} {_short(value)}" for name, value in request.given.items()]
    return " · ".join([_not_sent(one), *chosen, *one.quote.facts, _price(one)])


def _not_sent(one: ModelRequest) -> str:
    model = f"{one.target.endpoint.name}/{one.target.model}"
    return _("Not sent. {model}").format(model=model)


def _short(value: object) -> str:
    """A value of the request; what is embedded is not shown."""
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    text = str(value)
    return _("embedded") if text.startswith("data:") else text


def _price(one: ModelRequest) -> str:
    if one.target.endpoint.name == "local":
        return _("free")
    cost = amount(one.quote.worst, one.quote.currency)
    return cost if one.quote.worst is None else _("at most {cost}").format(cost=cost)

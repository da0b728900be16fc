"""What `--dry-run` shows: the messages, their tokens, what they would cost, what a budget says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from glm_jupyter.api import tokens
from glm_jupyter.api.errors import GLMError
from glm_jupyter.api.making import MakingRequest
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
    base = [f"the knowledge base {turn.knowledge} is asked first"] if turn.knowledge else []
    facts = " · ".join([_facts(one), *base, *map(str, values)])
    costs = comparison(one.quote) or {"text/markdown": "", "text/plain": ""}
    verdict = _verdict(turn)
    return {
        "text/markdown": "\n\n".join(
            [*shown, costs["text/markdown"], prose(verdict), f"<small>{literal(facts)}</small>"]
        ),
        "text/plain": "\n\n".join(filter(None, [*plain, costs["text/plain"], verdict, facts])),
    }


def _verdict(turn: Turn) -> str:
    """What the budgets in force say, if there are any."""
    if turn.opening.recorded:
        return ""
    try:
        limit = turn.budgets.check(turn.opening.quote, turn.opening.cap)
    except GLMError as error:
        return f"It would be refused. {error} {error.remedy}"
    if limit is None:
        return ""
    allowed = f"{limit.name} allows it" if limit.period == "cell" else left(limit)
    return f"It would not be refused: {allowed}."


def _facts(one: ModelRequest) -> str:
    quote = one.quote
    if isinstance(one.request, MakingRequest):
        return _making_facts(one, one.request)
    about, most = quote.prompt_tokens, quote.most_output
    least, most_in = tokens.at_least(about), tokens.at_most(about)
    asked = f"about {about:,} tokens in (an estimate: {least:,} to {most_in:,})"
    parts = [f"Not sent. {one.target.endpoint.name}/{one.target.model}", asked]
    parts += quote.images
    limit = f"at most {most:,} out" if most else "length of the answer not limited"
    parts += [limit, _price(one)]
    if any(tool["type"] == "function" for tool in one.request.tools):
        parts.append("each round of function calls is a further request")
    return " · ".join(parts)


def _making_facts(one: ModelRequest, request: MakingRequest) -> str:
    """What is to be made, as it is asked for."""
    chosen = [f"{name} {_short(value)}" for name, value in request.given.items()]
    where = f"Not sent. {one.target.endpoint.name}/{one.target.model}"
    return " · ".join([where, *chosen, *one.quote.facts, _price(one)])


def _short(value: object) -> str:
    """A value of the request; what is embedded is not shown."""
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    text = str(value)
    return "embedded" if text.startswith("data:") else text


def _price(one: ModelRequest) -> str:
    if one.target.endpoint.name == "local":
        return "free"
    worst = one.quote.worst
    return "cost unknown" if worst is None else f"at most {amount(worst, one.quote.currency)}"

"""Asked: a user's request, read and checked, and what it costs at most."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from glm_jupyter.api import tokens
from glm_jupyter.api.catalogue import Model
from glm_jupyter.api.endpoints import SERVICES
from glm_jupyter.api.request import ChatRequest
from glm_jupyter.websearch import SEARCHES

from .config import Config
from .errors import Refused


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for an answer: what goes out for it, and what it costs at most."""

    model: Model
    body: bytes  # as the user sent it, but for the wish for usage
    streams: bool
    hides_usage: bool  # the user has not asked for the usage that the gateway asks for
    prompt_tokens: int  # estimated
    worst: Decimal | None
    search_price: Decimal


def read(body: bytes, config: Config) -> Asked:
    """The request in a body. Raises Refused for what may not be asked."""
    try:
        content = json.loads(body)
        name = content["model"]
        messages = tuple(content["messages"])
        streams = content.get("stream") is True
        model = config.models.get(name.lower())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise Refused(
            400, "1214", "A request is JSON with a model and a list of messages."
        ) from None
    if model is None:
        allowed = ", ".join(model.name for model in config.models.values())
        raise Refused(
            403, "model_not_allowed", f"The gateway does not offer {name}. It offers: {allowed}."
        )
    if content.get("n") not in (None, 1):
        raise Refused(400, "1214", "The gateway gives one answer to a request (n).")
    most_output = _most_output(content, model)
    prompt_tokens, most_prompt = _prompt(content, messages, model)
    worst = model.worst_cost(most_prompt, most_output) if most_output else None
    if worst is None and model.prices and not model.free:
        raise Refused(400, "1214", f"Say how long an answer of {model.name} may be (max_tokens).")
    searches = [tool for tool in content.get("tools") or () if tool.get("type") == "web_search"]
    search = SEARCHES.get(config.endpoint.name) if searches else None
    price = search.price if search else Decimal(0)
    body, hides_usage = _with_usage(body, content, config) if streams else (body, False)
    return Asked(
        model=model,
        body=body,
        streams=streams,
        hides_usage=hides_usage,
        prompt_tokens=prompt_tokens,
        worst=None if worst is None else worst + price,
        search_price=price,
    )


def _most_output(content: dict[str, Any], model: Model) -> int | None:
    asked = content.get("max_tokens")
    if asked is None:
        return model.max_output
    if type(asked) is not int or asked < 1:
        raise Refused(400, "1214", "max_tokens is a whole number, 1 or more.")
    # Servers cut what is more than a model can write.
    return min(asked, model.max_output or asked)


def _prompt(
    content: dict[str, Any], messages: tuple[dict[str, Any], ...], model: Model
) -> tuple[int, int]:
    """The tokens of the prompt: estimated, and at most."""
    request = ChatRequest(model.name, messages)
    try:
        estimated = tokens.estimate(messages)
        for tool in content.get("tools") or ():
            if tool.get("type") not in (None, "function", "web_search"):
                raise Refused(
                    403, "1220", f"The gateway does not pass on tools of type {tool['type']!r}."
                )
            estimated += tokens.estimate(json.dumps(tool, ensure_ascii=False))
        most = model.most_prompt(request, estimated)
        parts = [part for m in messages if isinstance(m["content"], list) for part in m["content"]]
        others = [part for part in parts if part.get("type") not in ("text", "image_url")]
    except (LookupError, TypeError, AttributeError):
        raise Refused(
            400, "1214", "Messages are objects with role and content, tools with a type."
        ) from None
    # Nobody can tell how long a file or a video is.
    if others or (request.images and not model.image_tokens):
        most = max(most, model.context or most)
    return estimated, most


def _with_usage(body: bytes, content: dict[str, Any], config: Config) -> tuple[bytes, bool]:
    """The body that asks for usage, and whether the user did not.

    The hosted services send it in any case; other servers only where it is asked for.
    """
    options = content.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage") is True:
        return body, False
    if config.endpoint.base_url in {service.base_url for service in SERVICES.values()}:
        return body, False
    kept = options if isinstance(options, dict) else {}
    asking = {**content, "stream_options": {**kept, "include_usage": True}}
    return json.dumps(asking).encode(), True

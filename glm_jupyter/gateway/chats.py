"""Chats: a request for an answer in words, read and checked."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from glm_jupyter.api import tokens
from glm_jupyter.api.catalogue import Model
from glm_jupyter.api.endpoints import SERVICES
from glm_jupyter.api.request import ChatRequest
from glm_jupyter.websearch import SEARCHES

from .asked import Asked, allowed, content_of, malformed
from .config import Config
from .counting import ChatCounter
from .errors import Refused

PATH = "chat/completions"
_FORM = "JSON with a model and a list of messages"


def read(body: bytes, config: Config) -> Asked:
    """The request in a body. Raises Refused for what may not be asked."""
    content = content_of(body, _FORM)
    if not isinstance(content.get("messages"), list):
        raise malformed(_FORM)
    messages = tuple(content["messages"])
    streams = content.get("stream") is True
    model = allowed(content["model"], PATH, config)
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
        path=PATH,
        body=body,
        streams=streams,
        worst=None if worst is None else worst + price,
        counter=ChatCounter(model, prompt_tokens, search_price=price, hides_usage=hides_usage),
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

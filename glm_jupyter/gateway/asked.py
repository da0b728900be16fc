"""Asked: a user's request, read and checked, and what it costs at most."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from glm_jupyter.api.catalogue import Model

from .config import PATHS, Config
from .counting import Counter
from .errors import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that may go out: to `path` of the API, with what it costs at most.

    `streams` is whether an event stream was asked for. What is `paid_once_sent` is billed though
    nobody waits for it any longer. The reply to a `task` names what its result is fetched by.
    """

    model: Model
    path: str
    body: bytes
    content_type: str = "application/json"
    streams: bool = False
    worst: Decimal | None
    counter: Counter
    paid_once_sent: bool = False
    task: bool = False


def content_of(body: bytes, what: str) -> dict[str, Any]:
    """The object in a body of JSON. Raises Refused where there is none that names a model."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("model"), str):
        raise malformed(what)
    return content


def malformed(what: str) -> Refused:
    """The error for a request that is not `what` it has to be."""
    return Refused(400, "1214", f"A request is {what}.")


def allowed(name: Any, path: str, config: Config) -> Model:
    """The model of that name. Raises Refused where it is not offered, or not at `path`."""
    model = config.models.get(name.lower()) if isinstance(name, str) else None
    if model is None:
        offered = ", ".join(model.name for model in config.models.values())
        raise Refused(
            403, "model_not_allowed", f"The gateway does not offer {name}. It offers: {offered}."
        )
    if path not in PATHS[model.kind]:
        right = " or ".join(PATHS[model.kind])
        raise Refused(400, "1214", f"{model.name} answers at {right}, not at {path}.")
    return model

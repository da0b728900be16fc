"""Probe: asks a service one free question, and tells how that went."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import monotonic, time
from typing import TYPE_CHECKING

from .http import Http, refused, whole

if TYPE_CHECKING:
    from .endpoints import Endpoint


@dataclass(frozen=True, slots=True)
class Probe:
    """How a service answered: after `seconds`, with so many `models`.

    `ahead` is how many seconds this machine's clock is before the service's; None where the
    service does not tell its time, `models` where it lists none.
    """

    seconds: float
    models: int | None
    ahead: float | None


async def probe(endpoint: Endpoint) -> Probe:
    """Ask for the list of models, which costs nothing. Raises GLMError where that fails."""
    begun = monotonic()
    async with Http().response(endpoint, "GET", "/models") as response:
        body = await whole(response)
        seconds = monotonic() - begun
        if response.status_code != 200:
            raise refused(endpoint, response, body)
        date = response.headers.get("date")
    try:
        models: int | None = len(json.loads(body)["data"])
    except (ValueError, LookupError, TypeError):
        models = None
    try:
        ahead = None if date is None else time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        ahead = None
    return Probe(seconds, models, ahead)

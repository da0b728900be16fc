"""Transport: where answers come from; the client, a recorder around one, a replayer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Protocol

from . import events as ev

if TYPE_CHECKING:
    from .endpoints import Endpoint
    from .request import Request


class Transport(Protocol):
    """Where answers come from: a client, or something that stands around it or in its place."""

    def stream(self, endpoint: Endpoint, request: Request) -> AsyncGenerator[ev.Event, None]:
        """The events of the answer as they come; Finish is the last."""

    async def models(self, endpoint: Endpoint) -> list[str]:
        """The names of the models there."""

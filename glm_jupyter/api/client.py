"""Client: sends a request to an endpoint and yields the events of the answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
)

from glm_jupyter.language import _

from . import events as ev
from .endpoints import Endpoint
from .errors import GLMError, not_the_api
from .http import Http
from .redact import hidden_in
from .request import Request

TRIES = 3
LONGEST_WAIT = 30.0  # seconds between tries; a service that asks for more is not waited for


class Client:
    """Talks to services and servers, in whatever event loop it is called from.

    `pause` is the wait before the first retry, in seconds; it doubles for the next. `tries` is
    how often a request goes out at most.

    For many requests, `async with Client() as client` keeps connections open for the next ones,
    as long as the block, all in one event loop; without it each request has its own.
    """

    def __init__(self, pause: float = 1.0, tries: int = TRIES) -> None:
        self._pause = pause
        self._tries = tries
        self._http = Http()

    async def __aenter__(self) -> Client:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.__aexit__(*exc)

    async def stream(self, endpoint: Endpoint, request: Request) -> AsyncGenerator[ev.Event, None]:
        """The events of the answer as they come; Finish is the last.

        A failure that may pass is retried, after a Retrying event, as long as nothing of the
        answer has been given out. Closing the generator, or cancelling the task that waits for
        it, closes the connection at once.

        Raises GLMError: AuthenticationError, RequestError, BusyError or NetworkError where there
        is no answer, IncompleteError where it broke off.
        """
        wait: float | None = None
        reason = ""

        async def note(seconds: float) -> None:
            nonlocal wait
            wait = seconds

        async for attempt in AsyncRetrying(
            sleep=note,
            stop=stop_after_attempt(self._tries),
            wait=self._wait,
            retry=retry_if_exception(_worth_another_try),
            reraise=True,
        ):
            if wait is not None:
                yield ev.Retrying(wait, reason)
                await asyncio.sleep(wait)
            events = hidden_in(request.events(self._http, endpoint), endpoint.key)
            opening: list[ev.Event] = []
            with attempt:
                try:
                    async for queued in _before_output(events, opening):
                        yield queued
                except GLMError as error:
                    reason = str(error)
                    raise
                except (asyncio.CancelledError, GeneratorExit):
                    await events.aclose()
                    raise
        # Nothing is retried from here on: the answer has begun, or ended empty.
        async with aclosing(events):
            for event in opening:
                yield event
            async for event in events:
                yield event

    async def models(self, endpoint: Endpoint) -> list[str]:
        """The names of the models that the endpoint lists; it may answer under more.

        Raises GLMError where it gives no list.
        """
        try:
            reply = await self._http.call(endpoint, "GET", "/models")
            return [str(row["id"]) for row in reply["data"]]
        except (LookupError, TypeError):
            raise not_the_api(endpoint.base_url, _("no list of models")) from None

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, GLMError) and error.retry_after is not None:
            return error.retry_after
        growing = wait_exponential(multiplier=self._pause, max=LONGEST_WAIT)
        return growing(state) + random.uniform(0, self._pause)  # noqa: S311, no secret


async def _before_output(
    events: AsyncIterator[ev.Event], opening: list[ev.Event]
) -> AsyncIterator[ev.Queued]:
    """Take events up to the first that shows something of the answer; give its place meanwhile."""
    async for event in events:
        if isinstance(event, ev.Queued):
            yield event
            continue
        opening.append(event)
        if isinstance(event, ev.OUTPUT):
            return


def _worth_another_try(error: BaseException) -> bool:
    if not isinstance(error, GLMError) or not error.retryable:
        return False
    return (error.retry_after or 0) <= LONGEST_WAIT

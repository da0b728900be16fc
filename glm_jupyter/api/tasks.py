"""Tasks: what the service works on for a while: handed in, asked about until it is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from glm_jupyter.language import N_, _, sentences

from . import events as ev
from .download import fetched
from .errors import BusyError, NetworkError, RequestError, clean, not_the_api
from .making import MakingRequest, perhaps_billed

if TYPE_CHECKING:
    from decimal import Decimal

    from .catalogue import Model
    from .endpoints import Endpoint
    from .http import Http
    from .request import Dialect

Kind = Literal["image", "video"]

# Seconds between two questions about a task: the first ones are short, as some are made soon.
FIRST_WAIT = 3.0
LONGEST_WAIT = 10.0
GROWTH = 1.25

KEPT = {
    "image": N_("The service keeps a picture for 30 days."),
    "video": N_("How long the service keeps a video is not documented."),
}


@dataclass(frozen=True, slots=True)
class Submitted:
    """A task that the service has taken."""

    id: str
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest(MakingRequest):
    """Asks for the result of a task that was handed in before; that costs nothing more."""

    id: str
    kind: Kind

    @property
    def quantity(self) -> int:
        """Nothing: it was billed when it was handed in."""
        return 0

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """What is asked about."""
        return {"model": self.model, "id": self.id}

    def worst(self, model: Model) -> Decimal | None:
        """Nothing."""
        return model.unit_cost(0)

    async def events(self, http: Http, endpoint: Endpoint) -> AsyncGenerator[ev.Event, None]:
        """Wait until it is made and fetch it."""
        yield ev.Started(None, self.model)
        async for event in task_events(http, endpoint, self.id, self.kind):
            yield event


async def submitted(
    http: Http, endpoint: Endpoint, path: str, request: MakingRequest, what: str
) -> Submitted:
    """Hand a task in. Raises GLMError; one that may have been taken is not handed in again."""
    try:
        reply = await http.call(endpoint, "POST", path, json=request.body(endpoint.dialect))
    except NetworkError as error:
        raise perhaps_billed(error, what) from None
    task = reply.get("id") if isinstance(reply, dict) else None
    if not isinstance(task, str) or not task:
        raise not_the_api(endpoint.base_url, _("no task"))
    known = reply.get("request_id")
    return Submitted(task, known if isinstance(known, str) else None)


async def task_events(
    http: Http, endpoint: Endpoint, task: str, kind: Kind
) -> AsyncGenerator[ev.Event, None]:
    """Ask about a task until it is made, and fetch the result.

    A question that fails in a way that may pass is asked again; a state that is not known counts
    as under way. Raises RequestError where the task has failed or is not known.
    """
    for wait in _waits():
        try:
            reply = await http.call(endpoint, "GET", f"/async-result/{quote(task, safe='')}")
        except (BusyError, NetworkError) as error:
            if isinstance(error, NetworkError) and not error.retryable:
                raise
            pause = max(wait, error.retry_after or 0.0)
            yield ev.Retrying(min(pause, 60.0), str(error))
            await asyncio.sleep(min(pause, 60.0))
            continue
        state = str(reply.get("task_status") or "") if isinstance(reply, dict) else ""
        if state.upper() == "SUCCESS":
            yield await _result(reply, endpoint, kind)
            yield ev.Finish("stop")
            return
        if state.upper() == "FAIL":
            raise _failed(reply, kind)
        yield ev.TaskState(clean(state, 40).upper() or "PROCESSING")
        await asyncio.sleep(wait)


def _waits() -> Iterator[float]:
    wait = FIRST_WAIT
    while True:
        yield wait
        wait = min(wait * GROWTH, LONGEST_WAIT)


async def _result(reply: dict[str, Any], endpoint: Endpoint, kind: Kind) -> ev.Media:
    made = reply.get(f"{kind}_result")
    first = made[0] if isinstance(made, list) and made else None
    url = first.get("url") if isinstance(first, dict) else None
    if not isinstance(url, str):
        raise not_the_api(endpoint.base_url, _("no picture") if kind == "image" else _("no video"))
    cover = first.get("cover_image_url") if isinstance(first, dict) else None
    cover = cover if isinstance(cover, str) and cover else None
    return await fetched(url, endpoint, kind, _(KEPT[kind]), cover=cover)


def _failed(reply: dict[str, Any], kind: Kind) -> RequestError:
    error = reply.get("error")
    told = error.get("message") if isinstance(error, dict) else None
    reason = clean(told or reply.get("message") or reply.get("msg") or "")
    code = error.get("code") if isinstance(error, dict) else None
    failed = _("The service could not make the video.")
    if kind == "image":
        failed = _("The service could not make the picture.")
    says = _("It does not say why.")
    if reason:
        says = _("It says: {text}").format(text=reason)
    return RequestError(
        sentences(failed, says),
        remedy=_(
            "Put it in other words, or choose another size or picture to begin from; words "
            "and pictures that its rules forbid are refused this way too."
        ),
        code=None if code is None else clean(code, 40),
    )

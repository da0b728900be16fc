"""What is said while an answer is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glm_jupyter.api.events import Event, Queued, Retrying, TaskStarted, TaskState
from glm_jupyter.api.making import MakingRequest
from glm_jupyter.api.tasks import TaskRequest
from glm_jupyter.language import N_, _
from glm_jupyter.money.words import amount

if TYPE_CHECKING:
    from glm_jupyter.sessions.turn import Turn

_MAKES = {
    "image": N_("{model} is making a picture"),
    "video": N_("{model} is making a video"),
    "speech": N_("{model} is speaking"),
    "transcription": N_("{model} is listening"),
    "document": N_("{model} is reading"),
}
_WORKS = N_("{model} is at work")


def making(turn: Turn, state: str = "") -> str:
    """What a model that makes something else than text is at; empty for a chat.

    `state` is how the service says that its task stands.
    """
    one = turn.opening
    if not isinstance(one.request, MakingRequest) or one.model is None:
        return ""
    worst = one.quote.worst
    if isinstance(one.request, TaskRequest):
        what = _("Waiting for task {id}").format(id=one.request.id)
    else:
        what = _(_MAKES.get(one.model.kind, _WORKS)).format(model=one.target.model)
        if worst and not one.recorded:
            price = amount(worst, one.quote.currency)
            what = _("{what}, {price}").format(what=what, price=price)
    return f"{what} ({state}) …" if state else f"{what} …"


def remark(event: Event, turn: Turn) -> str:
    """What an event says about the waiting; empty where it says nothing."""
    match event:
        case Retrying(seconds, reason):
            again = _("Trying again in {seconds:.0f} s …").format(seconds=seconds)
            return f"{reason} {again}"
        case Queued(place):
            return _("Waiting for {model}: place {place} in the queue …").format(
                model=turn.answer.model, place=place
            )
        case TaskStarted():
            return making(turn, _("handed in"))
        case TaskState(state):
            return making(turn, state.lower())
    return ""

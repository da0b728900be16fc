"""What is said while an answer is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glm_jupyter.api.events import Event, Queued, Retrying, TaskStarted, TaskState
from glm_jupyter.api.making import MakingRequest
from glm_jupyter.api.tasks import TaskRequest
from glm_jupyter.money.words import amount

if TYPE_CHECKING:
    from glm_jupyter.sessions.turn import Turn

_MAKES = {
    "image": "is making a picture",
    "video": "is making a video",
    "speech": "is speaking",
    "transcription": "is listening",
    "document": "is reading",
}


def making(turn: Turn) -> str:
    """What a model that makes something else than text is at; empty for a chat."""
    one = turn.opening
    if not isinstance(one.request, MakingRequest) or one.model is None:
        return ""
    worst = one.quote.worst
    if isinstance(one.request, TaskRequest):
        return f"Waiting for task {one.request.id} …"
    price = f", {amount(worst, one.quote.currency)}" if worst and not one.recorded else ""
    return f"{one.target.model} {_MAKES.get(one.model.kind, 'is at work')}{price} …"


def remark(event: Event, turn: Turn) -> str:
    """What an event says about the waiting; empty where it says nothing."""
    match event:
        case Retrying(seconds, reason):
            return f"{reason} Trying again in {seconds:.0f} s …"
        case Queued(place):
            return f"Waiting for {turn.answer.model}: place {place} in the queue …"
        case TaskStarted():
            return making(turn).replace(" …", " (handed in) …")
        case TaskState(state):
            return making(turn).replace(" …", f" ({state.lower()}) …")
    return ""

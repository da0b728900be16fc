"""Asking from Python: `ask`, `aask`, `stream`, `astream`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

from glm_jupyter.language import N_, _

from . import bridge
from .answer import Answer
from .api.events import Event
from .sessions import session as sessions
from .sessions.options import AskOptions

STOPPED = N_("Stopped. What had arrived is kept in `glm_jupyter.session.last`.")


async def aask(prompt: str = "", **options: Any) -> Answer:
    """Ask a model and give its whole Answer.

    `options` are those of `%%glm` by their long names (see `AskOptions`): `model`, `endpoint`,
    `system`, `temperature`, `top_p`, `max_tokens`, `stop` (a list), `think` (True or False),
    `max_cost` (0.5 in the endpoint's currency, or "0.5 RMB"), `continue_` to go on with the
    conversation (True, or the name of one) with `trim` to leave out its oldest exchanges if it is
    too long, `schema` for an answer whose `parsed` fits it, `tools` (functions) with `confirm` to
    be asked before each call, `image` (a path, URL, figure, array or bytes, or several), `web`
    for a search, `file` (a path, URL or bytes, or several), `knowledge` for a knowledge base, and
    `fresh` to ask the service while a recording is replayed. `effort` is how much to reason, in a
    word of the models that have it.

    For pictures and videos `size`, `quality`, `duration`, `fps` and `sound`; for speech `voice`,
    `speed` and `volume`; for what was said `audio` and `hotwords`; for documents `pages`.
    Raises GLMError.
    """
    turn = sessions.current().turn(prompt, AskOptions.of(**options))
    with bridge.short_when_stopped(_(STOPPED)), bridge.awake():
        async with aclosing(turn.stream()) as events:
            async for _event in events:
                pass
    return turn.answer


def ask(prompt: str = "", **options: Any) -> Answer:
    """`aask` for code that does not await, also inside a notebook cell."""
    with bridge.short_when_stopped(_(STOPPED)):
        return bridge.run(aask(prompt, **options))


async def astream(prompt: str = "", **options: Any) -> AsyncGenerator[Event, None]:
    """Ask a model and yield the events of its answer as they come; options as for `aask`."""
    turn = sessions.current().turn(prompt, AskOptions.of(**options))
    with bridge.short_when_stopped(_(STOPPED)), bridge.awake():
        async with aclosing(turn.stream()) as events:
            async for event in events:
                yield event


def stream(prompt: str = "", **options: Any) -> Iterator[Event]:
    """`astream` for code that does not await, also inside a notebook cell."""
    with bridge.short_when_stopped(_(STOPPED)):
        yield from bridge.iterate(astream(prompt, **options))

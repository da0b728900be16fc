"""Several models answer one question at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from glm_jupyter.api.endpoints import NAMES as ENDPOINTS
from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.language import _
from glm_jupyter.sessions.turn import Turn

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer
    from glm_jupyter.sessions.options import Asking, AskOptions
    from glm_jupyter.sessions.session import Session


class SideBySide:
    """One turn for each model, none of which is part of a conversation.

    `errors` has, for each turn, what it failed with.
    """

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.turns = list(turns)
        self.errors: list[GLMError | None] = [None] * len(self.turns)

    @property
    def answers(self) -> list[Answer]:
        """The answers, in the order of the models."""
        return [turn.answer for turn in self.turns]

    async def run(self, changed: Callable[[], None]) -> None:
        """Let all answer, calling `changed` whenever one has grown.

        One that fails or is stopped leaves the others alone. Raises the first GLMError where
        all have failed, and at the end whatever else code of the user's own has raised.
        """
        ended = await asyncio.gather(
            *(self._run_one(number, changed) for number in range(len(self.turns))),
            return_exceptions=True,
        )
        for error in ended:
            if isinstance(error, Exception):  # CancelledError, of one that was stopped, is none
                raise error
        failed = [error for error in self.errors if error is not None]
        if len(failed) == len(self.turns):
            raise failed[0]

    async def _run_one(self, number: int, changed: Callable[[], None]) -> None:
        try:
            async with aclosing(self.turns[number].stream()) as events:
                async for _ in events:
                    changed()
        except GLMError as error:
            self.errors[number] = error
        finally:
            changed()


def turns_for(
    session: Session, models: str, prompt: str, options: AskOptions, asking: Asking
) -> SideBySide:
    """The turns of a question to each of `models`, names with commas between.

    Raises GLMError for what can be known to fail, before anything is sent.
    """
    names = [name.strip() for name in models.split(",") if name.strip()]
    if len(names) < 2:
        raise InputError(
            _("--compare takes two or more models."),
            remedy=_("For example --compare glm-4-airx,glm-z1-air."),
        )
    turns = []
    for name in names:
        own = replace(options, model=name)
        if name.partition("/")[0] in ENDPOINTS:
            own = replace(own, endpoint=None)
        turns.append(session.turn(prompt, own, asking))
    return SideBySide(turns)

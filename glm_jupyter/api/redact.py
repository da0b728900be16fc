"""Keeps the key out of what comes back: a server may quote what it was sent, even in pieces."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import TypeAlias

from . import events as ev
from .endpoints import Secret
from .errors import GLMError

# Own servers take "EMPTY" and the like, which is no secret and may be a word of the answer.
SHORTEST_KEY = 12
INSTEAD = "(the key)"

Piece: TypeAlias = ev.TextDelta | ev.ReasoningDelta | ev.ToolCallDelta


def hidden(text: str, key: Secret) -> str:
    """`text` without the key."""
    return text.replace(key.reveal(), INSTEAD) if len(key.reveal()) >= SHORTEST_KEY else text


async def hidden_in(
    events: AsyncGenerator[ev.Event, None], key: Secret
) -> AsyncGenerator[ev.Event, None]:
    """The events of an answer without the key, wherever it is cut."""
    hider = _Hider(key)
    async with aclosing(events):
        try:
            async for event in events:
                for shown in hider.decode(event):
                    yield shown
        except GLMError:
            for shown in hider.flush():
                yield shown
            raise
    for shown in hider.flush():
        yield shown


class _Hider:
    """Holds back the end of a piece that may be the beginning of the key."""

    def __init__(self, key: Secret) -> None:
        self._key = key
        self._last: Piece | None = None
        self._held = ""

    def decode(self, event: ev.Event) -> Iterator[ev.Event]:
        if not isinstance(event, Piece):
            yield from self.flush()
            yield event
            return
        if not (self._last and _place(self._last) == _place(event)):
            yield from self.flush()
        text = hidden(self._held + _text(event), self._key)
        self._last, self._held = event, self._beginning(text)
        head = text[: len(text) - len(self._held)]
        if head or isinstance(event, ev.ToolCallDelta):  # which brings a name, too
            yield _with(event, head)

    def flush(self) -> Iterator[ev.Event]:
        if self._last and self._held:
            yield _with(self._last, self._held)
        self._last, self._held = None, ""

    def _beginning(self, text: str) -> str:
        """The longest end of `text` with which the key begins."""
        key = self._key.reveal()
        if len(key) < SHORTEST_KEY:
            return ""
        sizes = range(min(len(text), len(key) - 1), 0, -1)
        return next((key[:size] for size in sizes if text.endswith(key[:size])), "")


def _place(piece: Piece) -> tuple[type[Piece], int]:
    return type(piece), piece.index if isinstance(piece, ev.ToolCallDelta) else 0


def _text(piece: Piece) -> str:
    return piece.arguments if isinstance(piece, ev.ToolCallDelta) else piece.text


def _with(piece: Piece, text: str) -> Piece:
    if isinstance(piece, ev.ToolCallDelta):
        return replace(piece, arguments=text)
    return replace(piece, text=text)

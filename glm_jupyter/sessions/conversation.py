"""The conversation that `--continue` goes on with: exchanges, and the cells they came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from glm_jupyter.api import tokens

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question, its answer, and the function calls between; `cell` tells which cell asked."""

    cell: str
    messages: tuple[Message, ...]


class Conversation:
    """Exchanges in order. A cell that runs again replaces its own exchange, in its place."""

    def __init__(self) -> None:
        self.system: str | None = None
        self._exchanges: list[Exchange] = []

    @property
    def messages(self) -> list[Message]:
        """The whole conversation in the form the API takes."""
        return messages_of(self._exchanges)

    def before(self, cell: str) -> list[Exchange]:
        """What a question from `cell` goes on from: all that came before its own exchange."""
        place = self._place(cell)
        return self._exchanges[:place]

    def record(self, exchange: Exchange, *, system: str | None, continued: bool) -> None:
        """Keep an exchange: in its cell's old place, at the end, or as a new beginning."""
        place = self._place(exchange.cell)
        if place is not None and (continued or place == 0):
            self._exchanges[place] = exchange
        elif continued:
            self._exchanges.append(exchange)
        else:
            self._exchanges = [exchange]
        if place == 0 or not continued or len(self._exchanges) == 1:
            self.system = system

    def clear(self) -> None:
        """Forget everything."""
        self.system = None
        self._exchanges.clear()

    def _place(self, cell: str) -> int | None:
        cells = [exchange.cell for exchange in self._exchanges]
        return cells.index(cell) if cell in cells else None


def messages_of(exchanges: Iterable[Exchange]) -> list[Message]:
    """The exchanges in the form the API takes."""
    return [message for exchange in exchanges for message in exchange.messages]


def trimmed(exchanges: Sequence[Exchange], room: int) -> list[Exchange]:
    """The latest exchanges that fit into `room` tokens, by estimate.

    An exchange stays whole, so that no function call is parted from its result.
    """
    kept = list(exchanges)
    while kept and tokens.estimate(messages_of(kept)) > room:
        kept.pop(0)
    return kept


def words_of(message: Message) -> str:
    """What a message says in words."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n\n".join(part["text"] for part in parts if part.get("type") == "text")

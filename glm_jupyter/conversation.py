"""The conversation that `--continue` goes on with: exchanges, and the cells they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its answer; `cell` tells which cell asked."""

    cell: str
    question: Message
    answer: str


class Conversation:
    """Exchanges in order. A cell that runs again replaces its own exchange, in its place."""

    def __init__(self) -> None:
        self.system: str | None = None
        self._exchanges: list[Exchange] = []

    @property
    def messages(self) -> list[Message]:
        """The whole conversation in the form the API takes."""
        return self._messages(self._exchanges)

    def messages_before(self, cell: str) -> list[Message]:
        """What a question from `cell` goes on from: all that came before its own exchange."""
        place = self._place(cell)
        return self._messages(self._exchanges if place is None else self._exchanges[:place])

    def record(self, exchange: Exchange, *, system: str | None, continued: bool) -> None:
        """Keep an exchange: in its cell's old place, at the end, or as a new beginning."""
        place = self._place(exchange.cell)
        if place is not None and (continued or place == 0):
            self._exchanges[place] = exchange
        elif continued:
            self._exchanges.append(exchange)
        else:
            self._exchanges = [exchange]
        if place == 0 or not continued:
            self.system = system

    def clear(self) -> None:
        """Forget everything."""
        self.system = None
        self._exchanges.clear()

    def _place(self, cell: str) -> int | None:
        cells = [exchange.cell for exchange in self._exchanges]
        return cells.index(cell) if cell in cells else None

    def _messages(self, exchanges: list[Exchange]) -> list[Message]:
        found: list[Message] = []
        for exchange in exchanges:
            found.append(exchange.question)
            found.append({"role": "assistant", "content": exchange.answer})
        return found

"""Answers: what a map brings, in the order of its items."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, overload

from glm_jupyter.answer import Answer
from glm_jupyter.api.errors import GLMError
from glm_jupyter.api.events import Usage
from glm_jupyter.money.amounts import total
from glm_jupyter.money.words import amount

_COLUMNS = [
    "text",
    "parsed",
    "complete",
    "error",
    "prompt_tokens",
    "completion_tokens",
    "cost",
    "seconds",
]


class Answers:
    """One Answer for each item, in the items' order; None where there is none.

    `errors` says why there is none: position -> GLMError; a position that is in neither was not
    reached before the map was stopped. `size` is the number of items, where it is known; `index`
    that of the Series or DataFrame the items came from, else None; `labels` say what the
    first of them are, None where they can be gone through only once. `batches` are the ids of the
    batches that were handed in, if any.
    """

    def __init__(self, size: int = 0, index: Any = None, labels: list[str] | None = None) -> None:
        self.index = index
        self.labels = labels
        self.batches: list[str] = []
        self.under_way = False  # at the service, in batches
        self.errors: dict[int, GLMError] = {}
        self._answers: list[Answer | None] = [None] * size

    @property
    def text(self) -> Any:
        """The texts, None where there is no answer: a Series like the items', or a list."""
        return self._like_the_items([answer and answer.text for answer in self], "text")

    @property
    def parsed(self) -> Any:
        """The values that `schema` asked for: a Series like the items', or a list."""
        return self._like_the_items([answer and answer.parsed for answer in self], "parsed")

    @property
    def cost(self) -> Decimal | None:
        """What the answers cost together, each counted once; None if one's price is unknown."""
        return total(answer.cost for answer in self._distinct())

    @property
    def currency(self) -> str | None:
        """The currency of `cost`."""
        return next((answer.currency for answer in self._distinct() if answer.currency), None)

    @property
    def usage(self) -> Usage:
        """The tokens of the answers together, each counted once."""
        usages = [answer.usage for answer in self._distinct()]
        return Usage(
            prompt_tokens=sum(usage.prompt_tokens for usage in usages),
            completion_tokens=sum(usage.completion_tokens for usage in usages),
            total_tokens=sum(usage.total_tokens for usage in usages),
            cached_tokens=sum(usage.cached_tokens for usage in usages),
            reasoning_tokens=sum(usage.reasoning_tokens for usage in usages),
            estimated=any(usage.estimated for usage in usages),
        )

    def frame(self) -> Any:
        """A DataFrame with a row for each item: text, parsed, whether it is whole, error, tokens,
        cost, seconds.

        Items that were asked once for several have the same answer, and its cost, in each row.
        Raises ImportError where pandas is not installed.
        """
        import pandas as pd

        rows = [
            {
                "text": answer.text if answer else None,
                "parsed": answer.parsed if answer else None,
                "complete": answer is not None and answer.complete,
                "error": str(self.errors[place]) if place in self.errors else None,
                "prompt_tokens": answer.usage.prompt_tokens if answer else 0,
                "completion_tokens": answer.usage.completion_tokens if answer else 0,
                "cost": answer.cost if answer else None,
                "seconds": answer.seconds if answer else None,
            }
            for place, answer in enumerate(self)
        ]
        return pd.DataFrame(rows, index=self.index, columns=_COLUMNS)

    @overload
    def __getitem__(self, place: int) -> Answer | None: ...
    @overload
    def __getitem__(self, place: slice) -> list[Answer | None]: ...
    def __getitem__(self, place: int | slice) -> Answer | list[Answer | None] | None:
        return self._answers[place]

    def __len__(self) -> int:
        return len(self._answers)

    def __iter__(self) -> Iterator[Answer | None]:
        return iter(self._answers)

    def __repr__(self) -> str:
        given = sum(answer is not None for answer in self)
        parts = [f"{given} of {len(self)} answered"]
        if cut := sum(answer is not None and not answer.complete for answer in self):
            parts.append(f"{cut} cut off")
        if self.errors:
            parts.append(f"{len(self.errors)} failed")
        if given:
            parts.append(amount(self.cost, self.currency))
        return f"<Answers: {', '.join(parts)}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from .table import bundle

        return bundle(self)

    def put(self, place: int, answer: Answer | None, error: GLMError | None = None) -> None:
        """Set the answer of one item, or why it has none."""
        if place >= len(self._answers):
            self._answers.extend([None] * (place + 1 - len(self._answers)))
        self._answers[place] = answer
        if error is not None:
            self.errors[place] = error

    def _distinct(self) -> list[Answer]:
        return list({answer.id: answer for answer in self if answer is not None}.values())

    def _like_the_items(self, values: list[Any], name: str) -> Any:
        if self.index is None:
            return values
        import pandas as pd

        return pd.Series(values, index=self.index, name=name, dtype=object)

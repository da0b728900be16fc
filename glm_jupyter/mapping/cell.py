"""`%%glm --map EXPRESSION`: the cell is asked about every item."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from glm_jupyter import sessions
from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.preview import preview
from glm_jupyter.prompt import evaluate
from glm_jupyter.render.money import amount

from .answers import Answers
from .asking import answers_for, fill
from .items import each, prompt_for

if TYPE_CHECKING:
    from glm_jupyter.cells import Question


class CellMap:
    """What a `--map` cell asks: `answers` grow while it runs."""

    def __init__(self, asked: Question, namespace: Mapping[str, Any]) -> None:
        expression = asked.args.map
        self.items = evaluate(expression, namespace, f"--map {expression}")
        self.answers: Answers = answers_for(self.items)
        self._prompt = asked.prompt or None
        self._namespace = None if asked.args.raw else namespace
        # For one cell, what it may cost is its budget; each answer has the whole of it.
        self._options = {**asked.options, "budget": asked.options["max_cost"], "max_cost": None}
        del self._options["to_send"]

    async def run(self) -> None:
        """Ask about every item. Raises GLMError where going on makes no sense."""
        await fill(self.answers, self.items, self._prompt, self._namespace, **self._options)

    def preview(self) -> dict[str, str]:
        """What `--dry-run` shows: the first request, and what all of them cost at most."""
        session = sessions.current()
        options = {name: value for name, value in self._options.items() if name != "budget"}
        turns = []
        errors = []
        for item in each(self.items):
            try:
                prompt = prompt_for(item, self._prompt, self._namespace)
                turns.append(session.turn(prompt, to_send=False, aside=True, **options))
            except GLMError as error:
                errors.append(error)
        if not turns:
            raise errors[0] if errors else InputError("There is no item to ask about.")
        return _with_sum(preview(turns[0]), [turn.opening for turn in turns], len(errors))


def _with_sum(bundle: dict[str, str], requests: list[Any], skipped: int) -> dict[str, str]:
    costs = [one.worst_cost() for one in requests]
    known = [cost for cost in costs if cost is not None]
    whole = sum(known, Decimal(0)) if len(known) == len(costs) else None
    model = requests[0].model
    cost = amount(whole, model.currency if model else None)
    tokens = sum(one.prompt_tokens for one in requests)
    parts = [f"The first of {len(requests):,} requests. All: about {tokens:,} tokens in"]
    parts.append(f"at most {cost}" if whole else cost)
    if skipped:
        parts.append(f"{skipped:,} items cannot be asked about")
    line = " · ".join(parts)
    return {
        "text/markdown": f"{bundle['text/markdown']}\n\n<small>{line}</small>",
        "text/plain": f"{bundle['text/plain']}\n\n{line}",
    }

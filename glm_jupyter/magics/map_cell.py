"""`%%glm --map EXPRESSION`: the cell is asked about every item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.language import _, ngettext, sentences
from glm_jupyter.mapping.answers import Answers
from glm_jupyter.mapping.batch_draft import check, half
from glm_jupyter.mapping.budget import Allowance
from glm_jupyter.mapping.items import each, prompt_for
from glm_jupyter.mapping.mapping import answers_for, fill
from glm_jupyter.money.amounts import total
from glm_jupyter.money.limit import Limit, left
from glm_jupyter.money.words import amount
from glm_jupyter.prompt.expand import evaluate
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.options import Asking
from glm_jupyter.text import prose

from .dry_run import preview

if TYPE_CHECKING:
    from glm_jupyter.sessions.request import ModelRequest

    from .cell import Question


class CellMap:
    """What a `--map` cell asks: `answers` grow while it runs."""

    def __init__(self, asked: Question, namespace: Mapping[str, Any]) -> None:
        expression = asked.args.map
        self.items = evaluate(expression, namespace, f"--map {expression}")
        self.answers: Answers = answers_for(self.items)
        self._prompt = asked.prompt or None
        self._namespace = None if asked.args.raw else namespace
        self._batch: bool = asked.args.batch
        # For one cell, what it may cost is its budget; each answer has the whole of it.
        self._budget = asked.options.max_cost
        self._options = replace(asked.options, max_cost=None)

    async def run(self) -> None:
        """Ask about every item. Raises GLMError where going on makes no sense."""
        await fill(
            self.answers,
            self.items,
            self._prompt,
            self._namespace,
            self._options,
            budget=self._budget,
            batch=self._batch,
        )

    def preview(self) -> dict[str, str]:
        """What `--dry-run` shows: the first request, and what all of them cost at most."""
        session, asking = sessions.current(), Asking(to_send=False, aside=True)
        if self._batch:
            check(self._options, session.target(self._options, to_send=False))
        turns = {}  # equal questions are asked once
        errors = []
        items = 0
        for item in each(self.items):
            items += 1
            try:
                prompt = prompt_for(item, self._prompt, self._namespace)
                if prompt not in turns:
                    turns[prompt] = session.turn(prompt, self._options, asking)
            except GLMError as error:
                errors.append(error)
        if not turns:
            raise errors[0] if errors else InputError(_("There is no item to ask about."))
        first = next(iter(turns.values()))
        requests = [turn.opening for turn in turns.values()]
        whole = total(one.quote.worst for one in requests)
        if self._batch and whole is not None:
            whole = half(whole)
        lines = [
            self._verdict(requests[0], whole),
            _sums(requests, whole, items, len(errors), batch=self._batch),
        ]
        bundle, lines = preview(first), [line for line in lines if line]
        return {
            "text/markdown": "\n\n".join(
                [bundle["text/markdown"], *(f"<small>{prose(line)}</small>" for line in lines)]
            ),
            "text/plain": "\n\n".join([bundle["text/plain"], *lines]),
        }

    def _verdict(self, first: ModelRequest, whole: Decimal | None) -> str:
        """What the limits in force say to all of it, where each request alone may be allowed."""
        session, budget = sessions.current(), self._budget
        if first.recorded or first.target.endpoint.name == "local":
            return ""
        currency = first.quote.currency
        limits = session.budgets.limits(currency) if currency else []
        try:
            if budget is not None:
                own = Allowance.of(budget, first.target)
                limits.append(Limit("cell", own.most, own.currency))
        except GLMError as error:
            return sentences(_("All would be refused."), str(error), error.remedy)
        tightest = min(limits, key=lambda limit: limit.left, default=None)
        if tightest is None or whole is None or whole <= tightest.left:
            return ""
        cost = amount(whole, currency)
        return _("All may cost up to {cost}, and {left}: it may be stopped before its end.").format(
            cost=cost, left=left(tightest)
        )


def _sums(
    requests: list[ModelRequest],
    whole: Decimal | None,
    items: int,
    skipped: int,
    *,
    batch: bool,
) -> str:
    model = requests[0].model
    cost = amount(whole, model.currency if model else None)
    tokens = sum(one.quote.prompt_tokens for one in requests)
    them = _("{count:,} requests").format(count=len(requests))
    if items != len(requests):
        them = _("{requests} about {items:,} items").format(requests=them, items=items)
    text = _("The first of {requests}. All: about {tokens:,} tokens in")
    if batch:
        text = _(
            "The first of {requests} in a batch, at half the price. All: about {tokens:,} tokens in"
        )
    parts = [text.format(requests=them, tokens=tokens)]
    parts.append(_("at most {cost}").format(cost=cost) if whole else cost)
    if skipped:
        text = ngettext(
            "{count:,} item cannot be asked about", "{count:,} items cannot be asked about", skipped
        )
        parts.append(text.format(count=skipped))
    return " · ".join(parts)

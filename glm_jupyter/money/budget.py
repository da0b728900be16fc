"""Budgets: what may be spent in a session, a day, a month; checked before and during an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from traitlets import HasTraits, Int

from glm_jupyter.api import events as ev
from glm_jupyter.api import tokens
from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.exact import add, exactly

from .amounts import parse_amount
from .ceiling import ceilings
from .ledger import Ledger, Line, span
from .words import amount, number

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer
    from glm_jupyter.api.catalogue import Model
    from glm_jupyter.api.request import ChatRequest
    from glm_jupyter.sessions.session import Target

Period = Literal["session", "day", "month"]
PERIODS: tuple[Period, ...] = get_args(Period)
WORDS = {"session": "of this session", "day": "of today", "month": "of this month"}

# An answer is measured anew each time it has grown by so many characters.
METER_CHARACTERS = 400


class Request(Protocol):
    """What a budget has to know of a request: who answers, how long, and for how much at most.

    `max_cost` is the limit of its own cell, as typed, of which `spent_before` is used up.
    `search_price` is for the web search that the model may make, if it may.
    """

    target: Target
    request: ChatRequest
    model: Model | None
    answer: Answer
    prompt_tokens: int
    max_cost: str | None
    spent_before: Decimal
    search_price: Decimal

    @property
    def most_output(self) -> int | None:
        """The most tokens the answer can have, where that is known."""

    def worst_cost(self) -> Decimal | None:
        """What it costs at most, where that is known."""


class BudgetError(GLMError):
    """A budget does not allow the request, or no more of its answer.

    `per_request` says that it is the limit of this one answer, `max_cost`, and concerns no other.
    """

    def __init__(self, message: str, *, remedy: str, per_request: bool = False) -> None:
        super().__init__(message, remedy=remedy)
        self.per_request = per_request


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget and what of it is used: spent, and held back for answers under way."""

    period: Period | Literal["cell"]
    amount: Decimal
    currency: str
    spent: Decimal = Decimal(0)
    held: Decimal = Decimal(0)
    ceiling: bool = False  # set by the administrator

    @property
    @exactly
    def left(self) -> Decimal:
        """What may still be spent."""
        return max(Decimal(0), self.amount - self.spent - self.held)

    def refusal(self, message: str, remedy: str) -> BudgetError:
        """The error for what this limit does not allow."""
        return BudgetError(message, remedy=remedy, per_request=self.period == "cell")

    @property
    def name(self) -> str:
        """The limit in words: "the budget of today (5 RMB)"."""
        if self.period == "cell":
            return f"--max-cost {number(self.amount)}"
        kind = "the administrator's ceiling" if self.ceiling else "the budget"
        return f"{kind} {WORDS[self.period]} ({number(self.amount)} {self.currency})"


class Budgets(HasTraits):
    """What a session may spend, and the book of what it spends.

    Budgets of a session live in its kernel; those of a day and a month in the ledger, for all
    kernels of the user. RMB and USD are separate budgets. `revision` counts what changes,
    `measured` how often an answer under way was measured anew.
    """

    revision = Int(0)
    measured = Int(0)

    def __init__(self, ledger: Ledger | None = None) -> None:
        super().__init__()
        self.ledger = ledger or Ledger()
        self._session: dict[str, Decimal] = {}
        self._under_way: dict[str, tuple[str, Decimal]] = {}
        self._meters: dict[str, Meter] = {}
        self._booked: dict[str | None, Line] = {}

    @property
    def booked(self) -> list[Line]:
        """What this session's answers took, a line for each currency."""
        return list(self._booked.values())

    @property
    def so_far(self) -> dict[str, Decimal]:
        """About what the answers under way have cost: currency -> amount, where it is known."""
        sums: dict[str, Decimal] = {}
        for meter in list(self._meters.values()):  # other threads ask too
            sums[meter.currency] = add(sums.get(meter.currency, Decimal(0)), meter.cost)
        return {currency: cost for currency, cost in sums.items() if cost}

    def set(self, period: Period, currency: str, value: Decimal | None) -> None:
        """Set a budget, or take it off with None.

        Raises InputError where the ledger cannot keep a budget of a day or a month.
        """
        if period == "session":
            self._session.pop(currency, None)
            if value is not None:
                self._session[currency] = value
        elif not self.ledger.set_budget(period, currency, value):
            raise InputError(
                self.ledger.next_warning() or "The ledger cannot be written.",
                remedy="A budget of this session works without it: `%glm budget AMOUNT`.",
            )
        self.revision += 1

    def limits(self, currency: str, spent: Mapping[str, Decimal]) -> list[Limit]:
        """The limits in force for money of `currency`; `spent` is the session's own."""
        kept = self.ledger.budgets()
        found: list[Limit] = []
        for period in PERIODS:
            mine = (
                self._session.get(currency) if period == "session" else kept.get((period, currency))
            )
            amounts = ((mine, False), (ceilings().get((period, currency)), True))
            given = [(value, ceiling) for value, ceiling in amounts if value is not None]
            if given:
                used = self._used(period, currency, spent)
                found += [
                    Limit(period, value, currency, *used, ceiling) for value, ceiling in given
                ]
        return found

    def check(self, request: Request, spent: Mapping[str, Decimal]) -> Limit | None:
        """The tightest limit on a request, None where there is none.

        Raises BudgetError where what it costs at most is more than is left of it. Images count
        only where the catalogue knows how many tokens they take.
        """
        tightest = self._tightest(request, currency_of(request), spent)
        if tightest is not None:
            _check(request, request.model, tightest)
        return tightest

    def fitting(self, request: Request, spent: Mapping[str, Decimal]) -> int | None:
        """The longest answer that all limits have room for, in tokens; 0 where none fits.

        None where there is no need of a shorter one than the request may have.
        """
        tightest = self._tightest(request, currency_of(request), spent)
        worst = request.worst_cost()
        if tightest is None or request.model is None or worst is None or worst <= tightest.left:
            return None
        return _longest_that_fits(request, request.model, tightest.left)

    def begin(
        self, request: Request, spent: Mapping[str, Decimal], notebook: str | None = None
    ) -> Meter | None:
        """Let a request go out if all limits have room for it, and hold back what it may cost.

        Gives the meter its stream must pass, where the price is known. Raises BudgetError.
        """
        tightest = self.check(request, spent)
        currency, worst = currency_of(request), request.worst_cost()
        if currency and worst:
            self._under_way[request.answer.id] = currency, worst
        self.ledger.begin(request.answer, most=worst, currency=currency, notebook=notebook)
        self.revision += 1
        if not currency or request.model is None or not request.model.prices:
            return None
        meter = Meter(request, request.model, currency, tightest, self._measured)
        self._meters[request.answer.id] = meter
        return meter

    def end(self, answer: Answer, finish: str) -> None:
        """Book an answer that will not grow any more."""
        self._under_way.pop(answer.id, None)
        self._meters.pop(answer.id, None)
        self.ledger.finish(answer, finish)
        before = self._booked.get(answer.currency, Line("", answer.currency))
        self._booked[answer.currency] = before.plus(answer)
        if complaint := self.ledger.next_warning():
            answer.notes.append(complaint)
        self.revision += 1

    def _measured(self) -> None:
        self.measured += 1

    def _tightest(
        self, request: Request, currency: str | None, spent: Mapping[str, Decimal]
    ) -> Limit | None:
        limits = self.limits(currency, spent) if currency else []
        if request.max_cost is not None and request.target.endpoint.name != "local":
            value, wanted = parse_amount(str(request.max_cost), currency)
            if wanted != currency:
                raise InputError(
                    f"--max-cost is in {wanted}, but {request.target.endpoint.name} bills in "
                    f"{currency or 'no currency known here'}. Nothing was sent.",
                    remedy=f"Give --max-cost in {currency}." if currency else "Leave it out.",
                )
            limits.append(Limit("cell", value, wanted, request.spent_before))
        return min(limits, key=lambda limit: limit.left, default=None)

    def _used(
        self, period: Period, currency: str, spent: Mapping[str, Decimal]
    ) -> tuple[Decimal, Decimal]:
        own = spent.get(currency, Decimal(0))
        held = add(*(most for of, most in self._under_way.values() if of == currency))
        if period == "session":
            return own, held
        since, until = span(period)
        lines = self.ledger.lines(None, since, until)
        booked = add(*(line.cost for line in lines if line.currency == currency))
        held_by_all = self.ledger.held(since).get(currency, Decimal(0))
        if self.ledger.broken:
            return max(own, booked), max(held, held_by_all)
        return booked, held_by_all


class Meter:
    """Follows what an answer has cost while it grows, and stops it where that passes `limit`.

    `cost` is what the service has counted so far, or an estimate. `changed` is called whenever
    it has changed.
    """

    def __init__(
        self,
        request: Request,
        model: Model,
        currency: str,
        limit: Limit | None,
        changed: Callable[[], None],
    ) -> None:
        self.currency = currency
        self.cost = Decimal(0)
        self._model = model
        self._prompt_tokens = request.prompt_tokens
        self._most_output = request.most_output
        self._search_price = request.search_price
        self._limit = limit
        self._changed = changed
        self._searched = Decimal(0)
        self._output_tokens = 0
        self._unmeasured = ""

    def see(self, event: ev.Event) -> None:
        """Count one more event of the answer. Raises BudgetError where the limit is passed.

        Only text that grows can be stopped: the count after its end comes too late for that.
        """
        match event:
            case ev.Started():
                self._count(ev.Usage(prompt_tokens=self._prompt_tokens))
            case ev.UsageReport(usage):
                self._count(usage)
            case ev.Sources():
                self._searched = self._search_price
            case ev.TextDelta(text) | ev.ReasoningDelta(text):
                self._grow(text)
            case ev.ToolCallDelta(name=name, arguments=arguments):
                self._grow((name or "") + arguments)

    def _grow(self, text: str) -> None:
        self._unmeasured += text
        if len(self._unmeasured) >= METER_CHARACTERS:
            self._output_tokens += tokens.estimate(self._unmeasured)
            self._unmeasured = ""
            # An estimate must not stop what the check before sending has let through.
            output = min(self._output_tokens, self._most_output or self._output_tokens)
            self._count(ev.Usage(prompt_tokens=self._prompt_tokens, completion_tokens=output))
        if self._limit is not None and self.cost > self._limit.left:
            raise self._limit.refusal(
                f"The answer was stopped: it has cost about {amount(self.cost, self.currency)} "
                f"so far, and {left(self._limit)}.",
                remedy=f"What had arrived is kept. {_how_to_go_on(self._limit)}",
            )

    def _count(self, usage: ev.Usage) -> None:
        cost = self._model.cost(usage)
        if cost is not None and (whole := add(cost, self._searched)) > self.cost:
            self.cost = whole
            self._changed()


def currency_of(request: Request) -> str | None:
    """What a request is billed in, where that is known."""
    return request.model.currency if request.model else request.target.endpoint.currency


def _check(request: Request, model: Model | None, limit: Limit) -> None:
    if model is None or not model.prices:
        raise limit.refusal(
            f"The price of {request.target.model} is not known, so {limit.name} cannot be kept. "
            "Nothing was sent.",
            remedy="Put its price into your catalogue.toml (`%glm doctor` says where that is), "
            f"or choose a model with a price. {_how_to_go_on(limit)}",
        )
    # Without a known longest answer, the prompt alone must fit; the meter sees to the rest.
    worst = request.worst_cost()
    least = worst if worst is not None else _worst_cost(request, model, 0)
    if least is None or least <= limit.left:
        return
    facts = [f"about {request.prompt_tokens:,} tokens in", *images_in(request.request, model)]
    if request.most_output:
        facts.append(f"at most {request.most_output:,} out")
    remedy = ""
    if request.search_price:
        facts.append(f"a web search for {amount(request.search_price, limit.currency)}")
        remedy = "Leave out --web. " if least <= add(limit.left, request.search_price) else ""
    if fits := _longest_that_fits(request, model, limit.left):
        remedy = f"Give --max-tokens {fits} or less, or choose a cheaper model. "
    raise limit.refusal(
        f"This cell may cost up to {amount(least, limit.currency)} with {request.target.model} "
        f"({', '.join(facts)}), and {left(limit)}. Nothing was sent.",
        remedy=remedy + _how_to_go_on(limit),
    )


def images_in(request: ChatRequest, model: Model | None) -> list[str]:
    """How a request's images count in what it costs at most, in words; nothing without images."""
    if not request.images:
        return []
    if model and model.image_tokens:
        return [f"at most {model.image_tokens:,} for each image"]
    return ["images are not counted"]


def _worst_cost(request: Request, model: Model, most_output: int) -> Decimal | None:
    most_prompt = model.most_prompt(request.request, request.prompt_tokens)
    worst = model.worst_cost(most_prompt, most_output)
    return None if worst is None else add(worst, request.search_price)


def _longest_that_fits(request: Request, model: Model, left: Decimal) -> int:
    """The greatest --max-tokens whose worst case costs no more than `left`; 0 where none does."""
    low, high = 0, request.most_output or 0
    while low < high:
        middle = (low + high + 1) // 2
        cost = _worst_cost(request, model, middle)
        if cost is not None and cost <= left:
            low = middle
        else:
            high = middle - 1
    return low


def left(limit: Limit) -> str:
    """What is left of a limit, in words that go on from what it may cost or has cost."""
    if limit.period == "cell":
        return f"{limit.name} allows no more"
    held = f" ({number(limit.held)} are held for answers under way)" if limit.held else ""
    return f"of {limit.name}, {number(limit.left)} {limit.currency} are left{held}"


def _how_to_go_on(limit: Limit) -> str:
    if limit.period == "cell":
        return "A higher --max-cost, or none, lets it through."
    if limit.ceiling:
        return "Only the administrator of this system can raise the ceiling."
    flag = "" if limit.period == "session" else f" --{limit.period}"
    return f"`%glm budget AMOUNT{flag}` raises the budget, `%glm budget off{flag}` takes it off."

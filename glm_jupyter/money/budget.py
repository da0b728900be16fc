"""Budgets: what may be spent in a session, a day, a month, and what a session has spent."""

from __future__ import annotations

import itertools
from decimal import Decimal
from threading import RLock
from typing import TYPE_CHECKING

from traitlets import HasTraits, Int

from glm_jupyter.api.errors import InputError
from glm_jupyter.exact import add
from glm_jupyter.language import _

from .ceiling import ceilings
from .ledger import PERIODS as LEDGER_PERIODS
from .ledger import Ledger, Standing
from .ledger import Period as LedgerPeriod
from .limit import PERIODS, Limit, Period, check
from .meter import Meter
from .sums import Line

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer

    from .quote import Quote


class Budgets(HasTraits):
    """What a session may spend, and what it has spent: every sum comes from here.

    Budgets of a session live in its kernel; those of a day and a month in the ledger, for all
    kernels of the user. RMB and USD are separate budgets. `revision` counts what changes,
    `measured` how often an answer under way was measured anew. Any thread may use it.
    """

    revision = Int(0)
    measured = Int(0)

    def __init__(self, ledger: Ledger | None = None) -> None:
        super().__init__()
        self.ledger = ledger or Ledger()
        self._lock = RLock()
        self._session: dict[str, Decimal] = {}
        self._under_way: dict[str, tuple[str, Decimal]] = {}
        self._meters: dict[str, Meter] = {}
        self._lines: dict[str | None, Line] = {}
        self._revisions = itertools.count(1)

    @property
    def booked(self) -> list[Line]:
        """What this session's answers took, a line for each currency."""
        with self._lock:
            return list(self._lines.values())

    @property
    def spent(self) -> dict[str, Decimal]:
        """What this session has cost: currency -> amount."""
        return {
            line.currency: line.cost
            for line in self.booked
            if line.currency and line.unpriced < max(line.requests, 1)
        }

    @property
    def so_far(self) -> dict[str, Decimal]:
        """About what the answers under way have cost: currency -> amount, where it is known."""
        with self._lock:
            meters = list(self._meters.values())
        sums: dict[str, Decimal] = {}
        for meter in meters:
            sums[meter.currency] = add(sums.get(meter.currency, Decimal(0)), meter.cost)
        return {currency: cost for currency, cost in sums.items() if cost}

    def set(self, period: Period, currency: str, value: Decimal | None) -> None:
        """Set a budget, or take it off with None.

        Raises InputError where the ledger cannot keep a budget of a day or a month.
        """
        if period == "session":
            with self._lock:
                self._session.pop(currency, None)
                if value is not None:
                    self._session[currency] = value
        elif not self.ledger.set_budget(period, currency, value):
            raise InputError(
                self.ledger.complaint or _("The ledger cannot be written."),
                remedy=_("A budget of this session works without it: `%glm budget AMOUNT`."),
            )
        self._changed()

    def limits(self, currency: str) -> list[Limit]:
        """The limits in force for money of `currency`."""
        with self._lock:
            standing = self.ledger.standing(currency, _ceiling_periods(currency))
            return self._limits(currency, standing)

    def check(self, quote: Quote, cap: Limit | None = None) -> Limit | None:
        """The tightest limit on a request, `cap` among them; None where there is none.

        Raises BudgetError where what it costs at most is more than is left of it. Images count
        only where the catalogue knows how many tokens they take.
        """
        return check(quote, self._limits_on(quote, cap))

    def fitting(self, quote: Quote, cap: Limit | None = None) -> int | None:
        """The longest answer that all limits have room for, in tokens; 0 where none fits.

        None where there is no need of a shorter one than the request may have.
        """
        tightest = min((limit.left for limit in self._limits_on(quote, cap)), default=None)
        if tightest is None or quote.worst is None or quote.worst <= tightest:
            return None
        return quote.longest_within(tightest)

    def reserve(
        self, quote: Quote, answer: Answer, cap: Limit | None = None, notebook: str | None = None
    ) -> Meter | None:
        """Let a request go out if all limits have room for it, and hold back what it may cost.

        No other thread and no other kernel comes between the two. Gives the meter its stream
        must pass, where the price is known. Raises BudgetError.
        """
        currency, worst = quote.currency, quote.worst
        tightest: Limit | None = None

        def allow(standing: Standing | None) -> None:
            nonlocal tightest
            limits = self._limits(currency, standing) if currency else []
            tightest = check(quote, [*limits, cap])

        with self._lock:
            if currency:
                self.ledger.reserve(
                    answer,
                    allow,
                    most=worst,
                    currency=currency,
                    notebook=notebook,
                    periods=_ceiling_periods(currency),
                )
            else:
                allow(None)
                self.ledger.begin(answer, most=worst, notebook=notebook)
            if currency and worst:
                self._under_way[answer.id] = currency, worst
            meter = None
            if currency and quote.priced:
                meter = Meter(quote, currency, tightest, self._measured)
                self._meters[answer.id] = meter
        self._changed()
        return meter

    def settle(self, answer: Answer, finish: str) -> None:
        """Book an answer that will not grow any more, in place of what was held back for it."""
        with self._lock:
            self._under_way.pop(answer.id, None)
            self._meters.pop(answer.id, None)
            before = self._lines.get(answer.currency, Line("", answer.currency))
            self._lines[answer.currency] = before.plus(answer)
        self.ledger.finish(answer, finish)
        if complaint := self.ledger.next_warning():
            answer.notes.append(complaint)
        self._changed()

    def leave(self, answer: str) -> None:
        """Hold back nothing more here for an answer that nobody waits for: its job holds it."""
        with self._lock:
            self._under_way.pop(answer, None)
            self._meters.pop(answer, None)
        self._changed()

    def settle_recorded(self, currency: str | None) -> None:
        """Count a recorded answer, which cost nothing in `currency`."""
        with self._lock:
            self._lines.setdefault(currency, Line("", currency))
        self._changed()

    def _changed(self) -> None:
        self.revision = next(self._revisions)

    def _measured(self) -> None:
        self.measured += 1

    def _limits_on(self, quote: Quote, cap: Limit | None) -> list[Limit]:
        limits = self.limits(quote.currency) if quote.currency else []
        return [*limits, cap] if cap else limits

    def _limits(self, currency: str, standing: Standing | None) -> list[Limit]:
        if standing is None:  # the ledger cannot say: its budgets as they were, and this session
            known = self.ledger.known_budgets
            standing = Standing(
                {of: value for (of, its), value in known.items() if its == currency}
            )
        found: list[Limit] = []
        for period in PERIODS:
            own = self._session.get(currency)
            mine = own if period == "session" else standing.budgets.get(period)
            top = ceilings().get((period, currency))
            if mine is None and top is None:
                continue
            used = self._used(currency, period, standing)
            if mine is not None:
                found.append(Limit(period, mine, currency, *used))
            if top is not None:
                found.append(Limit(period, top, currency, *used, ceiling=True))
        return found

    def _used(self, currency: str, period: Period, standing: Standing) -> tuple[Decimal, Decimal]:
        """What is spent in a period, and what may still be for requests under way."""
        own = self.spent.get(currency, Decimal(0))
        held = add(*(most for of, most in self._under_way.values() if of == currency))
        if period == "session":
            return own, held
        used = standing.spent.get(period, own), standing.held.get(period, held)
        if self.ledger.broken:
            return max(own, used[0]), max(held, used[1])
        return used


def _ceiling_periods(currency: str) -> list[LedgerPeriod]:
    return [period for period in LEDGER_PERIODS if (period, currency) in ceilings()]

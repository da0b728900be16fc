"""The spending part of the panel, as HTML made from numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

from glm_jupyter import spending
from glm_jupyter.api.events import Usage
from glm_jupyter.language import N_, _
from glm_jupyter.money.ledger import Job, span
from glm_jupyter.money.limit import Limit
from glm_jupyter.money.sums import Line
from glm_jupyter.money.words import number
from glm_jupyter.render import chart, summary
from glm_jupyter.text import prose

if TYPE_CHECKING:
    from glm_jupyter.sessions.session import Session

CHART_DAYS = 14
MOST_JOBS = 5
LONGEST_ASKED = 40  # characters of what was asked for
HEADERS = (N_("cost"), N_("tokens in"), N_("out"))


def view(session: Session) -> str:
    """What the last answer, the session, today and the month took, and what is left."""
    ledger = session.budgets.ledger
    last = session.last
    rows = [
        _row(_("Last answer"), summary.cost(last), [_counts(last.usage)])
        if last
        else _row(_("Last answer"), _("none yet"), []),
        _sum(_("This session"), session.budgets.booked),
        _sum(_("Today"), ledger.lines(None, *span("day"))),
        _sum(_("This month"), ledger.lines(None, *span("month"))),
    ]
    currencies = spending.currencies_in_use(session)
    limits = [limit for of in currencies for limit in session.budgets.limits(of)]
    title = _("Spending")
    parts = [f"<h2>{title}</h2>", _table(rows)]
    if ledger.broken:
        parts.append(
            _fact(
                _(
                    "Today and this month are at least that: the ledger could not be used for all "
                    "requests."
                )
            )
        )
    parts += map(_bar, limits)
    if jobs := ledger.jobs(under_way=True):
        parts.append(_jobs(jobs))
    if not limits:
        parts.append(_fact(_("No budget: `%glm budget 5` sets one.")))
    since = datetime.now(UTC) - timedelta(days=CHART_DAYS)
    days = ledger.lines("day", since)
    for currency in currencies:
        if bars := spending.day_bars(days, currency, CHART_DAYS):
            parts.append(_chart(currency, bars))
    return "".join(parts)


def _fact(text: str) -> str:
    return f"<p class='glm-panel-facts'>{prose(text)}</p>"


def _sum(name: str, lines: Sequence[Line]) -> str:
    return _row(name, spending.spent(lines), [_counts(line) for line in lines])


def _counts(of: Line | Usage) -> tuple[int, ...]:
    return (of.prompt_tokens, of.cached_tokens, of.completion_tokens, of.reasoning_tokens)


def _row(name: str, cost: str, counts: Sequence[tuple[int, ...]]) -> str:
    asked, cached, given, reasoned = map(sum, zip((0, 0, 0, 0), *counts, strict=True))
    of_them = _("{count:,} cached"), _("{count:,} reasoning")
    cells = (
        escape(cost).replace(" + ", "<br>+ "),
        f"{asked:,}{_small(of_them[0], cached)}",
        f"{given:,}{_small(of_them[1], reasoned)}",
    )
    return f"<tr><th scope='row'>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _small(text: str, count: int) -> str:
    return f"<small>{text.format(count=count)}</small>" if count else ""


def _table(rows: list[str]) -> str:
    names = [_(name) for name in HEADERS]
    head = "".join(f"<th scope='col'>{name}</th>" for name in names)
    return f"<table class='glm-panel-table'><tr><td></td>{head}</tr>{''.join(rows)}</table>"


def _chart(currency: str, bars: list[chart.Bar]) -> str:
    highest = max(bars, key=lambda bar: bar.value)
    said = escape("; ".join(f"{bar.label}: {bar.words}" for bar in bars))
    columns = "".join(
        f"<i style='height: {float(bar.value / highest.value):.1%}' "
        f"title='{escape(f'{bar.label}: {bar.words}')}'></i>"
        for bar in bars
    )
    title = _("{currency} a day, highest {most} on {day}").format(
        currency=currency, most=number(highest.value), day=highest.label
    )
    return (
        f"<h3>{title}</h3>"
        f"<div class='glm-panel-chart' role='img' aria-label='{said}'>{columns}</div>"
        f"<div class='glm-panel-dates'><span>{bars[0].label}</span>"
        f"<span>{bars[-1].label}</span></div>"
    )


def _jobs(jobs: Sequence[Job]) -> str:
    """What the service works on, and how to get it."""
    rows = "".join(
        f"<li>{escape(job.kind)}: {escape(' '.join(job.asked.split())[:LONGEST_ASKED])} "
        f"<code>%glm tasks {escape(job.id)}</code></li>"
        for job in jobs[:MOST_JOBS]
    )
    more = len(jobs) - MOST_JOBS
    rest = ""
    if more > 0:
        rest = _("and {count} more: `%glm tasks`").format(count=more)
        rest = f"<li>{prose(rest)}</li>"
    title = _("The service works on")
    return f"<h3>{title}</h3><ul class='glm-panel-jobs'>{rows}{rest}</ul>"


def _bar(limit: Limit) -> str:
    whole = limit.amount or 1
    spent = min(100, float(limit.spent / whole * 100))
    held = min(100 - spent, float(limit.held / whole * 100))
    words = _("{spent} of {amount} {currency}")
    if limit.held:
        words = _("{spent} of {amount} {currency}, at most {held} under way")
    words = words.format(
        spent=number(limit.spent),
        amount=number(limit.amount),
        currency=limit.currency,
        held=number(limit.held),
    )
    full = " glm-panel-full" if spent + held >= 90 else ""
    name = _("Ceiling {period}") if limit.ceiling else _("Budget {period}")
    name = name.format(period=_(spending.PERIOD_WORDS[limit.period]))
    return (
        f"<div class='glm-panel-limit'><span>{escape(name)}</span><span>{escape(words)}</span>"
        f"<div class='glm-panel-bar{full}' role='meter' aria-label='{escape(name)}' "
        f"aria-valuemin='0' aria-valuemax='{limit.amount}' aria-valuenow='{limit.spent}' "
        f"aria-valuetext='{escape(words)}'>"
        f"<i style='width: {spent:.1f}%'></i><i style='width: {held:.1f}%'></i></div></div>"
    )

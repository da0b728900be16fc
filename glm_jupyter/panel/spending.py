"""The spending part of the panel, as HTML made from numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

from glm_jupyter import spending
from glm_jupyter.api.events import Usage
from glm_jupyter.money.ledger import Job, span
from glm_jupyter.money.limit import Limit
from glm_jupyter.money.sums import Line
from glm_jupyter.money.words import number
from glm_jupyter.render import chart, summary

if TYPE_CHECKING:
    from glm_jupyter.sessions.session import Session

CHART_DAYS = 14
MOST_JOBS = 5
LONGEST_ASKED = 40  # characters of what was asked for
HEADERS = ("cost", "tokens in", "out")


def view(session: Session) -> str:
    """What the last answer, the session, today and the month took, and what is left."""
    ledger = session.budgets.ledger
    last = session.last
    rows = [
        _row("Last answer", summary.cost(last), [_counts(last.usage)])
        if last
        else _row("Last answer", "none yet", []),
        _sum("This session", session.budgets.booked),
        _sum("Today", ledger.lines(None, *span("day"))),
        _sum("This month", ledger.lines(None, *span("month"))),
    ]
    currencies = spending.currencies_in_use(session)
    limits = [limit for of in currencies for limit in session.budgets.limits(of)]
    parts = ["<h2>Spending</h2>", _table(rows)]
    if ledger.broken:
        parts.append(
            "<p class='glm-panel-facts'>Today and this month are at least that: the ledger could "
            "not be used for all requests.</p>"
        )
    parts += map(_bar, limits)
    if jobs := ledger.jobs(under_way=True):
        parts.append(_jobs(jobs))
    if not limits:
        parts.append(
            "<p class='glm-panel-facts'>No budget: <code>%glm budget 5</code> sets one.</p>"
        )
    since = datetime.now(UTC) - timedelta(days=CHART_DAYS)
    days = ledger.lines("day", since)
    for currency in currencies:
        if bars := spending.day_bars(days, currency, CHART_DAYS):
            parts.append(_chart(currency, bars))
    return "".join(parts)


def _sum(name: str, lines: Sequence[Line]) -> str:
    return _row(name, spending.spent(lines), [_counts(line) for line in lines])


def _counts(of: Line | Usage) -> tuple[int, ...]:
    return (of.prompt_tokens, of.cached_tokens, of.completion_tokens, of.reasoning_tokens)


def _row(name: str, cost: str, counts: Sequence[tuple[int, ...]]) -> str:
    asked, cached, given, reasoned = map(sum, zip((0, 0, 0, 0), *counts, strict=True))
    cells = (
        escape(cost).replace(" + ", "<br>+ "),
        f"{asked:,}" + f"<small>{cached:,} cached</small>" * bool(cached),
        f"{given:,}" + f"<small>{reasoned:,} reasoning</small>" * bool(reasoned),
    )
    return f"<tr><th scope='row'>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _table(rows: list[str]) -> str:
    head = "".join(f"<th scope='col'>{name}</th>" for name in HEADERS)
    return f"<table class='glm-panel-table'><tr><td></td>{head}</tr>{''.join(rows)}</table>"


def _chart(currency: str, bars: list[chart.Bar]) -> str:
    highest = max(bars, key=lambda bar: bar.value)
    said = escape("; ".join(f"{bar.label}: {bar.words}" for bar in bars))
    columns = "".join(
        f"<i style='height: {float(bar.value / highest.value):.1%}' "
        f"title='{escape(f'{bar.label}: {bar.words}')}'></i>"
        for bar in bars
    )
    return (
        f"<h3>{currency} a day, at most {number(highest.value)} on {highest.label}</h3>"
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
    rest = f"<li>and {more} more: <code>%glm tasks</code></li>" if more > 0 else ""
    return f"<h3>The service works on</h3><ul class='glm-panel-jobs'>{rows}{rest}</ul>"


def _bar(limit: Limit) -> str:
    whole = limit.amount or 1
    spent = min(100, float(limit.spent / whole * 100))
    held = min(100 - spent, float(limit.held / whole * 100))
    words = f"{number(limit.spent)} of {number(limit.amount)} {limit.currency}"
    if limit.held:
        words += f", at most {number(limit.held)} under way"
    full = " glm-panel-full" if spent + held >= 90 else ""
    name = f"{'Ceiling' if limit.ceiling else 'Budget'} {spending.PERIOD_WORDS[limit.period]}"
    return (
        f"<div class='glm-panel-limit'><span>{escape(name)}</span><span>{escape(words)}</span>"
        f"<div class='glm-panel-bar{full}' role='meter' aria-label='{escape(name)}' "
        f"aria-valuemin='0' aria-valuemax='{limit.amount}' aria-valuenow='{limit.spent}' "
        f"aria-valuetext='{escape(words)}'>"
        f"<i style='width: {spent:.1f}%'></i><i style='width: {held:.1f}%'></i></div></div>"
    )

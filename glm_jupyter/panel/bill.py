"""The spending part of the panel, as HTML made from numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

from glm_jupyter import spending
from glm_jupyter.budget import Limit
from glm_jupyter.ledger import Line, span
from glm_jupyter.render import chart, summary
from glm_jupyter.render.money import number

if TYPE_CHECKING:
    from glm_jupyter.sessions import Session

CHART_DAYS = 30
HEADERS = ("", "cost", "in", "cached", "out", "reasoning")


def view(session: Session) -> str:
    """What the last answer, the session, today and the month took, and what is left."""
    ledger = session.purse.ledger
    rows = [_last(session), _session(session)]
    for words, (start, end) in (("Today", span("day")), ("This month", span("month"))):
        lines = ledger.lines(None, start, end)
        rows.append((words, spending.spent(lines), *_counts(lines)))
    currencies = spending.currencies_in_use(session)
    limits = [limit for of in currencies for limit in session.purse.limits(of, session.spent)]
    parts = ["<h4>Spending</h4>", _table(rows), *map(_bar, limits)]
    if not limits:
        parts.append(
            "<p class='glm-panel-facts'>No budget: <code>%glm budget 5</code> sets one.</p>"
        )
    since = datetime.now(UTC) - timedelta(days=CHART_DAYS)
    days = ledger.lines("day", since)
    for currency in currencies:
        if bars := spending.day_bars(days, currency):
            title = f"{currency} a day"
            parts += [f"<h5>{title}</h5>", chart.columns(title, bars)]
    return "".join(parts)


def _last(session: Session) -> tuple[str, ...]:
    answer = session.last
    if answer is None:
        return ("Last answer", "none yet", "", "", "", "")
    usage = answer.usage
    counts = (
        usage.prompt_tokens,
        usage.cached_tokens,
        usage.completion_tokens,
        usage.reasoning_tokens,
    )
    return ("Last answer", summary.cost(answer), *(f"{count:,}" for count in counts))


def _session(session: Session) -> tuple[str, ...]:
    return ("This session", spending.spent(session.purse.booked), *_counts(session.purse.booked))


def _counts(lines: list[Line]) -> tuple[str, ...]:
    sums = (
        sum(line.prompt_tokens for line in lines),
        sum(line.cached_tokens for line in lines),
        sum(line.completion_tokens for line in lines),
        sum(line.reasoning_tokens for line in lines),
    )
    return tuple(f"{count:,}" for count in sums)


def _table(rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th scope='col'>{name}</th>" for name in HEADERS)
    body = "".join(
        f"<tr><th scope='row'>{escape(first)}</th>"
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for first, *cells in rows
    )
    return f"<table class='glm-panel-table'><tr>{head}</tr>{body}</table>"


def _bar(limit: Limit) -> str:
    whole = limit.amount or 1
    spent = min(100, float(limit.spent / whole * 100))
    held = min(100 - spent, float(limit.held / whole * 100))
    words = f"{number(limit.spent)} of {number(limit.amount)} {limit.currency}"
    if limit.held:
        words += f", {number(limit.held)} under way"
    full = " glm-panel-full" if spent + held >= 90 else ""
    name = f"{'Ceiling' if limit.ceiling else 'Budget'} {spending.PERIOD_WORDS[limit.period]}"
    return (
        f"<div class='glm-panel-limit'><span>{escape(name)}</span><span>{escape(words)}</span>"
        f"<div class='glm-panel-bar{full}' role='meter' aria-label='{escape(name)}' "
        f"aria-valuemin='0' aria-valuemax='{limit.amount}' aria-valuenow='{limit.spent}' "
        f"aria-valuetext='{escape(words)}'>"
        f"<i style='width: {spent:.1f}%'></i><i style='width: {held:.1f}%'></i></div></div>"
    )

"""What was spent: as a table and a chart, as a DataFrame, as CSV; and the limits, as a table."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.language import N_, _, sentences
from glm_jupyter.render import chart
from glm_jupyter.render.table import table

from .money.amounts import currencies
from .money.ledger import COLUMNS, Ledger
from .money.limit import Limit
from .money.sums import GROUPS, Line
from .money.words import number, rounded

if TYPE_CHECKING:
    from glm_jupyter.sessions.session import Session

HEADERS = (N_("requests"), N_("in"), N_("cached"), N_("out"), N_("reasoning"), N_("cost"))
GROUP_WORDS = {
    "model": N_("model"),
    "kind": N_("kind"),
    "day": N_("day"),
    "notebook": N_("notebook"),
    "endpoint": N_("endpoint"),
}
MOST_BARS = 20
MOST_DAYS = 60
PERIOD_WORDS = {
    "session": N_("this session"),
    "day": N_("today"),
    "month": N_("this month"),
}


def usage(by: str | None = None, since: str | date | None = None) -> Any:
    """What the ledger holds: a DataFrame where pandas is installed, else a list of dicts.

    `by` is "model", "kind", "day", "notebook" or "endpoint", for sums (one row for each currency,
    since RMB and USD are not added); without it there is one row for each request. `since` is a
    date, or a text such as "2026-11-22", in local time. Costs are `Decimal`; None is not known.
    Raises InputError for what it does not know.
    """
    from glm_jupyter.sessions.session import current

    ledger = current().budgets.ledger
    start = moment(since)
    if by is None:
        names: tuple[str, ...] = COLUMNS
        rows = ledger.rows(start)
    else:
        names = (by, *(field.name for field in fields(Line) if field.name != "key"))
        rows = [{by: line.key, **asdict(line)} for line in ledger.lines(group(by), start)]
    rows = [{name: row[name] for name in names} for row in rows]
    if find_spec("pandas") is None:
        return rows
    import pandas

    return pandas.DataFrame(rows, columns=list(names))


def report(ledger: Ledger, by: str, since: datetime | None) -> list[dict[str, str]]:
    """The sums by a key of `GROUPS`, as MIME bundles: a table, and a chart of each currency."""
    lines = ledger.lines(group(by), since)
    if not lines:
        text = _("The ledger holds no request.")
        if since:
            text = _("The ledger holds no request since {date:%Y-%m-%d}.").format(date=since)
        unusable = ledger.complaint if ledger.broken else None
        return [{"text/plain": unusable or text}]
    rows = [(label(line.key, by), *_cells(line)) for line in lines]
    totals = [
        (
            _("all in {currency}").format(currency=line.currency)
            if line.currency
            else _("all without prices"),
            *_cells(line),
        )
        for line in ledger.lines(None, since)
    ]
    days = lines if by == "day" else ledger.lines("day", since)
    caption = _("All notebooks, since {date}.").format(date=min(line.key for line in days))
    note = ""
    if ledger.broken:
        note = _("At least: the ledger could not be used for all requests.")
    elif any(line.estimated or line.unpriced for line in lines):
        note = _("At least: some of it is estimated, or its price is not known.")
    numbers = [_(header) for header in HEADERS]
    headers = [_(GROUP_WORDS[by]), *numbers]
    bundles = [table(headers, [*rows, *totals], sentences(caption, note), numbers=numbers)]
    for currency in sorted({line.currency for line in lines if line.cost and line.currency}):
        bars = day_bars(lines, currency) if by == "day" else _bars(lines, currency, by)
        title = _("Spending in {currency} by {group}")
        if since:
            title = _("Spending in {currency} by {group} since {date:%Y-%m-%d}")
        title = title.format(currency=currency, group=_(GROUP_WORDS[by]), date=since)
        bundles.append(chart.bundle(title, bars, upright=by == "day"))
    return bundles


def write_csv(ledger: Ledger, path: Path, since: datetime | None) -> int:
    """Write every request to a CSV file, and give their number.

    Raises InputError where the file cannot be written.
    """
    rows = ledger.rows(since)
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(map(_written, rows))
    except OSError as error:
        raise InputError(
            _("Cannot write {path}: {reason}.").format(path=path, reason=error.strerror),
            remedy=_("Paths are relative to {folder}.").format(folder=Path.cwd()),
        ) from None
    return len(rows)


def limits_table(limits: Sequence[Limit], caption: str = "") -> dict[str, str]:
    """The limits in force and what is left of them, with a caption below."""
    if not limits:
        return {
            "text/plain": _(
                "No budget is set. `%glm budget 5` sets one for this session, "
                "`%glm budget 5 --day` or `--month` one for all kernels."
            )
        }
    rows = [
        (
            _(PERIOD_WORDS[limit.period]),
            f"{number(limit.amount)} {limit.currency}",
            number(limit.spent),
            number(limit.held),
            number(limit.left),
            _("the administrator") if limit.ceiling else _("you"),
        )
        for limit in limits
    ]
    headers = (_("for"), _("budget"), _("spent"), _("held"), _("left"), _("set by"))
    return table(headers, rows, caption, numbers=headers[1:5])


def moment(since: str | date | None) -> datetime | None:
    """The moment a date stands for: its first, in local time. Raises InputError for others."""
    if since is None:
        return None
    try:
        # Through text, which is the same for a date, a datetime, and pandas' Timestamp.
        return datetime.fromisoformat(str(since)).astimezone()
    except (ValueError, OverflowError):  # the first and the last year have no time zone
        raise InputError(
            _("{text!r} is not a date.").format(text=str(since)),
            remedy=_("Write it as {today}.").format(today=date.today().isoformat()),
        ) from None


def group(by: str) -> str:
    """`by` itself. Raises InputError where nothing can be added up by it."""
    if by not in GROUPS:
        raise InputError(
            _("Spending cannot be added up by {by!r}.").format(by=by),
            remedy=_("Choose from {groups}.").format(groups=", ".join(GROUPS)),
        )
    return by


def label(key: str, by: str) -> str:
    """A group's name for readers: of a notebook, the file's name."""
    if by != "notebook":
        return key
    return key.replace("\\", "/").rsplit("/", 1)[-1] or _("not known")


def spent(lines: Iterable[Line]) -> str:
    """What requests cost together, each currency for itself: "0.5 RMB + at least 1 USD"."""
    found = [_cost(line) for line in lines if line.cost or line.unpriced]
    return " + ".join(found) or _("nothing")


def day_bars(lines: Iterable[Line], currency: str, days: int = 0) -> list[chart.Bar]:
    """A bar for each day from the first to the last that cost something in `currency`.

    With `days`, for so many days up to today.
    """
    costs = {line.key: line for line in lines if line.currency == currency and line.cost}
    if not costs:
        return []
    last = date.today() if days else date.fromisoformat(max(costs))
    first = last - timedelta(days=(days or MOST_DAYS) - 1)
    if not days:
        first = max(first, date.fromisoformat(min(costs)))
    bars = [
        chart.Bar(day, costs[day].cost, _cost(costs[day]))
        if day in costs
        else chart.Bar(day, Decimal(0), _("nothing"))
        for day in ((first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1))
    ]
    return bars if any(bar.value for bar in bars) else []


def currencies_in_use(session: Session) -> list[str]:
    """The currencies that this session has spent, may spend now, or has a budget in."""
    try:
        now = session.target(to_send=False).endpoint.currency
    except GLMError:
        now = None
    return [
        of for of in currencies() if of == now or of in session.spent or session.budgets.limits(of)
    ]


def _written(row: dict[str, Any]) -> dict[str, Any]:
    """A row as text that any program reads: without an exponent, the time with its zone."""
    cost = None if row["cost"] is None else number(row["cost"])
    return {**row, "begun": row["begun"].isoformat(), "cost": cost}


def _cells(line: Line) -> tuple[str, ...]:
    counts = (
        line.requests,
        line.prompt_tokens,
        line.cached_tokens,
        line.completion_tokens,
        line.reasoning_tokens,
    )
    return (*(f"{count:,}" for count in counts), _cost(line))


def _cost(line: Line) -> str:
    if line.unpriced and not line.cost:
        return _("unknown") if line.unpriced == line.requests else _("unknown in part")
    if not line.cost:
        # What was refused had no cost, whatever the model's price is.
        return _("free") if line.prompt_tokens or line.completion_tokens else _("no cost")
    price = f"{rounded(line.cost)} {line.currency}"
    if line.estimated or line.unpriced:
        return _("at least {price}").format(price=price)
    return price


def _bars(lines: Iterable[Line], currency: str, by: str) -> list[chart.Bar]:
    billed = [line for line in lines if line.currency == currency and line.cost]
    bars = [chart.Bar(label(line.key, by), line.cost, _cost(line)) for line in billed]
    return sorted(bars, key=lambda bar: -bar.value)[:MOST_BARS]

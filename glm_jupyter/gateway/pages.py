"""The pages of the gateway: what each user and group has spent, as HTML and as CSV.

Nothing on them acts: no script, no form, and a policy that allows none. Teachers see everybody,
others themselves.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from glm_jupyter.money.words import number
from glm_jupyter.render import chart

from .config import PERIODS, money

if TYPE_CHECKING:
    from .app import Gateway
    from .users import User

CHART_DAYS = 30
CSV_COLUMNS = (
    "day",
    "user",
    "model",
    "requests",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "cost",
    "currency",
    "unpriced",
    "estimated",
    "refused",
)
STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
thead th { font-weight: 600; border-bottom: 2px solid #8888; vertical-align: bottom; }
tbody th { font-weight: 400; } td { white-space: nowrap; }
small { color: #767676; }
"""
PERIOD_WORDS = {"day": "today", "month": "this month", "total": "in all"}


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; "
    f"style-src 'unsafe-hashes' {_hash(STYLE)} {_hash(chart.STYLE)}",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def page(gateway: Gateway, visitor: User) -> Response:
    """The page of a visitor."""
    view = _View(gateway, visitor)
    body = await gateway.store.run(view.html)
    return Response(body, media_type="text/html", headers=HEADERS)


async def table(gateway: Gateway, visitor: User) -> Response:
    """A row for each day, user and model, as CSV."""
    only = None if visitor.teacher else visitor.name
    body = await gateway.store.run(_csv, gateway, only)
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="usage.csv"'}
    return Response(body, media_type="text/csv", headers=headers)


def _csv(gateway: Gateway, only: str | None) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, restval=0)
    writer.writeheader()
    for row in gateway.store.totals(("day", "user", "model"), user=only):
        all_unknown = row["unpriced"] == row["requests"]
        cost = "" if all_unknown else number(money(row["cost"]))
        writer.writerow({k: _cell(v) for k, v in {**row, "cost": cost}.items()})
    for row in gateway.store.refused(("day", "user"), user=only):
        writer.writerow(
            {
                "day": row["day"],
                "user": _cell(row["user"]),
                "model": "",
                "refused": row["requests"],
                "currency": "",
            }
        )
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


class _View:
    """The page of one visitor, made in one go from the database."""

    def __init__(self, gateway: Gateway, visitor: User) -> None:
        self._gateway = gateway
        self._config = gateway.config
        self._store = gateway.store
        self._visitor = visitor
        self._only = None if visitor.teacher else visitor.name
        self._currency = gateway.config.endpoint.currency or ""
        self._today = date.today().isoformat()
        self._month = f"{self._today[:7]}-01"

    def html(self) -> str:
        """The whole page."""
        title = "GLM usage of the class" if self._visitor.teacher else "Your GLM usage"
        parts = [self._users(), self._groups(), self._models(), self._days()]
        parts.append('<p><a href="usage.csv">All days as CSV</a></p>')
        return (
            f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
            "<meta name='viewport' content='width=device-width, initial-scale=1'>"
            f"<style>{STYLE}</style></head><body><h1>{title}</h1>"
            f"<p>{escape(self._now())}</p>{''.join(parts)}</body></html>"
        )

    def _now(self) -> str:
        turns = self._gateway.turns.values()
        flying, waiting = sum(t.in_flight for t in turns), sum(t.waiting for t in turns)
        return (
            f"{self._today}. Signed in as {self._visitor.name}. Now: {flying} requests with the "
            f"service, {waiting} waiting."
        )

    def _users(self) -> str:
        today = self._by("user", self._today)
        month = self._by("user", self._month)
        all_in_all = self._by("user", "")
        refused_today = self._refused(self._today)
        refused_month = self._refused(self._month)
        names = {*all_in_all, *self._refused("")}
        if self._only is not None:
            names.add(self._only)
        else:
            names |= set(self._config.tokens.values())
        names -= {""}
        owners = [f"user {name}" for name in sorted(names)]
        sums = self._store.sums(owners, self._currency)
        rows = []
        for name in sorted(names):
            groups = self._config.groups_of(name, self._hub_groups(name))
            limits = self._config.limits_of(name, groups)
            rows.append(
                [
                    self._named(name, groups),
                    *(_cost(rows.get(name, [])) for rows in (today, month, all_in_all)),
                    *(str(_count(rows.get(name, []))) for rows in (today, month)),
                    str(refused_today.get(name, 0)),
                    str(refused_month.get(name, 0)),
                    self._left(f"user {name}", limits, sums),
                ]
            )
        heads = (
            "User",
            "Today",
            "This month",
            "In all",
            "Requests today",
            "this month",
            "Refused today",
            "this month",
            "Left of the budget",
        )
        return _section("Users" if self._visitor.teacher else "You", heads, rows)

    def _groups(self) -> str:
        groups = self._config.groups if self._visitor.teacher else self._visitor.groups
        sums = self._store.sums([f"group {name}" for name in groups], self._currency)
        rows = []
        for name in groups:
            owner = f"group {name}"
            limits = {(owner, p): self._config.groups[name].limits.get(p) for p in PERIODS}
            spent = [sums.get((owner, period), (0, 0))[0] for period in PERIODS]
            members = len(self._config.groups[name].members)
            rows.append(
                [
                    escape(name),
                    str(members) if members else "",
                    *(self._amount(value) for value in spent),
                    self._left(owner, limits, sums),
                ]
            )
        heads = ("Group", "Members", "Today", "This month", "In all", "Left of the budget")
        return _section("Groups", heads, rows) if rows else ""

    def _models(self) -> str:
        month = self._by("model", self._month)
        rows = [
            [
                escape(name),
                str(_count(found)),
                f"{sum(row['prompt_tokens'] for row in found):,}",
                f"{sum(row['completion_tokens'] for row in found):,}",
                _cost(found),
            ]
            for name, found in month.items()
        ]
        heads = ("Model", "Requests", "Tokens in", "Tokens out", "Cost")
        return _section("Models, this month", heads, rows) if rows else ""

    def _days(self) -> str:
        first = date.today() - timedelta(days=CHART_DAYS - 1)
        found = self._by("day", first.isoformat())
        bars = []
        for n in range(CHART_DAYS):
            day = (first + timedelta(days=n)).isoformat()
            rows = [row for row in found.get(day, []) if row["currency"] == self._currency]
            cost = sum((money(row["cost"]) for row in rows), Decimal(0))
            bars.append(chart.Bar(day, cost, _cost(rows)))
        if not any(bar.value for bar in bars):
            return ""
        drawn = chart.columns(f"Spending in {self._currency} by day", bars)
        return f"<h2>{escape(self._currency)} a day</h2><div>{drawn}</div>"

    def _by(self, column: str, since: str) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self._store.totals((column,), since, self._only):
            found.setdefault(row[column], []).append(row)
        return found

    def _refused(self, since: str) -> dict[str, int]:
        rows = self._store.refused(("user",), since, self._only)
        return {row["user"]: row["requests"] for row in rows}

    def _hub_groups(self, name: str) -> Sequence[str]:
        return self._gateway.seen_groups.get(name, ())

    def _named(self, name: str, groups: Iterable[str]) -> str:
        words = ", ".join(groups)
        return escape(name) + (f" <small>{escape(words)}</small>" if words else "")

    def _left(
        self,
        owner: str,
        limits: Mapping[tuple[str, str], int | None],
        sums: Mapping[tuple[str, str], tuple[int, int]],
    ) -> str:
        """What may still be spent, of each period that has a limit."""
        parts = []
        for period in PERIODS:
            limit = limits.get((owner, period))
            if limit is not None:
                spent, held = sums.get((owner, period), (0, 0))
                left = number(money(max(0, limit - spent - held)))
                parts.append(f"{left} of {number(money(limit))} {PERIOD_WORDS[period]}")
        return "<br>".join(escape(part) for part in parts)

    def _amount(self, value: int) -> str:
        return escape(f"{number(money(value))} {self._currency}") if value else "nothing"


def _section(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the cells are HTML."""
    head = "".join(f"<th scope='col'>{escape(text)}</th>" for text in heads)
    body = "".join(
        f"<tr><th scope='row'>{first}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for first, *cells in rows
    )
    return (
        f"<h2>{escape(title)}</h2><div><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _cost(rows: Sequence[Mapping[str, Any]]) -> str:
    """What requests have cost, each currency for itself."""
    words = []
    for row in rows:
        if row["unpriced"] == row["requests"]:
            words.append("unknown")
        elif row["cost"]:
            least = "at least " if row["unpriced"] else "about " if row["estimated"] else ""
            words.append(f"{least}{number(money(row['cost']))} {row['currency']}")
    return escape(" + ".join(words)) or "nothing"


def _count(rows: Sequence[Mapping[str, Any]]) -> int:
    return sum(row["requests"] for row in rows)

"""What a class gateway counts for who asks: its budgets hold there, whatever the ledger says."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import httpx

from glm_jupyter.api import endpoints, gateways
from glm_jupyter.api.endpoints import Endpoint
from glm_jupyter.api.errors import GLMError, clean
from glm_jupyter.api.http import Bearer, connection
from glm_jupyter.language import N_, _
from glm_jupyter.money.words import number
from glm_jupyter.render.table import table

# It is a short answer of a server nearby; who reads it must not wait for one that is not there.
TIMEOUT_SECONDS = 3.0
PERIOD_WORDS = {"day": N_("today"), "month": N_("this month"), "total": N_("in all")}


@dataclass(frozen=True, slots=True)
class Sum:
    """What was spent in a period, by the user or a group; `limit` is None where there is none."""

    owner: str
    period: str
    spent: Decimal
    held: Decimal
    limit: Decimal | None


@dataclass(frozen=True, slots=True)
class Counted:
    """The sums of one user at the gateway, in its currency."""

    user: str
    currency: str
    base_url: str
    sums: tuple[Sum, ...]

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Who and when, spent, the budget, and what is left of it."""
        rows = []
        for each in self.sums:
            group = "" if each.owner == "you" else f" ({each.owner})"
            spent = f"{number(each.spent)} {self.currency}" if each.spent else _("nothing")
            if each.held:
                spent = _("{spent}, at most {held} under way").format(
                    spent=spent, held=number(each.held)
                )
            limit = left = ""
            if each.limit is not None:
                limit = f"{number(each.limit)} {self.currency}"
                left = number(max(Decimal(0), each.limit - each.spent - each.held))
            rows.append((_(PERIOD_WORDS[each.period]) + group, spent, limit, left))
        return rows

    def table(self) -> dict[str, str]:
        """The sums as a MIME bundle."""
        caption = _("Counted by the gateway at {base_url} for {user}.").format(
            base_url=self.base_url, user=self.user
        )
        headers = (_("for"), _("spent"), _("budget"), _("left"))
        return table(headers, self.rows(), caption)


def known() -> Endpoint | None:
    """The default endpoint, where it is known to be a gateway."""
    try:
        endpoint = endpoints.resolve()
    except GLMError:
        return None
    return endpoint if gateways.is_gateway(endpoint) else None


def counted(endpoint: Endpoint) -> Counted | None:
    """What the gateway there counts for the user; None where there is no gateway."""
    try:
        response = httpx.get(
            f"{endpoint.base_url}/usage",
            auth=Bearer(endpoint.key),
            timeout=TIMEOUT_SECONDS,
            **connection(endpoint.base_url),
        )
        body = response.json()
        if response.status_code != 200 or body["object"] != "glm_gateway.usage":
            return None
        return Counted(
            user=clean(body["user"], 60),
            currency=clean(body["currency"], 10),
            base_url=endpoint.base_url,
            sums=tuple(
                Sum(
                    owner=_owner(row["owner"]),
                    period=row["period"],
                    spent=Decimal(row["spent"]),
                    held=Decimal(row["held"]),
                    limit=None if row["limit"] is None else Decimal(row["limit"]),
                )
                for row in body["sums"]
                if row["period"] in PERIOD_WORDS
            ),
        )
    except (GLMError, httpx.HTTPError):
        return None  # it cannot be reached
    except (ImportError, ValueError, LookupError, TypeError, InvalidOperation):
        return None  # it is no gateway, or the proxy cannot be used


def _owner(owner: str) -> str:
    kind, _space, name = clean(owner, 60).partition(" ")
    return "you" if kind == "user" else name

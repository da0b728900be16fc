"""The commands about money: usage, budget."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from glm_jupyter import gateway_usage, spending
from glm_jupyter.api import endpoints
from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.language import _, ngettext
from glm_jupyter.money.amounts import currencies, parse_amount, parse_currency
from glm_jupyter.money.limit import Period
from glm_jupyter.money.words import amount
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.options import Asking, AskOptions
from glm_jupyter.sessions.request import SHORTEST_ANSWER

from .say import say

USUAL_QUESTION = 200  # words


def usage(args: Namespace) -> None:
    """What was spent, as a table and a chart, or as a CSV file."""
    from IPython.display import publish_display_data

    ledger = sessions.current().budgets.ledger
    since = spending.moment(args.since)
    if args.csv:
        path = Path(args.csv).expanduser()
        count = spending.write_csv(ledger, path, since)
        text = ngettext(
            "{count} request written to {path}.", "{count} requests written to {path}.", count
        )
        say(text.format(count=count, path=path))
        return
    if (place := gateway_usage.known()) and (counted := gateway_usage.counted(place)):
        publish_display_data(counted.table())  # type: ignore[no-untyped-call]
    for bundle in spending.report(ledger, args.by, since):
        publish_display_data(bundle)  # type: ignore[no-untyped-call]
    if complaint := ledger.next_warning():
        say(complaint)


def budget(args: Namespace) -> dict[str, str]:
    """Set a budget or take it off, and show what is left of all that are in force."""
    session = sessions.current()
    text = " ".join(args.amount)
    period: Period = args.period or "session"
    if text.lower().startswith("off"):
        named = text[len("off") :].strip()
        for currency in [parse_currency(named)] if named else currencies():
            session.budgets.set(period, currency, None)
    elif text:
        value, currency = parse_amount(text, _currency(session))
        session.budgets.set(period, currency, value)
    elif args.period:
        raise InputError(
            _("How much for a {period}?").format(period=args.period),
            remedy=_("`%glm budget 5 --{period}` sets 5.").format(period=args.period),
        )
    limits = [limit for of in currencies() for limit in session.budgets.limits(of)]
    return spending.limits_table(limits, _too_long(session) if limits else "")


def _too_long(session: sessions.Session) -> str:
    """What the budgets do to a question of usual length, if they have no room for its answer."""
    question, aside = "word " * USUAL_QUESTION, Asking(to_send=False, aside=True)
    try:
        quote = session.turn(question, AskOptions(), aside).opening.quote
    except GLMError:
        return ""
    fits = session.budgets.fitting(quote)
    if fits is None:
        return ""
    may = _("An answer of {model} may have {most:,} tokens and cost up to {cost}").format(
        model=quote.name,
        most=quote.most_output or 0,
        cost=amount(quote.worst, quote.currency),
    )
    then = _(
        "{may}: a question without a limit is refused before it is sent. `--max-tokens {fits}` "
        "fits; with `%config GLM.fit_budget = True` answers are kept short enough by themselves."
    )
    if fits < SHORTEST_ANSWER:
        then = _("{may}: it is refused, and so is a shorter one. A cheaper model may fit.")
    elif session.settings.fit_budget:
        then = _("{may}: it is kept to about {fits:,} tokens, as GLM.fit_budget says.")
    return then.format(may=may, fits=fits)


def _currency(session: sessions.Session) -> str | None:
    """The currency in use; a key is not needed to set a budget."""
    try:
        return session.target(to_send=False).endpoint.currency or endpoints.resolve().currency
    except GLMError:
        return endpoints.resolve().currency

"""The texts of the panel as HTML; whatever comes from outside is escaped here."""

from __future__ import annotations

from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

from glm_jupyter.api.catalogue_file import KINDS
from glm_jupyter.api.errors import GLMError
from glm_jupyter.exact import add
from glm_jupyter.language import N_, _
from glm_jupyter.models import limits, made_price, price, size
from glm_jupyter.money.words import number
from glm_jupyter.render.summary import thought
from glm_jupyter.text import clean, prose

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer
    from glm_jupyter.api.catalogue import Model
    from glm_jupyter.sessions.session import Session

THINKING = {
    "none": N_("does not think"),
    "inline": N_("always thinks"),
    "forced": N_("always thinks"),
    "effort": N_("always thinks, more or less"),
    "switch": N_("thinks unless told not to"),
}


def status(session: Session) -> str:
    """Who answers now, or why nobody can; spoken by screen readers when it changes."""
    if session.running:
        names = ", ".join(dict.fromkeys(turn.answer.model for turn in session.running))
        return _said(_("{model} is answering …").format(model=f"<b>{escape(names)}</b>"))
    try:
        target = session.target()
    except GLMError as error:
        return trouble(error)
    name = f"{target.endpoint.name}/{target.model}" if target.model else target.endpoint.name
    model = f"<b>{escape(name)}</b>"
    if not target.notes:
        return _said(_("{model} answers.").format(model=model))
    notes = escape("; ".join(target.notes))
    return _said(_("{model} answers ({notes}).").format(model=model, notes=notes))


def so_far(session: Session) -> str:
    """About what the answers under way have cost; nothing where none is billed."""
    costs = session.budgets.so_far
    for turn in session.running:  # the earlier requests for the same answers
        if turn.answer.cost and turn.answer.currency:
            before = costs.get(turn.answer.currency, Decimal(0))
            costs[turn.answer.currency] = add(before, turn.answer.cost)
    found = " + ".join(f"{number(cost)} {currency}" for currency, cost in costs.items())
    if not found:
        return ""
    text = _("about {cost} for the answers under way")
    if len(session.running) == 1:
        text = _("about {cost} so far")
    return f"<span class='glm-panel-facts'>{escape(text.format(cost=found))}</span>"


def trouble(error: Exception) -> str:
    """What is wrong, and what to do about it."""
    remedy = getattr(error, "remedy", "")
    return _said(f"{prose(str(error))} {prose(remedy)}", "glm-panel-trouble")


def facts(session: Session) -> str:
    """The model in use: what it costs, how long things may be, what it can do."""
    model = model_in_use(session)
    if model is None:
        unknown = _("Not in the catalogue: price and limits unknown.")
        return f"<p class='glm-panel-facts'>{unknown}</p>"
    can = [_(THINKING[model.thinking])] if model.thinking in THINKING else []
    can += [_("sees images")] * ("image" in model.input)
    can += [_("calls functions")] * ("tools" in model.features)
    can += [_("searches the web")] * ("web" in model.features)
    rows = [] if session.model else [(_("It is"), model.name)]
    if model.kind == "chat":
        worth = price(model)
        if model.prices and not model.free:
            worth = _("{price} (in / out, per million tokens)").format(price=worth)
        context = size(model.context)
        if model.max_output:
            context = _("{context}, answers up to {longest}").format(
                context=context, longest=size(model.max_output)
            )
        rows += [
            (_("Price"), worth),
            (_("Context"), context),
            (_("Abilities"), _(", ").join(can)),
        ]
    else:
        rows += [
            (_("Makes"), _(KINDS[model.kind])),
            (_("Price"), made_price(model)),
            *([(_("Limits"), limits(model))] if limits(model) else []),
        ]
    if model.note:
        rows.append((_("Note"), _(model.note)))
    cells = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows)
    return f"<dl class='glm-panel-facts'>{cells}</dl>"


def reasoning(answer: Answer | None) -> str:
    """The reasoning of an answer, folded, as plain text; model text never becomes HTML."""
    if answer is None or not answer.reasoning.strip():
        return ""
    title = _("Reasoning of the last answer")
    # An accordion of ipywidgets cannot be opened by keyboard; this can.
    return (
        f"<details class='glm-panel-fold'><summary>{title} · "
        f"{escape(answer.model)} · {escape(thought(answer))}</summary>"
        f"<pre class='glm-panel-reasoning' tabindex='0'>{escape(clean(answer.reasoning))}</pre>"
        "</details>"
    )


def model_in_use(session: Session) -> Model | None:
    """What the catalogue knows of the model that would answer; None where nothing or nobody."""
    try:
        target = session.target(to_send=False)
    except GLMError:
        return None
    return target.known


def _said(text: str, name: str = "") -> str:
    return f"<div role='status' class='glm-panel-status {name}'>{text}</div>"

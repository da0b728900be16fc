"""A map over a Dask collection: nothing is asked before Dask computes what it gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from glm_jupyter.api.errors import InputError
from glm_jupyter.language import _
from glm_jupyter.schema import schema_of
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.options import Asking, AskOptions
from glm_jupyter.sessions.settings import GLM, NAMES

from .budget import Allowance
from .concurrency import pace
from .fields import meta
from .items import check_prompt
from .partition import PROCESS, Plan, answered
from .servers import Servers


def lazily(
    items: Any,
    prompt: str | None,
    options: AskOptions,
    *,
    batch: bool,
    **limits: Any,
) -> Any:
    """A Dask Series of the texts, or with a schema a DataFrame of its fields.

    `limits` are those of a plan. Raises InputError for what can be known to fail.
    """
    _check(prompt, options, batch=batch)
    plan = _plan(prompt, options, **limits)
    import dask.dataframe as dd

    schema = None if options.schema is None else schema_of(options.schema)
    if isinstance(items, dd.Series | dd.DataFrame):
        return items.map_partitions(  # type: ignore[no-untyped-call]
            answered,
            plan,
            meta=meta(schema, items._meta.index),
            enforce_metadata=False,
            align_dataframes=False,
            token=f"glm-map-{plan.id}",
        )
    from dask.bag import Bag
    from dask.delayed import delayed

    if not isinstance(items, Bag):
        raise InputError(
            _("Dask's {kind} is no collection of items. Nothing was sent.").format(
                kind=type(items).__name__
            ),
            remedy=_("Give a Bag, a Series or a DataFrame of Dask's."),
        )
    ask = delayed(answered, pure=False)
    parts = [ask(part, plan) for part in items.to_delayed()]
    return dd.from_delayed(parts, meta=meta(schema), prefix="glm-map", verify_meta=False)


def _check(prompt: str | None, options: AskOptions, *, batch: bool) -> None:
    try:
        import dask.dataframe  # noqa: F401
    except ImportError:
        raise InputError(
            _("A map over a collection of Dask's needs its data frames. Nothing was sent."),
            remedy=_("`%pip install 'glm-jupyter[dask]'`, and restart the kernel."),
        ) from None
    check_prompt(prompt)
    if batch:
        raise InputError(
            _(
                "A batch is handed in as a whole, and a collection of Dask's comes in parts. "
                "Nothing was sent."
            ),
            remedy=_("Leave out batch=True, or give `items.compute()`."),
        )
    if options.continue_:
        raise InputError(
            _("A conversation is in this kernel, and Dask may ask from others. Nothing was sent."),
            remedy=_("Leave out continue_."),
        )


def _plan(
    prompt: str | None,
    options: AskOptions,
    *,
    servers: Servers | None,
    concurrency: int | str,
    budget: str | float | None,
) -> Plan:
    session = sessions.current()
    session.turn("item", options, Asking(to_send=False, aside=True))
    target = session.target(options, to_send=False)
    limit = pace(target, session.settings.level, concurrency, servers)
    replayed = session.replayer is not None and not options.fresh
    free = replayed or target.endpoint.name == "local"
    allowance = None if budget is None or free else Allowance.of(budget, target)
    currency = (target.known.currency if target.known else None) or ""
    own = session.budgets.limits(currency) if currency and not free else []
    return Plan(
        id=uuid4().hex,
        process=PROCESS,
        prompt=prompt,
        options=replace(options, model=target.model or None, endpoint=target.endpoint.name),
        urls=servers.urls if servers else (),
        base_url=target.endpoint.base_url,
        in_flight=limit.most,
        budget=allowance.most if allowance else None,
        session_left=min((each.left for each in own if each.period == "session"), default=None),
        currency=currency,
        settings={
            name: getattr(session.settings, name) for name in GLM.class_trait_names(config=True)
        },
        choices={name: getattr(session, name) for name in NAMES},
        recording=replayed or session.recorder is not None,
    )

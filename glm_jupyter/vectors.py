"""Vectors from Python: `embed` and `rerank`, many texts at a time, at known cost."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import numpy as np

from glm_jupyter.language import N_, _

from . import bridge
from .api import events as ev
from .api import tokens
from .api.client import Client
from .api.errors import InputError
from .api.vectors import EmbeddingRequest, RerankRequest
from .sessions import session as sessions
from .sessions.options import AskOptions
from .sessions.target import Target

STOPPED = N_("Stopped.")

# Texts of one request, and requests at a time, where the catalogue does not say.
FEW = 16
IN_FLIGHT = 4


async def aembed(
    items: Iterable[str],
    model: str = "embedding-3",
    dimensions: int | None = None,
    *,
    endpoint: str | None = None,
) -> Any:
    """A vector for each text: a numpy array (float32, one row each).

    Of a Series, a DataFrame with its index. The same text is asked once. As many requests are in
    flight as `c.GLM.level` allows; budgets hold for each. Raises GLMError: for an empty text, or
    one that is too long, before anything is sent.
    """
    texts = _texts(items)
    session = sessions.current()
    target = session.target(AskOptions(model=model, endpoint=endpoint))
    known = target.known
    if known and known.max_item_tokens:
        for number, text in enumerate(texts):
            if tokens.at_least(tokens.estimate(text)) > known.max_item_tokens:
                raise InputError(
                    _(
                        "Text {number} is too long for {model}: it has more than "
                        "{most:,} tokens. Nothing was sent."
                    ).format(number=number, model=known.name, most=known.max_item_tokens),
                    remedy=_("Cut it into pieces."),
                )
    distinct = list(dict.fromkeys(texts))
    size = (known.max_items if known else None) or FEW
    requests = [
        EmbeddingRequest(model=target.model, items=tuple(part), dimensions=dimensions)
        for part in _parts(distinct, size)
    ]
    rows: list[tuple[float, ...]] = []
    for events in await _all(target, requests):
        rows += next(event.rows for event in events if isinstance(event, ev.Vectors))
    place = {text: number for number, text in enumerate(distinct)}
    width = len(rows[0]) if rows else dimensions or 0
    table = np.asarray(rows, dtype=np.float32).reshape(len(rows), width)
    found = table[[place[text] for text in texts]] if texts else table
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(items, pandas.Series):
        return pandas.DataFrame(found, index=items.index)
    return found


def embed(
    items: Iterable[str],
    model: str = "embedding-3",
    dimensions: int | None = None,
    *,
    endpoint: str | None = None,
) -> Any:
    """`aembed` for code that does not await, also inside a notebook cell."""
    with bridge.short_when_stopped(_(STOPPED)):
        return bridge.run(aembed(items, model, dimensions, endpoint=endpoint))


async def arerank(
    query: str,
    items: Iterable[str],
    model: str = "rerank",
    top: int | None = None,
    *,
    endpoint: str | None = None,
) -> list[tuple[int, float]]:
    """How well each text fits `query`: (position, score) pairs, the best first.

    `top` is how many of them; more texts than a request takes are asked in several, whose scores
    are of one scale. Raises GLMError.
    """
    texts = _texts(items)
    if not query.strip():
        raise InputError(_("The question is empty. Nothing was sent."), remedy=_("Write one."))
    if top is not None and top < 1:
        raise InputError(
            _("top={top} is no number of texts. Nothing was sent.").format(top=top),
            remedy=_("Give 1."),
        )
    session = sessions.current()
    target = session.target(AskOptions(model=model, endpoint=endpoint))
    size = (target.known.max_items if target.known else None) or FEW
    requests = [
        RerankRequest(model=target.model, prompt=query, items=tuple(part))
        for part in _parts(texts, size)
    ]
    found: list[tuple[int, float]] = []
    for number, events in enumerate(await _all(target, requests)):
        pairs = next(event.pairs for event in events if isinstance(event, ev.Scores))
        found += [(number * size + index, score) for index, score in pairs]
    found.sort(key=lambda pair: -pair[1])
    return found[:top]


def rerank(
    query: str,
    items: Iterable[str],
    model: str = "rerank",
    top: int | None = None,
    *,
    endpoint: str | None = None,
) -> list[tuple[int, float]]:
    """`arerank` for code that does not await, also inside a notebook cell."""
    with bridge.short_when_stopped(_(STOPPED)):
        return bridge.run(arerank(query, items, model, top, endpoint=endpoint))


async def _all(
    target: Target, requests: Sequence[EmbeddingRequest | RerankRequest]
) -> list[list[ev.Event]]:
    """The events of each request, as many at a time as the account may have in flight."""
    session = sessions.current()
    level = session.settings.level
    free = asyncio.Semaphore((target.known and target.known.in_flight(level)) or IN_FLIGHT)
    # All are checked before the first is sent.
    turns = [session.make(target, request) for request in requests]
    async with Client() as client:

        async def ask(number: int) -> list[ev.Event]:
            async with free, aclosing(turns[number].stream(client)) as events:
                return [event async for event in events]

        tasks = [asyncio.create_task(ask(number)) for number in range(len(turns))]
        try:
            with bridge.short_when_stopped(_(STOPPED)), bridge.awake():
                return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _texts(items: Iterable[str]) -> list[str]:
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise InputError(
            _("{kind} is no list of texts. Nothing was sent.").format(kind=type(items).__name__),
            remedy=_("Give a list or a Series of texts."),
        )
    texts = list(items)
    for number, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            kind = type(text).__name__
            what = _("Item {number} is no text but {kind}. Nothing was sent.")
            if isinstance(text, str):
                what = _("Item {number} is empty. Nothing was sent.")
            raise InputError(
                what.format(number=number, kind=kind), remedy=_("Drop such items first.")
            )
    return texts


def _parts(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]

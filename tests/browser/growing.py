"""Runs in the kernel: an answer that grows as told, without a service behind it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from math import inf
from pathlib import Path
from time import monotonic

from IPython.core.getipython import get_ipython

from glm_jupyter.answer import Answer
from glm_jupyter.api import events as ev
from glm_jupyter.render.channel import channel_for
from glm_jupyter.render.live import view_for


async def grow(
    text: str = "",
    *,
    reasoning: str = "",
    rate: float = 0.0,
    chunk: int = 12,
    until: str | Path | None = None,
    creep: float = 0.0,
) -> Answer:
    """Let an answer grow by `chunk` characters at a time, `rate` of them a second (0: at once).

    With `until`, a path, it stands still half-way, or goes on at only `creep` characters a second,
    until that file exists.
    """
    go = Path(until) if until else None
    shell = get_ipython()
    assert shell is not None
    answer = Answer("glm-4-airx", "bigmodel")
    view = view_for(shell, answer, channel_for(shell))
    due = monotonic()
    sent = 0
    half = (len(reasoning) + len(text)) // 2

    async def send(event: ev.ReasoningDelta | ev.TextDelta) -> None:
        nonlocal sent, due
        answer.apply(event)
        view.changed()
        length = len(event.text)
        sent += length
        if rate:
            due += length / rate
            await asyncio.sleep(max(0.0, due - monotonic()))
        next_step = monotonic() + (length / creep if creep else inf)
        while go and sent >= half and monotonic() < next_step and not go.exists():
            await asyncio.sleep(0.02)
            due = monotonic()

    try:
        for at in range(0, len(reasoning), chunk):
            await send(ev.ReasoningDelta(reasoning[at : at + chunk]))
        for at in range(0, len(text), chunk):
            await send(ev.TextDelta(text[at : at + chunk]))
        tokens = len(text) // 4, len(reasoning) // 4
        answer.apply(ev.UsageReport(ev.Usage(120, sum(tokens), 120 + sum(tokens), 0, tokens[1])))
        answer.apply(ev.Started("2026112212000012345678", None))
        answer.apply(ev.Finish("stop"))
        answer.cost, answer.currency = Decimal("0.00918"), "RMB"
    finally:
        answer.stop_clock()
        view.close()
    return answer

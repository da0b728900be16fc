"""Runs in the kernel: an answer that grows as told, without a service behind it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from time import monotonic

from IPython.core.getipython import get_ipython

from glm_jupyter.answer import Answer
from glm_jupyter.api import events as ev
from glm_jupyter.render.channel import channel_for
from glm_jupyter.render.live import view_for

TEXTS = Path(__file__).parents[1] / "texts"


async def grow(
    text: str = "",
    *,
    reasoning: str = "",
    rate: float = 0.0,
    chunk: int = 12,
    until: Path | None = None,
) -> Answer:
    """Let an answer grow by `chunk` characters at a time, `rate` of them a second (0: at once).

    With `until`, it stands still after half of the text until that file exists.
    """
    shell = get_ipython()
    assert shell is not None
    answer = Answer("glm-4-airx", "bigmodel")
    view = view_for(shell, answer, channel_for(shell))
    begun = monotonic()
    sent = 0
    half = len(reasoning) + len(text) // 2

    async def send(event: ev.ReasoningDelta | ev.TextDelta) -> None:
        nonlocal sent, begun
        answer.apply(event)
        view.changed()
        sent += len(event.text)
        if rate:
            await asyncio.sleep(max(0.0, begun + sent / rate - monotonic()))
        while until and sent >= half and not until.exists():
            await asyncio.sleep(0.02)
            begun = monotonic() - sent / rate

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

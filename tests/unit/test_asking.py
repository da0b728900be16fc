"""`glm.aask` in code that awaits: its cancellation is asyncio's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

import glm_jupyter as glm
from glm_jupyter.money.budget import Budgets
from glm_jupyter.money.ledger import Ledger
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.session import Session
from tests.protocol_server import ProtocolServer, Reply


@pytest.fixture
def silence(
    server: ProtocolServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Event]:
    """The service says something, and no more until this is set."""
    monkeypatch.setenv("ZAI_API_KEY", "id.secret")
    monkeypatch.setenv("ZAI_BASE_URL", server.url)
    session = Session(budgets=Budgets(Ledger(tmp_path / "ledger.sqlite")))
    monkeypatch.setattr(sessions, "_current", session)
    held = Event()
    server.enqueue(Reply(text="First second", chunk=6, hold=held, hold_after=1))
    yield held
    held.set()


async def test_a_timeout_around_it_is_a_timeout(silence: Event) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await glm.aask("Hi", model="glm-4-airx")
    assert glm.session.last is not None
    assert not glm.session.last.complete


async def test_a_cancelled_task_is_cancelled(silence: Event) -> None:
    task = asyncio.create_task(glm.aask("Hi", model="glm-4-airx"))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()

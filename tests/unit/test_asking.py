"""`glm.aask` in code that awaits: its cancellation is asyncio's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Timer

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


def test_a_stream_ends_when_it_is_stopped(silence: Event) -> None:
    events = glm.stream("Hi", model="glm-4-airx")
    while getattr(next(events), "text", "") != "First ":
        pass
    Timer(0.3, glm.session.stop_running).start()
    with pytest.raises(asyncio.CancelledError):
        next(events)  # for which the service lets wait
    assert glm.session.last is not None
    assert glm.session.last.text == "First "
    assert "stopped" in glm.session.last.notes
    assert glm.session.running == ()


def test_a_stream_may_be_stopped_between_two_of_its_events(silence: Event) -> None:
    silence.set()
    events = glm.stream("Hi", model="glm-4-airx")
    next(events)
    glm.session.stop_running()
    with pytest.raises(asyncio.CancelledError):
        list(events)
    assert glm.session.running == ()

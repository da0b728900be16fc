"""Maps and recordings with the real engine: a lesson recorded on it runs where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

import glm_jupyter as glm
from glm_jupyter import engine as embedded
from glm_jupyter.api.errors import InputError
from glm_jupyter.engine import Engine
from glm_jupyter.money.budget import Budgets
from glm_jupyter.money.ledger import Ledger
from glm_jupyter.recordings.recorder import Recorder
from glm_jupyter.recordings.replayer import Replayer
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.session import Session

OPTIONS = {"model": "local/smollm2-135m", "temperature": 0, "max_tokens": 8}


@pytest.fixture(autouse=True)
def session(running: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Session:
    """A session whose engine is the one that runs, and nothing kept from another test."""
    for name in ("ZAI_API_KEY", "ZHIPUAI_API_KEY", "ZAI_BASE_URL", "ZHIPUAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(embedded, "engine", lambda: running)
    session = Session(budgets=Budgets(Ledger(tmp_path / "ledger.sqlite")))
    monkeypatch.setattr(sessions, "_current", session)
    return session


def test_a_map_on_the_engine_is_free_and_resumed(session: Session) -> None:
    items = [f"Say the number {number}." for number in range(6)]
    answers = glm.map(items, **OPTIONS)
    assert answers.errors == {}
    assert all(answers.text)
    assert answers.cost == 0
    counted = session.answers
    assert glm.map(items, **OPTIONS).text == answers.text
    assert session.answers == counted


def test_a_recorded_lesson_needs_no_engine(session: Session, monkeypatch, tmp_path: Path) -> None:
    file = tmp_path / "lesson.glm.jsonl"
    session.recorder = Recorder(file)
    # Without a key, a cell that names no model is answered by the engine.
    live = glm.ask("Say hello.", temperature=0, max_tokens=8)
    session.recorder = None
    monkeypatch.setattr(embedded, "installed", lambda: False)
    with pytest.raises(InputError):
        glm.ask("Say hello.", temperature=0, max_tokens=8, model=OPTIONS["model"])
    session.replayer = Replayer(str(file), speed=float("inf"))
    for model in (None, OPTIONS["model"]):
        again = glm.ask("Say hello.", temperature=0, max_tokens=8, model=model)
        assert again.text == live.text
        assert (again.endpoint, again.model) == ("local", live.model)
        assert "recorded" in again.notes
        assert again.cost == 0
    with pytest.raises(InputError, match="Say goodbye"):
        glm.ask("Say goodbye.", temperature=0, max_tokens=8)

"""A session with a ledger of its own, whose service is the protocol server."""

from __future__ import annotations

from pathlib import Path

import pytest

from glm_jupyter.money.budget import Budgets
from glm_jupyter.money.ledger import Ledger
from glm_jupyter.sessions.session import Session
from tests.protocol_server import ProtocolServer

KEY = "0123456789abcdef.sEcReTsEcReT"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


@pytest.fixture
def session(server: ProtocolServer, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Session:
    server.key = KEY
    for name, value in {
        "ZAI_API_KEY": KEY,
        "ZAI_BASE_URL": server.url,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }.items():
        monkeypatch.setenv(name, value)
    return Session(budgets=Budgets(ledger))

"""Fixtures that any test may want."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.protocol_server import ProtocolServer

# Tests read English, whoever runs them; kernels and servers that they start inherit it.
os.environ["LANGUAGE"] = "en"

# How long an example takes tells of the machine's load, not of the code.
hypothesis.settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any-machine")


# Tests that share something slow to start go to one process of `pytest -n`: the browser and
# JupyterLab, the embedded engine, a cluster of Dask's. (pytest-xdist's own groups do nothing
# under pytest 9.2.)
SHARING = ("tests/browser/", "tests/local/", "tests/unit/test_map_dask.py")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Gives one test after the other to whichever process is free, but those that share at once."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in SHARING if nodeid.startswith(folder)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return Scheduling(config, log)


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the ledger of who runs it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def server() -> Iterator[ProtocolServer]:
    with ProtocolServer() as server:
        yield server

"""A kernel whose service is the protocol server, and whose home is empty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels import Kernel, kernel
from tests.protocol_server import ProtocolServer

KEY = "0123456789abcdef.sEcReTsEcReT"


def environment(server: ProtocolServer, home: Path) -> dict[str, str]:
    """The environment of a kernel whose home is `home`, and whose service is the server."""
    server.key = KEY
    return {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "IPYTHONDIR": str(home / "ipython"),
        "ZAI_API_KEY": KEY,
        "ZAI_BASE_URL": server.url,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }


@pytest.fixture
def env(server: ProtocolServer, tmp_path: Path) -> dict[str, str]:
    """An environment with a key, the server as the service, and nothing of this machine's user."""
    return environment(server, tmp_path)


@pytest.fixture
def running(env: dict[str, str]) -> Iterator[Kernel]:
    """A kernel with the extension loaded."""
    with kernel(env) as running:
        yield running

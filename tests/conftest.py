"""Fixtures that any test may want."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocol_server import ProtocolServer


@pytest.fixture
def server() -> Iterator[ProtocolServer]:
    with ProtocolServer() as server:
        yield server

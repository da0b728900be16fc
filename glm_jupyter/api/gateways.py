"""Which base URLs are class gateways: their answers say so, and a JupyterHub's services are."""

from __future__ import annotations

from collections.abc import Mapping

from .endpoints import HUB_TOKEN, Endpoint, key_source

HEADER = "x-glm-gateway"

_seen: set[str] = set()


def see(endpoint: Endpoint, headers: Mapping[str, str]) -> None:
    """Learn it from the head of a response."""
    if HEADER in headers:
        _seen.add(endpoint.base_url)


def is_gateway(endpoint: Endpoint) -> bool:
    """Whether the endpoint is known to be a gateway."""
    return endpoint.base_url in _seen or key_source(endpoint) == HUB_TOKEN

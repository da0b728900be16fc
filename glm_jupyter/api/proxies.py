"""Which proxy a request goes through: what the environment's variables say about an address."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies

from glm_jupyter.language import _

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy's URL, which may hold a password, and where it is named."""

    url: str = field(repr=False)
    named_in: str


def proxy_for(base_url: str) -> Proxy | None:
    """The proxy that the environment, or else the system, names for `base_url`; None for none."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    known = getproxies()
    # A proxy has no way back to this machine.
    if host in LOOPBACK or _left_out(host, parts.port, known.get("no", "")):
        return None
    scheme = next((of for of in (parts.scheme, "all") if known.get(of)), None)
    if scheme is None:
        return None
    url = known[scheme] if "://" in known[scheme] else f"http://{known[scheme]}"
    if url.lower().startswith("socks://"):
        url = f"socks5{url[len('socks') :]}"
    return Proxy(url, _variable(scheme, os.environ))


def _variable(scheme: str, environ: Mapping[str, str]) -> str:
    """The name of the variable that names the proxy of a scheme."""
    wanted = f"{scheme}_proxy"
    names = [name for name in environ if name.lower() == wanted and environ[name]]
    return min(names, key=lambda name: name != wanted, default=_("the system's settings"))


def _left_out(host: str, port: int | None, no_proxy: str) -> bool:
    """Whether NO_PROXY names the host: as a name, an address, or the network it is in."""
    return any(
        _matches(host, port, entry) for entry in map(str.strip, no_proxy.split(",")) if entry
    )


def _matches(host: str, port: int | None, entry: str) -> bool:
    if entry == "*":
        return True
    entry = entry.rpartition("://")[2].lower()
    with suppress(ValueError):  # a name, not an address
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    try:
        named = urlsplit(f"//{entry}")
        if named.port not in (None, port):
            return False
    except ValueError:
        return False
    domain = (named.hostname or "").removeprefix("*").removeprefix(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))

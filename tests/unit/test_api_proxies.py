"""Which proxy an address is reached through, as the environment's variables say."""

from __future__ import annotations

import pytest

from glm_jupyter.api.proxies import proxy_for

VARIABLES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_the_variable_of_the_scheme_comes_before_that_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert proxy_for("https://api.z.ai/v4") is None
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1080")
    found = proxy_for("https://api.z.ai/v4")
    assert (found.url, found.named_in) == ("socks5://127.0.0.1:1080", "ALL_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    found = proxy_for("https://api.z.ai/v4")
    assert (found.url, found.named_in) == ("http://proxy.example:3128", "HTTPS_PROXY")
    monkeypatch.setenv("https_proxy", "http://other.example:3128")
    assert proxy_for("https://api.z.ai/v4").named_in == "https_proxy"
    assert proxy_for("http://127.0.0.1:8000/v1") is None
    assert proxy_for("http://[::1]:8000/v1") is None


@pytest.mark.parametrize(
    ("no_proxy", "url", "left_out"),
    [
        ("*", "https://api.z.ai", True),
        ("api.z.ai", "https://api.z.ai", True),
        (".z.ai", "https://api.z.ai", True),
        ("*.z.ai", "https://api.z.ai", True),
        ("z.ai", "https://api.z.ai", True),
        ("z.ai", "https://quiz.ai", False),
        ("API.Z.AI:443", "https://api.z.ai:443", True),
        ("api.z.ai:444", "https://api.z.ai:443", False),
        ("http://api.z.ai", "https://api.z.ai", True),
        ("10.0.0.0/8", "http://10.1.2.3:8000/v1", True),
        ("10.0.0.0/8", "http://11.1.2.3:8000/v1", False),
        ("10.0.0.0/8", "http://ten.example/v1", False),
        ("10.1.2.3", "http://10.1.2.3:8000/v1", True),
        ("fd00::/8", "http://[fd12::1]:8000/v1", True),
        ("fd12::1", "http://[fd12::1]:8000/v1", True),
        ("[fd12::1]", "http://[fd12::1]:8000/v1", True),
        ("[fd12::1]:8000", "http://[fd12::1]:8000/v1", True),
        ("fd00::/8", "http://[fe80::1]:8000/v1", False),
        ("fd00::/8,10.0.0.0/8", "http://10.1.2.3/v1", True),
        ("::1,[,a b,:x,//", "http://10.1.2.3/v1", False),
    ],
)
def test_no_proxy(no_proxy: str, url: str, left_out: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_for(url) is None) == left_out

"""Which address is asked, and which key may go there."""

from __future__ import annotations

import pickle
import sys
import types
from typing import Any

import pytest

from glm_jupyter.api import endpoints
from glm_jupyter.api.endpoints import Endpoint, Secret, base_url, key_source, resolve
from glm_jupyter.api.errors import AuthenticationError, InputError

BIGMODEL, ZAI = "https://open.bigmodel.cn/api/paas/v4", "https://api.z.ai/api/paas/v4"
KEY = {"ZAI_API_KEY": "id.secret"}
STRANGER = "https://stranger.example/v1"


@pytest.fixture(autouse=True)
def keyring(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A keyring in memory, in place of the system's."""
    kept: dict[str, str] = {}
    fake: Any = types.ModuleType("keyring")
    fake.get_password = lambda service, name: kept.get(f"{service}:{name}")
    fake.set_password = lambda service, name, key: kept.update({f"{service}:{name}": key})
    fake.delete_password = lambda service, name: kept.pop(f"{service}:{name}")
    monkeypatch.setitem(sys.modules, "keyring", fake)
    return kept


def facts(endpoint: Endpoint) -> tuple[str, str, str | None, str]:
    return endpoint.name, endpoint.base_url, endpoint.currency, endpoint.dialect


def test_default_is_bigmodel() -> None:
    assert facts(resolve(None, {})) == ("bigmodel", BIGMODEL, "RMB", "glm")
    assert resolve(None, {}).needs_key


@pytest.mark.parametrize("name", ["zai", "ZAI", ZAI, ZAI + "/", "HTTPS://API.Z.AI:443/api/paas/v4"])
def test_services_by_name_and_by_url(name: str) -> None:
    found = resolve(name, KEY)
    assert facts(found) == ("zai", ZAI, "USD", "glm")
    assert found.key.reveal() == "id.secret"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        ("http://LocalHost:80/v1", "http://localhost/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        (" https://host/v1/chat/completions ", "https://host/v1"),
        ("https://host", "https://host"),
    ],
)
def test_base_url_in_its_one_spelling(given: str, meant: str) -> None:
    assert base_url(given) == meant
    assert facts(resolve(given, KEY)) == (meant, meant, None, "openai")


@pytest.mark.parametrize(
    "text",
    [
        "ftp://host/v1",
        "https://",
        "https:///v1",
        "http://user:hunter2@host/v1",
        "https://host/v1?key=hunter2",
        "https://host/v1#hunter2",
        "http://host:99999/v1",
        "http://[bad/v1",
        "http://a b/v1",
    ],
)
def test_what_is_no_base_url_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve(text, {})
    assert "hunter2" not in str(caught.value) + caught.value.remedy


def test_unknown_name_is_told_with_a_hint() -> None:
    with pytest.raises(InputError, match="bigmodl") as caught:
        resolve("bigmodl", {})
    assert "`bigmodel`" in caught.value.remedy


def test_local_is_left_to_the_engine() -> None:
    assert resolve("local", KEY) == Endpoint.local()
    assert not resolve("local", KEY).key
    engine = Endpoint.local("http://127.0.0.1:1234/v1", "k")
    assert facts(engine) == ("local", "http://127.0.0.1:1234/v1", None, "openai")
    assert engine.key.reveal() == "k"


def test_override_is_the_default_endpoint_at_another_address() -> None:
    environ = {**KEY, "ZHIPUAI_BASE_URL": "http://127.0.0.1:9/x/"}
    for name in (None, "bigmodel", "http://127.0.0.1:9/x"):
        found = resolve(name, environ)
        assert facts(found) == ("bigmodel", "http://127.0.0.1:9/x", "RMB", "glm")
        assert found.key.reveal() == "id.secret"
    assert resolve("zai", environ).base_url == ZAI
    assert resolve(BIGMODEL, environ).base_url == BIGMODEL
    environ["ZAI_BASE_URL"] = "http://127.0.0.1:7/y"
    assert resolve(None, environ).base_url == "http://127.0.0.1:7/y"


def test_override_by_the_address_of_z_ai_is_z_ai() -> None:
    environ = {**KEY, "ZAI_BASE_URL": ZAI + "/"}
    assert facts(resolve(None, environ)) == ("zai", ZAI, "USD", "glm")
    assert facts(resolve("bigmodel", environ)) == ("bigmodel", BIGMODEL, "RMB", "glm")


def test_override_that_is_no_url_is_told_by_its_variable() -> None:
    with pytest.raises(InputError, match="ZAI_BASE_URL"):
        resolve(None, {"ZAI_BASE_URL": "nonsense"})


def test_keys_in_their_order(keyring: dict[str, str]) -> None:
    keyring["glm-jupyter:bigmodel"] = "from.keyring"
    environ = {"ZHIPUAI_API_KEY": "from.zhipuai"}
    assert resolve(None, {}).key.reveal() == "from.keyring"
    assert resolve(None, environ).key.reveal() == "from.zhipuai"
    assert resolve(None, {**environ, **KEY}).key.reveal() == "id.secret"
    assert resolve(None, {**environ, "ZAI_API_KEY": ""}).key.reveal() == "from.zhipuai"
    assert endpoints.key_source(resolve(None, {}), {}) == "keyring"
    assert endpoints.key_source(resolve(None, {}), environ) == "ZHIPUAI_API_KEY"
    assert endpoints.key_source(resolve("zai", {}), {}) is None


@pytest.mark.parametrize(
    "url",
    [
        STRANGER,
        "http://api.z.ai/api/paas/v4",
        "https://api.z.ai.stranger.example/api/paas/v4",
        "https://api.z.ai@stranger.example/api/paas/v4",
        "https://api.z.ai/elsewhere",
        "http://127.0.0.1:8000/v1",
    ],
)
def test_a_stranger_gets_no_key(url: str, keyring: dict[str, str]) -> None:
    keyring["glm-jupyter:bigmodel"] = "from.keyring"
    try:
        assert not resolve(url, {**KEY, "ZHIPUAI_API_KEY": "x.y"}).key
    except InputError:
        assert "@" in url


def test_key_stored_for_a_url_goes_there_only(keyring: dict[str, str]) -> None:
    endpoints.store_key(resolve(STRANGER, KEY), "only.there")
    assert resolve(STRANGER + "/", KEY).key.reveal() == "only.there"
    assert not resolve(STRANGER + "/more", {}).key
    assert not resolve(None, {}).key
    assert endpoints.forget_key(resolve(STRANGER, {}))
    assert not endpoints.forget_key(resolve(STRANGER, {}))
    assert keyring == {}


@pytest.mark.parametrize("key", ["id. secret", "id.sec\nret", "id.sécret", "a\x00b"])
def test_key_that_cannot_be_one_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(AuthenticationError, match="ZAI_API_KEY") as caught:
        resolve(None, {"ZAI_API_KEY": key})
    with pytest.raises(AuthenticationError):
        endpoints.store_key(resolve(None, {}), key)
    assert key not in str(caught.value) + caught.value.remedy


@pytest.mark.parametrize(
    "pasted",
    ["  id.secret\n", '"id.secret"', "'id.secret'\r\n", "Bearer id.secret", "“bearer  id.secret”"],
)
def test_what_was_copied_along_with_a_key_is_no_part_of_it(
    pasted: str, keyring: dict[str, str]
) -> None:
    assert resolve(None, {"ZAI_API_KEY": pasted}).key.reveal() == "id.secret"
    endpoints.store_key(resolve(None, {}), pasted)
    assert keyring == {"glm-jupyter:bigmodel": "id.secret"}
    assert resolve(None, {}).key.reveal() == "id.secret"


@pytest.mark.parametrize("blank", [" ", "\n", '""'])
def test_a_blank_key_is_none(blank: str, keyring: dict[str, str]) -> None:
    environ = {"ZAI_API_KEY": blank, "ZHIPUAI_API_KEY": "from.zhipuai"}
    assert resolve(None, environ).key.reveal() == "from.zhipuai"
    with pytest.raises(AuthenticationError, match="No key"):
        endpoints.store_key(resolve(None, {}), blank)


def test_empty_key_is_not_stored(keyring: dict[str, str]) -> None:
    with pytest.raises(AuthenticationError, match="No key"):
        endpoints.store_key(resolve(None, {}), "")
    assert keyring == {}


def test_broken_keyring_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: str) -> None:
        raise RuntimeError("no backend for id.secret")

    for name in ("get_password", "set_password", "delete_password"):
        monkeypatch.setattr(sys.modules["keyring"], name, fail)
    assert not resolve(None, {}).key
    assert not endpoints.forget_key(resolve(None, {}))
    with pytest.raises(InputError, match="keyring") as caught:
        endpoints.store_key(resolve(None, {}), "id.secret")
    assert "id.secret" not in str(caught.value)
    assert "ZAI_API_KEY" in caught.value.remedy


def test_a_keyring_that_keeps_nothing_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["keyring"], "set_password", lambda *args: None)
    with pytest.raises(InputError, match="keeps nothing"):
        endpoints.store_key(resolve(None, {}), "id.secret")


def test_missing_keyring_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert not resolve(None, {}).key
    with pytest.raises(InputError):
        endpoints.store_key(resolve(None, {}), "id.secret")


def test_secret_shows_in_nothing() -> None:
    secret = Secret("id.secret")
    shown = [repr(secret), str(secret), f"{secret}", repr(resolve(None, KEY)), repr([secret])]
    assert not any("id.secret" in text for text in shown)
    assert secret.reveal() == "id.secret"
    assert bool(secret)
    assert not Secret()
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_another_path_of_a_service_is_that_service_when_the_environment_names_it() -> None:
    url = "https://api.z.ai/api/coding/paas/v4"
    found = resolve(None, {**KEY, "ZAI_BASE_URL": url})
    assert (found.name, found.base_url, found.currency) == ("zai", url, "USD")
    assert resolve("zai", {"ZAI_BASE_URL": url}) == found
    assert resolve("bigmodel", {"ZAI_BASE_URL": url}).base_url == BIGMODEL


def test_another_path_of_a_service_bills_in_its_money() -> None:
    found = resolve("https://open.bigmodel.cn/api/coding/paas/v4", {})
    assert (found.currency, found.dialect) == ("RMB", "glm")
    assert resolve("http://localhost:8000/v1", {}).currency is None


HUB = {"JUPYTERHUB_API_TOKEN": "token-of-the-hub", "JUPYTERHUB_BASE_URL": "/class/"}


def test_a_service_of_the_hub_gets_the_users_token_of_the_hub() -> None:
    environ = {**HUB, "ZAI_BASE_URL": "https://hub.example.edu/class/services/glm/api/paas/v4"}
    assert resolve(None, environ).key.reveal() == "token-of-the-hub"
    assert key_source(resolve(None, environ), environ) == "JUPYTERHUB_API_TOKEN"
    assert resolve(None, {**environ, "ZAI_API_KEY": "own"}).key.reveal() == "own"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://open.bigmodel.cn/api/paas/v4",
        "https://elsewhere.example/v1",
        "https://hub.example.edu/other/services/glm/v1",
    ],
)
def test_the_token_of_the_hub_goes_nowhere_else(url: str) -> None:
    environ = {**HUB, "ZAI_BASE_URL": url}
    assert not resolve(None, environ).key
    service = "https://hub.example.edu/class/services/glm/api/paas/v4"
    assert not resolve(service, environ).key  # named by a notebook, not by the Hub
    assert not resolve("zai", {**environ, "ZAI_BASE_URL": service}).key

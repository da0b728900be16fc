"""Money: what is held, counted, refused, and what a gateway that was killed leaves."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.gateway.running import QUESTION, config, gateway, token
from tests.protocol_server import ProtocolServer, Reply

BODY = {"model": "glm-4-airx", "messages": QUESTION, "stream": True}
MOST = Decimal("0.01")  # of an answer of 1,000 tokens at 10 RMB per million


def until(true) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_request_that_may_pass_a_users_budget_is_refused(
    tmp_path: Path, server: ProtocolServer
) -> None:
    with gateway(tmp_path, server, config(tmp_path, '[budget]\nday = "0.0105 RMB"')) as running:
        assert running.ask(max_tokens=1000).status_code == 200  # costs 0.00046
        refused = running.ask(max_tokens=1000)
        assert refused.status_code == 402
        error = refused.json()["error"]
        assert error["code"] == "budget_exceeded"
        assert "today 0.00046 of 0.0105 RMB are spent" in error["message"]
        assert running.ask(max_tokens=900).status_code == 200
        assert running.ask("bob", max_tokens=1000).status_code == 200
        page = httpx.get(f"{running.root}/usage", headers=token("ada")).text
        assert "0.00958 of 0.0105 today" in page
    assert len(server.chats) == 3


def test_free_models_answer_whatever_is_left(tmp_path: Path, server: ProtocolServer) -> None:
    with gateway(tmp_path, server, config(tmp_path, '[budget]\ntotal = "0 RMB"')) as running:
        assert running.ask().status_code == 402
        assert running.ask(model="glm-4.7-flash").status_code == 200


def test_a_group_spends_together_and_in_the_place_of_each_ones_budget(
    tmp_path: Path, server: ProtocolServer
) -> None:
    settings = """
    [budget]
    day = "0.001 RMB"
    [groups.assistants]
    members = ["ada", "bob"]
    day = "0.0105 RMB"
    """
    with gateway(tmp_path, server, config(tmp_path, settings)) as running:
        assert running.ask("grace", max_tokens=1000).status_code == 402
        assert running.ask("ada", max_tokens=1000).status_code == 200
        refused = running.ask("bob", max_tokens=1000)
        assert "The budget of assistants" in refused.json()["error"]["message"]


def test_money_is_held_while_an_answer_is_under_way(tmp_path: Path, server: ProtocolServer) -> None:
    hold = threading.Event()
    server.default = Reply(hold=hold)
    settings = 'level = "V1"\n[budget]\nday = "0.05 RMB"'
    with (
        gateway(tmp_path, server, config(tmp_path, settings)) as running,
        ThreadPoolExecutor(20) as threads,
    ):
        asking = [threads.submit(running.ask, max_tokens=1000) for _ in range(20)]
        until(lambda: sum(a.done() for a in asking) == 16)
        assert running.usage("ada")["user ada", "day"]["held"] > "0.04"
        hold.set()
        codes = sorted(a.result().status_code for a in asking)
    assert codes == [200] * 4 + [402] * 16
    assert len(server.chats) == 4


@pytest.mark.parametrize("kills", [1, 2])
def test_a_killed_gateway_counts_each_request_once(
    tmp_path: Path, server: ProtocolServer, kills: int
) -> None:
    settings = config(tmp_path, 'level = "V0"\nmodels = ["glm-4-airx"]')
    done = 3
    with gateway(tmp_path, server, settings) as running, ThreadPoolExecutor(20) as threads:
        for _ in range(done):
            running.ask(max_tokens=1000)
        server.default = Reply(hold=threading.Event())
        asking = [threads.submit(running.ask, max_tokens=1000) for _ in range(8)]
        until(lambda: len(server.chats) == done + 5)  # five are in flight, three wait
        until(lambda: Decimal(running.usage("ada")["user ada", "day"]["held"]) > 8 * MOST)
        held = Decimal(running.usage("ada")["user ada", "day"]["held"])
        running.kill()
        assert all(isinstance(a.exception(), httpx.HTTPError) for a in asking)
    server.default = Reply()
    for _ in range(kills):
        with gateway(tmp_path, server, settings) as running:
            sums = running.usage("ada")["user ada", "day"]
            assert sums["held"] == "0"
            assert Decimal(sums["spent"]) == done * Decimal("0.00046") + held * 5 / 8
            rows = httpx.get(f"{running.root}/usage.csv", headers=token("ada")).text.splitlines()
            assert rows[1].split(",")[3] == str(done + 8)
            running.kill()
    assert len(server.chats) == done + 5


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('models = "glm-4-airx"', "`models` is a list of names"),
        ('level = "V9"', "`level` is one of V0"),
        ('[budget]\nweek = "1 RMB"', "`budget.week` is not known here"),
        ('[budget]\nday = "1 USD"', "is in USD, the service bills RMB"),
        ('[budget]\nday = "much"', "`budget.day` is no amount"),
        ('models = ["my-own"]\n[budget]\nday = "1 RMB"', "no prices are known of my-own"),
        ('modles = ["glm-4-airx"]', "`modles` is not known here"),
    ],
)
def test_a_wrong_setting_is_named_at_the_start(
    tmp_path: Path, server: ProtocolServer, settings: str, said: str
) -> None:
    with (
        pytest.raises(AssertionError, match=said),
        gateway(tmp_path, server, config(tmp_path, settings)),
    ):
        pass


def test_the_database_may_not_be_there(tmp_path: Path, server: ProtocolServer) -> None:
    settings = 'database = "postgresql+psycopg://me:hunter2@127.0.0.1:1/none"\n[tokens]\na = "b"'
    with pytest.raises(AssertionError) as error, gateway(tmp_path, server, settings):
        pass
    assert "database of the gateway cannot be used" in str(error.value)
    assert "hunter2" not in str(error.value)

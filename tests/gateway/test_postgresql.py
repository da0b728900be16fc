"""The gateway's counts in PostgreSQL, by its URL."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from glob import glob
from pathlib import Path
from typing import Any

import httpx
import pytest

from glm_jupyter.api.events import Usage
from glm_jupyter.gateway.config import PERIODS
from glm_jupyter.gateway.store import Hold, Store
from tests.gateway.running import config, gateway, token
from tests.gateway.test_hub import free_port
from tests.protocol_server import ProtocolServer

FOLDERS = [*glob("/usr/lib/postgresql/*/bin"), *os.environ.get("PATH", "").split(os.pathsep)]
INITDB = shutil.which("initdb", path=os.pathsep.join(FOLDERS))
SERVER = shutil.which("postgres", path=os.pathsep.join(FOLDERS))


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of a database of a server that runs for the test."""
    if not (INITDB and SERVER):
        pytest.skip("PostgreSQL is not installed here (Debian: apt install postgresql)")
    # It refuses to run as root.
    user: dict[str, Any] = {"user": "nobody"} if os.name == "posix" and os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="glm-pg-", dir="/tmp") as folder:
        if user:
            shutil.chown(folder, "nobody")
        data, port = f"{folder}/data", free_port()
        subprocess.run(
            [INITDB, "-D", data, "-U", "glm", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            **user,
        )
        options = ["-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-F"]
        process = subprocess.Popen(
            [SERVER, *options],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **user,
        )
        try:
            import psycopg

            while True:
                try:
                    psycopg.connect(f"postgresql://glm@127.0.0.1:{port}/postgres").close()
                    break
                except psycopg.OperationalError:
                    assert process.poll() is None
            yield f"postgresql+psycopg://glm@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait(60)


def test_counts_and_budgets_hold_in_postgresql(
    url: str, tmp_path: Path, server: ProtocolServer
) -> None:
    settings = config(tmp_path, 'level = "V1"\n[budget]\nday = "0.05 RMB"')
    lines = [line for line in settings.splitlines() if not line.startswith("database")]
    settings = f'database = "{url}"\n' + "\n".join(lines)
    with gateway(tmp_path, server, settings) as running:
        with ThreadPoolExecutor(12) as threads:
            users = ["ada", "bob"] * 6
            codes = [
                r.status_code
                for r in threads.map(lambda user: running.ask(user, max_tokens=1000), users)
            ]
        answered = codes.count(200)
        assert set(codes) <= {200, 402}
        assert answered == len(server.chats) >= 8
        spent = sum(Decimal(running.usage(u)[f"user {u}", "day"]["spent"]) for u in ("ada", "bob"))
        assert spent == answered * Decimal("0.00046")
        assert running.usage("ada")["user ada", "day"]["held"] == "0"
        page = httpx.get(f"{running.root}/usage", headers=token("grace"))
        assert "ada" in page.text
        csv = httpx.get(f"{running.root}/usage.csv", headers=token("grace")).text
        assert "glm-4-airx" in csv
        running.kill()
    with gateway(tmp_path, server, settings) as running:
        again = sum(Decimal(running.usage(u)[f"user {u}", "day"]["spent"]) for u in ("ada", "bob"))
        assert again == spent


def test_requests_that_begin_and_end_at_once_do_not_block_each_other(url: str) -> None:
    store = Store(url)
    limits = {("user ada", period): 10**9 for period in PERIODS}

    def ask(_: int) -> None:
        hold = Hold("ada", "glm-4-airx", "RMB", worst=7, limits=limits, waits=False)
        store.hold(hold)
        store.settle(hold, "done", 3, Usage())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(400)))
    assert store.sums(["user ada"], "RMB") == {
        ("user ada", period): (1200, 0) for period in PERIODS
    }
    store.close()

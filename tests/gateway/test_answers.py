"""What a user gets through the gateway, and what the service gets of it."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.gateway.running import KEY, QUESTION, Running, config, frames, gateway, text, token
from tests.kernels import kernel
from tests.protocol_server import ProtocolServer, Reply


@pytest.fixture
def running(tmp_path: Path, server: ProtocolServer):
    server.key = KEY
    with gateway(tmp_path, server) as running:
        yield running


def test_a_stream_comes_through_as_the_service_sends_it(
    running: Running, server: ProtocolServer
) -> None:
    frames = [b'data: {"id":"1","choices":[{"delta":{"content":"\xe4', b'\xbd\xa0"}}]}\r\n\r\n']
    usage = b'"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}'
    frames.append(b': a comment\n\ndata: {"choices":[{"finish_reason":"stop","delta":{}}],')
    frames.append(usage + b"}\n\ndata: [DONE]\n\n")
    server.enqueue(Reply(raw=frames, pause=0.05))
    response = running.ask()
    assert response.content == b"".join(frames)
    assert response.headers["content-type"].startswith("text/event-stream")
    (request,) = server.chats
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "t-ada" not in str(request.headers)
    spent = running.usage("ada")["user ada", "day"]
    assert (spent["spent"], spent["held"]) == ("0.00012", "0")


def test_a_piece_comes_before_the_answer_is_whole(running: Running, server: ProtocolServer) -> None:
    hold = threading.Event()
    server.enqueue(Reply(text="First, and then the rest.", hold=hold))
    body = {"model": "glm-4-airx", "messages": QUESTION, "stream": True}
    address = f"{running.url}/chat/completions"
    with httpx.stream("POST", address, json=body, headers=token("ada")) as response:
        pieces = response.iter_text()
        assert "First" in next(pieces)
        hold.set()
        assert "[DONE]" in "".join(pieces)


def test_usage_is_asked_for_and_hidden_from_who_did_not_ask(
    running: Running, server: ProtocolServer
) -> None:
    server.default = Reply(usage="separate")
    response = running.ask()
    assert text(response) == "Hello."
    assert "usage" not in response.text
    assert server.chats[0].json["stream_options"] == {"include_usage": True}
    asked = running.ask(stream_options={"include_usage": True})
    assert frames(asked)[-1]["usage"]["completion_tokens"] == 34
    assert running.usage("ada")["user ada", "total"]["spent"] == "0.00092"


def test_an_answer_in_one_piece_is_counted_too(running: Running) -> None:
    response = running.ask(stream=False)
    assert response.json()["choices"][0]["message"]["content"] == "Hello."
    assert running.usage("ada")["user ada", "day"]["spent"] == "0.00046"


def test_a_cell_answers_with_a_users_token_and_shows_what_the_gateway_counts(
    tmp_path: Path, server: ProtocolServer
) -> None:
    env = {
        "HOME": str(tmp_path),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "ZAI_API_KEY": "t-ada",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    server.key = KEY
    server.default = Reply(text="The mean is $\\bar x$.")
    settings = config(tmp_path, '[budget]\nday = "0.1 RMB"')
    with (
        gateway(tmp_path, server, settings) as running,
        kernel({**env, "ZAI_BASE_URL": running.url}) as shell,
    ):
        run = shell.run("%%glm --model glm-4-airx\nWhat is the mean?")
        assert run.ok, run.error
        assert "The mean is" in run.bundle["text/markdown"]
        refused = shell.run("%%glm --model glm-5.3-secret\nWhat is the mean?")
        assert "does not offer glm-5.3-secret" in refused.error
        shown = "\n".join(d["text/plain"] for d in shell.run("%glm usage").displays.values())
        assert "0.1 RMB" in shown
        assert f"Counted by the gateway at {running.url} for ada." in shown
        assert "0.09954" in shown
        panel = "import time\nfrom glm_jupyter.panel import panel_of\n"
        panel += "import glm_jupyter as glm\nsums = panel_of(glm.session)._gateway.widget\n"
        panel += "while not sums.value: time.sleep(0.02)\nprint(sums.value)"
        assert "At the gateway, as ada" in shell.run(panel, timeout=30).printed
        shell.run("%%glm --model glm-4-airx\nAnd the median?")
        again = "while '0.00092' not in sums.value: time.sleep(0.02)"
        assert shell.run(again, timeout=30).ok


def test_who_has_no_token_gets_no_answer(running: Running, server: ProtocolServer) -> None:
    assert running.ask("mallory").status_code == 401
    response = httpx.get(f"{running.root}/usage")
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Basic")
    assert not server.chats


def test_a_model_that_is_not_allowed_never_answers(tmp_path: Path, server: ProtocolServer) -> None:
    settings = 'models = ["glm-4-airx"]\n'
    with gateway(tmp_path, server, config(tmp_path, settings)) as running:
        response = running.ask(model="glm-4.7")
        assert response.status_code == 403
        error = response.json()["error"]
        assert error["message"] == "The gateway does not offer glm-4.7. It offers: glm-4-airx."
        names = httpx.get(f"{running.url}/models", headers=token("ada")).json()["data"]
        assert [row["id"] for row in names] == ["glm-4-airx"]
    assert not server.chats


@pytest.mark.parametrize("path", ["files", "async/chat/completions", "../../../files", "batches"])
def test_other_parts_of_the_service_are_refused_by_name(
    running: Running, server: ProtocolServer, path: str
) -> None:
    response = httpx.post(f"{running.url}/{path}", json={}, headers=token("ada"))
    assert response.status_code == 404
    assert "does not pass on" in response.json()["error"]["message"]
    assert not server.requests


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"model": 3, "messages": []}',
        b'{"model": "glm-4-airx", "messages": [3]}',
        b'{"model": "glm-4-airx", "messages": [{"content": [1]}]}',
        b'{"model": "glm-4-airx", "messages": [{"content": {"a": 1}}]}',
        b'{"model": "glm-4-airx", "messages": [{"role": "user", "content": "a"}], "tools": [1]}',
        b'{"model": "glm-4-airx", "messages": [{"content": "a"}], "max_tokens": -5}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_request_is_refused_and_not_sent(
    running: Running, server: ProtocolServer, body: bytes
) -> None:
    response = httpx.post(f"{running.url}/chat/completions", content=body, headers=token("ada"))
    assert response.status_code == 400
    assert response.json()["error"]["code"]
    assert not server.chats


def test_the_services_own_refusal_comes_through(running: Running, server: ProtocolServer) -> None:
    body = {"error": {"code": "1302", "message": "too many"}}
    server.enqueue(Reply(status=429, body=body, headers={"Retry-After": "7"}))
    response = running.ask()
    assert (response.status_code, response.json()) == (429, body)
    assert response.headers["retry-after"] == "7"
    assert running.usage("ada")["user ada", "day"]["spent"] == "0"


def test_a_wrong_key_of_the_gateway_is_not_blamed_on_the_user(
    running: Running, server: ProtocolServer
) -> None:
    server.key = "another-key-altogether"
    response = running.ask()
    assert response.status_code == 502
    assert response.json()["error"]["code"] == "gateway_key"


def test_who_leaves_pays_for_what_came(running: Running, server: ProtocolServer) -> None:
    hold = threading.Event()
    server.enqueue(Reply(text="word " * 400, hold=hold, hold_after=100))
    body = {"model": "glm-4-airx", "messages": QUESTION, "stream": True}
    address = f"{running.url}/chat/completions"
    with httpx.stream("POST", address, json=body, headers=token("ada")) as response:
        assert "word" in next(response.iter_text())
    (request,) = server.chats
    assert request.ended.wait(30)
    assert request.aborted
    deadline = time.monotonic() + 30
    while running.usage("ada")["user ada", "day"]["held"] != "0":
        assert time.monotonic() < deadline
    assert 0 < float(running.usage("ada")["user ada", "day"]["spent"]) < 0.01


def test_the_key_is_in_no_answer_log_or_database(
    running: Running, server: ProtocolServer, tmp_path: Path
) -> None:
    server.enqueue(Reply(text=f"Your key is {KEY}.", chunk=99), Reply(status=400, body=f"{KEY}!"))
    shown = [running.ask().text, running.ask().text]
    shown.append(httpx.get(f"{running.root}/usage", headers=token("grace")).text)
    shown.append(running.log.read_text("utf-8"))
    with sqlite3.connect(tmp_path / "gateway.sqlite") as db:
        shown += db.iterdump()
    assert "Your key is (the key)." in shown[0]
    assert not any(KEY in part or "t-ada" in part for part in shown)

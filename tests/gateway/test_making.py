"""Pictures, videos, sound, pages, vectors and scores through the gateway, each at its price."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from zai import ZhipuAiClient

from glm_jupyter.gateway import exchange
from glm_jupyter.gateway.app import Gateway
from glm_jupyter.gateway.config import load
from tests.gateway.running import KEY, Running, config, gateway, token
from tests.kernels import kernel
from tests.making_server import tone, wav
from tests.protocol_server import ProtocolServer

PICTURE = {"model": "cogview-4", "prompt": "A hill"}


@pytest.fixture
def running(tmp_path: Path, server: ProtocolServer):
    server.key = KEY
    with gateway(tmp_path, server) as running:
        yield running


@contextmanager
def one_origin(running: Running, server: ProtocolServer) -> Iterator[str]:
    """A proxy before the gateway and before what the service has made, as the address of both.

    From an address of this machine that is not the endpoint's own, nothing is fetched.
    """
    client = httpx.AsyncClient(timeout=60)

    async def pass_on(request: Request) -> Response:
        made = request.url.path.startswith("/made/")
        reply = await client.request(
            request.method,
            f"{server.root if made else running.root}{request.url.path}",
            headers={n: v for n, v in request.headers.items() if n != "host"},
            content=await request.body(),
        )
        return Response(reply.content, reply.status_code, media_type=reply.headers["content-type"])

    route = Route("/{path:path}", pass_on, methods=["GET", "POST"])
    options = uvicorn.Config(Starlette(routes=[route]), port=0, log_level="error")
    front = uvicorn.Server(options)
    thread = threading.Thread(target=front.run)
    thread.start()
    try:
        while not front.started:
            time.sleep(0.01)
        (port,) = (s.getsockname()[1] for each in front.servers for s in each.sockets)
        yield f"http://127.0.0.1:{port}"
    finally:
        front.should_exit = True
        thread.join()


def post(running: Running, path: str, user: str = "ada", **body: object) -> httpx.Response:
    return httpx.post(f"{running.url}/{path}", json=body, headers=token(user), timeout=60)


def spent(running: Running, user: str = "ada") -> Decimal:
    """What a user has spent, once nothing is under way any more."""
    for _ in range(600):
        sums = running.usage(user)[f"user {user}", "day"]
        if sums["held"] == "0":
            break
        time.sleep(0.05)
    assert sums["held"] == "0"
    return Decimal(sums["spent"])


@pytest.fixture
def lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of Ada's kernel, and the folder that it runs in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "said.wav").write_bytes(wav(tone(3.0)))
    Image.new("RGB", (99, 99)).save(tmp_path / "page.png")
    return {
        "HOME": str(tmp_path),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "ZAI_API_KEY": "t-ada",
        "JPY_SESSION_NAME": str(tmp_path / "lesson.ipynb"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }


def test_a_cell_gets_what_it_asks_for_and_its_user_pays(
    running: Running, lesson: dict[str, str]
) -> None:
    paid = Decimal(0)
    with kernel({**lesson, "ZAI_BASE_URL": running.url}) as shell:
        for cell, shows, price in (
            ("%%glm -m glm-tts\nTen letters", "_glm.audio.seconds > 0.1", "0.0022"),
            ("%%glm -m glm-asr-2512 --audio said.wav\n", "'quick' in _glm.text", "0.0006005"),
            ("%%glm -m glm-ocr --file page.png\n", "'Covariance' in _glm.text", "0.0002"),
            ("import glm_jupyter as glm\nv = glm.embed(['ab', 'c'])", "len(v) == 2", "0.0000015"),
            ("s = glm.rerank('a', ['b', 'a'])", "s[0][0] == 1", "0.000008"),
        ):
            run = shell.run(cell)
            assert run.ok, run.error
            assert shell.value(shows) == "True"
            paid += Decimal(price)
            assert spent(running) == pytest.approx(paid, abs=Decimal("1e-6")), cell
        refused = shell.run("%%glm --model cogview-9\nA hill").error
        assert "does not offer cogview-9" in refused
        for cell in ("%glm files", "%%glm -m glm-realtime-flash\nHello"):
            refused = shell.run(cell).error
            assert "the gateway does not pass this on" in refused
            assert "It takes a key of your own" in refused


@pytest.mark.parametrize(
    ("model", "made", "price"), [("cogview-4", "images", "0.06"), ("cogvideox-3", "videos", "1")]
)
def test_a_cell_shows_what_was_made(
    running: Running,
    server: ProtocolServer,
    lesson: dict[str, str],
    model: str,
    made: str,
    price: str,
) -> None:
    with one_origin(running, server) as root:
        server.making.url = f"{root}/made/{'picture.png' if made == 'images' else 'video.mp4'}"
        with kernel({**lesson, "ZAI_BASE_URL": f"{root}/api/paas/v4"}) as shell:
            run = shell.run(f"%%glm -m {model}\nA hill in the wind")
            assert run.ok, run.error
            assert shell.value(f"len(_glm.{made}), _glm.cost") == f"1 {price}"
    assert spent(running) == Decimal(price)


def test_the_official_client_is_served_too(running: Running, server: ProtocolServer) -> None:
    client = ZhipuAiClient(api_key="t-ada", base_url=running.url)
    assert client.images.generations(**PICTURE).data[0].url
    vectors = client.embeddings.create(model="embedding-3", input=["a", "b"])
    assert len(vectors.data) == 2
    task = client.videos.generations(model="cogvideox-2", prompt="A hill")
    assert client.videos.retrieve_videos_result(task.id).task_status == "SUCCESS"
    said = client.audio.speech(model="glm-tts", input="Hello", voice="tongtong")
    assert len(said.read()) > 1000
    keys = {request.headers.get("authorization") for request in server.requests}
    assert keys == {f"Bearer {KEY}"}


def test_a_task_is_its_owners_alone(running: Running, server: ProtocolServer) -> None:
    task = post(running, "videos/generations", model="cogvideox-3", prompt="A hill").json()["id"]
    asked = f"{running.url}/async-result/{task}"
    assert httpx.get(asked, headers=token("ada")).json()["task_status"] == "SUCCESS"
    others = httpx.get(asked, headers=token("bob"))
    assert others.status_code == 404
    assert "no task of yours" in others.json()["error"]["message"]
    assert httpx.get(asked).status_code == 401
    unknown = httpx.get(f"{running.url}/async-result/..%2Ffiles", headers=token("ada"))
    assert unknown.status_code == 404
    assert len([r for r in server.requests if "async-result" in r.path]) == 1


def test_a_task_is_fetched_after_the_gateway_was_killed(
    tmp_path: Path, server: ProtocolServer
) -> None:
    server.key = KEY
    with gateway(tmp_path, server) as first:
        task = post(first, "videos/generations", model="cogvideox-3", prompt="A hill").json()["id"]
        first.kill()
    with gateway(tmp_path, server) as second:
        result = httpx.get(f"{second.url}/async-result/{task}", headers=token("ada"))
        assert result.json()["video_result"]
        assert spent(second) == 1


def test_who_leaves_while_a_picture_is_made_pays_for_it(
    running: Running, server: ProtocolServer
) -> None:
    server.making.delay = 3
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{running.url}/images/generations", json=PICTURE, headers=token("ada"), timeout=1
        )
    assert spent(running) == Decimal("0.06")


def test_what_the_service_refuses_costs_nothing(running: Running, server: ProtocolServer) -> None:
    body = {"error": {"code": "1301", "message": "内容可能不安全"}}
    server.making.fail("images/generations", 400, body)
    response = post(running, "images/generations", **PICTURE)
    assert (response.status_code, response.json()) == (400, body)
    assert spent(running) == 0


def test_a_lost_reply_counts_as_the_picture_that_may_have_been_made(
    running: Running, server: ProtocolServer
) -> None:
    server.making.fail("images/generations", 0, None)
    assert post(running, "images/generations", **PICTURE).status_code == 502
    assert spent(running) == Decimal("0.06")


def test_a_service_that_cannot_be_reached_costs_nothing(
    tmp_path: Path, server: ProtocolServer
) -> None:
    with gateway(tmp_path, server, ZAI_BASE_URL="http://127.0.0.1:9") as running:
        assert post(running, "images/generations", **PICTURE).status_code == 502
        assert spent(running) == 0


def test_a_budget_holds_for_pictures(tmp_path: Path, server: ProtocolServer) -> None:
    server.key = KEY
    server.making.delay = 0.5
    settings = config(tmp_path, '[budget]\nday = "0.1 RMB"')
    codes: list[int] = []
    with gateway(tmp_path, server, settings) as running:

        def ask() -> None:
            codes.append(post(running, "images/generations", **PICTURE).status_code)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(codes) == [200, 402, 402, 402]
        refused = post(running, "images/generations", **PICTURE).json()["error"]["message"]
        assert "this one may cost up to 0.06 RMB" in refused
        assert "max_tokens" not in refused
        page = httpx.get(f"{running.root}/usage", headers=token("grace")).text
        assert "0.06 RMB" in page
        assert "about" not in page  # the price of a picture is no estimate
        assert spent(running) == Decimal("0.06")


def test_what_cannot_be_asked_is_refused_and_not_sent(
    running: Running, server: ProtocolServer
) -> None:
    vectors = {"model": "embedding-3", "input": [1, 2]}
    scores = {"model": "rerank", "query": "a", "documents": {}}
    pages = {"model": "glm-ocr", "file": "x", "start_page_id": -9}
    for path, body, says in (
        ("images/generations", {**PICTURE, "model": "glm-4-airx"}, "at chat/completions"),
        ("chat/completions", {"model": "cogview-4", "messages": []}, "at images/generations or"),
        ("images/generations", {**PICTURE, "model": "x"}, "does not offer x. It offers: "),
        ("images/generations", {"model": "cogview-4"}, "a model and a prompt"),
        ("images/generations", {**PICTURE, "n": 3}, "one thing made"),
        ("embeddings", vectors, "a list of texts"),
        ("rerank", scores, "a list of texts"),
        ("layout_parsing", pages, "from 1 on"),
        ("audio/transcriptions", {"model": "glm-asr-2512"}, "a form with a model and a file"),
    ):
        response = post(running, path, **body)
        assert 400 <= response.status_code < 500
        assert says in response.json()["error"]["message"]
    assert not server.requests


def test_a_form_that_is_none_is_refused(running: Running, server: ProtocolServer) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    for content in (b"", b"--x\r\nbroken", b"--x--\r\n"):
        response = httpx.post(
            f"{running.url}/audio/transcriptions", content=content, headers=token("ada") | kind
        )
        assert response.status_code == 400, content
    assert not server.requests


async def test_what_waits_too_long_is_sent_away_to_come_again(
    tmp_path: Path, server: ProtocolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "LONGEST_SILENCE", 1)
    server.making.delay = 4
    file = tmp_path / "glm_gateway.toml"
    file.write_text(config(tmp_path), "utf-8")
    app = Gateway(load(file, {"ZAI_API_KEY": KEY, "ZAI_BASE_URL": server.url})).app()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client,
    ):

        async def ask() -> httpx.Response:
            url = "/api/paas/v4/images/generations"
            return await client.post(url, json=PICTURE, headers=token("ada"), timeout=60)

        replies = await asyncio.gather(*(ask() for _ in range(6)))  # one more than the rights
    assert sorted(reply.status_code for reply in replies) == [*[200] * 5, 429]
    [away] = [reply for reply in replies if reply.status_code == 429]
    assert away.headers["retry-after"] == "1"
    assert "Ask again" in away.json()["error"]["message"]
    assert len(server.requests) == 5


def test_the_key_is_in_nothing_that_was_made(running: Running, server: ProtocolServer) -> None:
    server.making.url = f"https://example.org/{KEY}.png"
    server.making.speech = b"RIFF" + KEY.encode() * 1000
    server.making.fail("rerank", 400, {"error": {"code": "1214", "message": f"{KEY}?"}})
    task = post(running, "videos/generations", model="cogvideox-3", prompt="A hill").json()["id"]
    shown = [
        post(running, "images/generations", **PICTURE),
        post(running, "audio/speech", model="glm-tts", input="Hello"),
        post(running, "rerank", model="rerank", query="a", documents=["a"]),
        httpx.get(f"{running.url}/async-result/{task}", headers=token("ada")),
    ]
    assert [response.status_code for response in shown] == [200, 200, 400, 200]
    for response in shown:
        assert len(response.content) > 20
        assert KEY.encode() not in response.content

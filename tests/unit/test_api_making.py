"""Pictures and videos from the service: the fake proven by the official client, then ours."""

from __future__ import annotations

import tracemalloc
import warnings
from typing import Any

import pytest

from glm_jupyter.api import download, retries, tasks
from glm_jupyter.api import events as ev
from glm_jupyter.api.client import Client
from glm_jupyter.api.endpoints import Endpoint, resolve
from glm_jupyter.api.errors import GLMError, NetworkError, RequestError
from glm_jupyter.api.making import MakingRequest
from glm_jupyter.api.pictures import PictureRequest
from glm_jupyter.api.tasks import TaskRequest
from glm_jupyter.api.videos import VideoRequest
from tests.making_server import CLIP, png, tone, wav
from tests.protocol_server import ProtocolServer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import zai

KEY = "id.very-secret-key"
BUSY = {"error": {"code": "1302", "message": "slow down"}}
PICTURE = PictureRequest(model="cogview-4", prompt="A hill")
VIDEO = VideoRequest(model="cogvideox-3", prompt="A hill")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(retries, "PAUSE", 0.01)


@pytest.fixture
def endpoint(server: ProtocolServer) -> Endpoint:
    server.key = KEY
    return resolve(None, {"ZAI_BASE_URL": server.url, "ZAI_API_KEY": KEY})


@pytest.fixture
def official(server: ProtocolServer) -> Any:
    return zai.ZhipuAiClient(api_key="id.secret", base_url=server.url, max_retries=0)


async def made(
    endpoint: Endpoint, request: MakingRequest
) -> tuple[list[ev.Event], GLMError | None]:
    """What came, and how it failed."""
    events: list[ev.Event] = []
    try:
        async for event in Client(pause=0.01).stream(endpoint, request):
            events.append(event)
    except GLMError as error:
        return events, error
    return events, None


def media(events: list[ev.Event]) -> list[ev.Media]:
    return [event for event in events if isinstance(event, ev.Media)]


def test_the_official_client_takes_what_the_fake_says(
    server: ProtocolServer, official: Any
) -> None:
    picture = official.images.generations(model="cogview-4", prompt="A hill", size="512x512")
    assert picture.data[0].url == f"{server.root}/made/picture.png"
    video = official.videos.generations(model="cogvideox-3", prompt="A hill")
    result = official.videos.retrieve_videos_result(id=video.id)
    assert result.task_status == "SUCCESS"
    assert result.video_result[0].url == f"{server.root}/made/video.mp4"
    spoken = official.audio.speech(
        model="glm-tts", input="Hello.", voice="tongtong", response_format="wav"
    )
    assert spoken.content == wav(tone(0.02 * len("Hello.")))
    heard = official.audio.transcriptions.create(
        model="glm-asr-2512", file=("said.wav", wav(tone(0.1)), "audio/wav"), stream=False
    )
    assert heard.text == "The quick brown fox."


async def test_the_key_does_not_go_where_the_result_is(
    server: ProtocolServer, endpoint: Endpoint
) -> None:
    events, error = await made(endpoint, VIDEO)
    assert error is None
    fetched = [request for request in server.requests if "/made/" in request.path]
    assert len(fetched) == 2
    assert all("authorization" not in request.headers for request in fetched)
    assert KEY not in str([request.headers for request in fetched])
    (video,) = media(events)
    assert video.file is not None
    assert video.file.read_bytes() == CLIP.read_bytes()
    video.file.unlink()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/picture.png",
        "https://127.0.0.1/picture.png",
        "https://localhost/picture.png",
        "https://10.0.0.1/picture.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/picture.png",
        "https://[::ffff:127.0.0.1]/picture.png",
        "https://user:word@example.org/picture.png",
        "file:///etc/passwd",
        "ftp://example.org/picture.png",
        "data:image/png;base64,AAAA",
        "//example.org/picture.png",
        "picture.png",
        "https://",
        "http://[",
        " ",
    ],
)
@pytest.mark.parametrize("redirected", [False, True])
async def test_an_address_that_may_not_be_asked(
    server: ProtocolServer, endpoint: Endpoint, url: str, redirected: bool
) -> None:
    server.making.url = url
    if redirected and url == "picture.png":
        url = "http://example.org/picture.png"  # beside where it was, it may be asked
    if redirected:
        server.making.url = f"{server.root}/made/moved"
        server.making.files["moved"] = (302, {"Location": url}, b"")
    events, error = await made(endpoint, PICTURE)
    assert isinstance(error, GLMError)
    assert media(events) == []
    assert KEY not in str(error)


async def test_an_endless_chain_of_redirects(server: ProtocolServer, endpoint: Endpoint) -> None:
    server.making.url = f"{server.root}/made/moved"
    server.making.files["moved"] = (302, {"Location": server.making.url}, b"")
    _, error = await made(endpoint, PICTURE)
    assert isinstance(error, RequestError)
    assert len([request for request in server.requests if "/made/" in request.path]) == 4


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_result_that_is_gone(
    server: ProtocolServer, endpoint: Endpoint, status: int
) -> None:
    server.making.files["picture.png"] = (status, {}, b"<html>gone</html>")
    events, error = await made(endpoint, PICTURE)
    assert "30 days" in str(error)
    assert ev.Billed(1) in events


@pytest.mark.parametrize(
    ("request_", "kind"), [(PICTURE, "image"), (VIDEO, "video")], ids=["picture", "video"]
)
async def test_a_body_that_is_too_large(
    server: ProtocolServer,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    request_: MakingRequest,
    kind: str,
) -> None:
    monkeypatch.setitem(download.LARGEST, kind, 1000)
    events, error = await made(endpoint, request_)
    assert isinstance(error, RequestError)
    assert "larger than" in str(error)
    assert media(events) == []


async def test_a_large_video_is_not_held_in_memory(
    server: ProtocolServer, endpoint: Endpoint
) -> None:
    server.making.video = CLIP.read_bytes() + bytes(50 << 20)
    before = len(server.making.video)
    tracemalloc.start()
    events, error = await made(endpoint, VIDEO)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error is None
    (video,) = media(events)
    assert video.file is not None
    assert video.file.stat().st_size == before
    video.file.unlink()
    assert most < 2.5 * before  # the server of the test holds copies of its own


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("status", [429, 500])
async def test_a_refused_request_is_sent_again(
    server: ProtocolServer, endpoint: Endpoint, asynchronous: bool, status: int
) -> None:
    path = "async/images/generations" if asynchronous else "images/generations"
    server.making.fail(path, status, BUSY if status == 429 else b"<html>oh</html>")
    request = PictureRequest(model="m", prompt="A hill", size="64x64", asynchronous=asynchronous)
    events, error = await made(endpoint, request)
    assert error is None
    assert media(events)[0].data == png(64, 64)
    assert sum(isinstance(event, ev.Billed) for event in events) == 1


@pytest.mark.parametrize("path", ["videos/generations", "images/generations"])
async def test_a_lost_reply_is_not_asked_for_again(
    server: ProtocolServer, endpoint: Endpoint, path: str
) -> None:
    server.making.fail(path, 0, None)
    _, error = await made(endpoint, VIDEO if path.startswith("videos") else PICTURE)
    assert isinstance(error, NetworkError)
    assert "may bill it" in str(error)
    assert len(server.requests) == 1


async def test_a_task_outlives_failures_of_its_polls(
    server: ProtocolServer, endpoint: Endpoint
) -> None:
    for status, body in ((429, BUSY), (500, b"<html>oh</html>"), (0, None), (502, b"")):
        server.making.fail("0001-20261126a1b2c3d4", status, body)
    server.making.states = ["QUEUED?", "PROCESSING", "SUCCESS"]
    events, error = await made(endpoint, VIDEO)
    assert error is None
    assert sum(isinstance(event, ev.Retrying) for event in events) == 4
    assert [e.state for e in events if isinstance(e, ev.TaskState)] == ["QUEUED?", "PROCESSING"]
    assert len([r for r in server.requests if r.path.endswith("/videos/generations")]) == 1
    for video in media(events):
        assert video.file is not None
        video.file.unlink()


async def test_a_relative_redirect_is_followed(server: ProtocolServer, endpoint: Endpoint) -> None:
    server.making.url = f"{server.root}/made/moved"
    server.making.files["moved"] = (302, {"Location": "picture.png"}, b"")
    events, error = await made(endpoint, PICTURE)
    assert error is None
    assert media(events)[0].data == png()


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        ({}, "does not say why"),
        ({"message": "bad words"}, "bad words"),
        ({"error": {"code": "1301", "message": f"unsafe {KEY}"}}, "unsafe"),
        ({"error": None, "message": 3}, "3"),
    ],
)
async def test_a_task_that_fails(
    server: ProtocolServer, endpoint: Endpoint, failure: dict[str, Any], says: str
) -> None:
    server.making.states, server.making.failure = ["FAIL"], failure
    events, error = await made(endpoint, VIDEO)
    assert isinstance(error, RequestError)
    assert says in str(error)
    assert KEY not in str(error)
    assert any(isinstance(event, ev.TaskStarted) for event in events)


async def test_a_task_is_taken_up_by_its_id(server: ProtocolServer, endpoint: Endpoint) -> None:
    server.making.tasks["7"] = "image"
    events, error = await made(endpoint, TaskRequest(model="glm-image", id="7", kind="image"))
    assert error is None
    assert media(events)[0].data == png()
    _, error = await made(endpoint, TaskRequest(model="glm-image", id="../8", kind="image"))
    assert isinstance(error, RequestError)
    assert [request.method for request in server.requests if "/made/" not in request.path] == [
        "GET",
        "GET",
    ]

"""A spoken turn over the WebSocket: what is said, what comes back, and what goes wrong."""

from __future__ import annotations

import asyncio
import base64
from contextlib import aclosing
from typing import Any

import pytest

from glm_jupyter.api import catalogue, realtime
from glm_jupyter.api import events as ev
from glm_jupyter.api.client import Client
from glm_jupyter.api.endpoints import Endpoint, resolve
from glm_jupyter.api.errors import (
    AuthenticationError,
    BusyError,
    GLMError,
    IncompleteError,
    InputError,
    NetworkError,
    RequestError,
)
from glm_jupyter.api.realtime import RealtimeRequest
from tests.making_server import tone, turn, wav
from tests.protocol_server import ProtocolServer

KEY = "id.very-secret-key"
MODEL = catalogue.find("glm-realtime-flash", "bigmodel")
SAID = RealtimeRequest(model="glm-realtime-flash", prompt="Hello?", voice="tongtong")


@pytest.fixture
def endpoint(server: ProtocolServer) -> Endpoint:
    server.key = KEY
    return resolve(None, {"ZAI_BASE_URL": server.url, "ZAI_API_KEY": KEY})


async def answered(
    endpoint: Endpoint, request: RealtimeRequest = SAID
) -> tuple[list[ev.Event], GLMError | None]:
    """What came, and how it failed."""
    events: list[ev.Event] = []
    try:
        async for event in Client(pause=0.01).stream(endpoint, request.checked(MODEL)):
            events.append(event)
    except GLMError as error:
        return events, error
    return events, None


def text(events: list[ev.Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ev.TextDelta))


async def test_a_turn_in_words(server: ProtocolServer, endpoint: Endpoint) -> None:
    events, error = await answered(endpoint)
    assert error is None
    assert text(events) == "Hello there."
    assert events[0] == ev.Started(None, "glm-realtime-flash")
    (made,) = [event for event in events if isinstance(event, ev.Media)]
    assert made.data == wav(tone(0.2))
    assert ev.UsageReport(ev.Usage(10, 20, 30)) in events
    assert events[-1] == ev.Finish("stop")
    (told,) = server.turns
    assert [message["type"] for message in told if message != "closed"] == [
        "session.update",
        "conversation.item.create",
        "response.create",
    ]
    assert told[0]["session"]["voice"] == "tongtong"


async def test_a_turn_in_sound(server: ProtocolServer, endpoint: Endpoint) -> None:
    sound = wav(tone(0.1))
    _, error = await answered(endpoint, RealtimeRequest(model="m", audio=sound, most_tokens=99))
    assert error is None
    (told,) = server.turns
    assert told[0]["session"]["max_response_output_tokens"] == "99"
    assert [message["type"] for message in told[1:4]] == [
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "response.create",
    ]
    assert base64.b64decode(told[1]["audio"]) == sound


@pytest.mark.parametrize(
    "request_",
    [
        RealtimeRequest(model="m"),
        RealtimeRequest(model="m", audio=b"ID3"),
        RealtimeRequest(model="m", prompt="x", voice="nobody"),
        RealtimeRequest(model="m", prompt="x", most_tokens=0),
        RealtimeRequest(model="m", prompt="x", most_tokens=1025),
    ],
)
def test_what_the_model_cannot_take_is_refused(request_: RealtimeRequest) -> None:
    with pytest.raises(InputError, match="Nothing was sent"):
        request_.checked(MODEL)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ([{"type": "error", "error": {"code": "1301", "message": "no"}}], RequestError),
        (["no JSON"], NetworkError),
        ([3, {"type": "response.done", "response": {"status": "failed"}}], IncompleteError),
        (
            [
                {
                    "type": "response.done",
                    "response": {
                        "status": "failed",
                        "status_details": {"error": {"code": "1301", "message": "no"}},
                    },
                }
            ],
            RequestError,
        ),
    ],
)
async def test_what_is_no_answer(
    server: ProtocolServer, endpoint: Endpoint, told: list[Any], kind: type[GLMError]
) -> None:
    server.making.turn = told
    events, error = await answered(endpoint)
    assert type(error) is kind
    assert text(events) == ""


async def test_a_cut_before_the_answer_is_not_asked_for_again(
    server: ProtocolServer, endpoint: Endpoint
) -> None:
    server.making.turn = [{"type": "session.updated"}, None]
    _, error = await answered(endpoint)
    assert isinstance(error, NetworkError)
    assert "may bill it" in str(error)
    assert len(server.turns) == 1


async def test_what_had_arrived_before_a_cut_is_kept(
    server: ProtocolServer, endpoint: Endpoint
) -> None:
    server.making.turn = [*turn("Hello there.", tone(0.2))[:6], None]
    events, error = await answered(endpoint)
    assert isinstance(error, IncompleteError)
    assert text(events) == "Hello"
    (made,) = [event for event in events if isinstance(event, ev.Media)]
    assert made.data == wav(tone(0.1))


async def test_a_silent_service(
    server: ProtocolServer, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realtime, "LONGEST_SILENCE", 0.1)
    server.making.turn = []
    _, error = await answered(endpoint)
    assert isinstance(error, NetworkError)
    assert "silent" in str(error)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"code": "1302", "message": "slow down"}}, BusyError),
        (500, "oh", BusyError),
        (404, "", RequestError),
    ],
)
async def test_a_refused_connection(
    server: ProtocolServer, endpoint: Endpoint, status: int, body: Any, kind: type[GLMError]
) -> None:
    server.making.fail("realtime", status, body, times=9)
    _, error = await answered(endpoint)
    assert isinstance(error, kind)


async def test_a_wrong_key(server: ProtocolServer, endpoint: Endpoint) -> None:
    server.key = "another"
    _, error = await answered(endpoint)
    assert isinstance(error, AuthenticationError)


async def test_the_key_follows_no_redirect(server: ProtocolServer, endpoint: Endpoint) -> None:
    with ProtocolServer() as other:
        server.making.fail("realtime", 302, other.url.replace("http", "ws") + "/realtime", times=9)
        _, error = await answered(endpoint)
        assert other.turns == []
    assert isinstance(error, NetworkError)


async def test_nothing_answers(endpoint: Endpoint) -> None:
    nowhere = resolve(None, {"ZAI_BASE_URL": "http://127.0.0.1:9", "ZAI_API_KEY": KEY})
    events, error = await answered(nowhere)
    assert isinstance(error, NetworkError)
    assert KEY not in str(error)
    assert sum(isinstance(event, ev.Retrying) for event in events) == 2


async def test_closing_ends_the_connection(server: ProtocolServer, endpoint: Endpoint) -> None:
    server.making.turn = turn("Hello there.", tone(0.2))[:6]
    async with aclosing(Client().stream(endpoint, SAID)) as events:
        async for event in events:
            if isinstance(event, ev.TextDelta):
                break
    async with asyncio.timeout(10):
        while server.turns[0][-1] != "closed":
            await asyncio.sleep(0.01)


async def test_the_key_is_not_in_the_answer(server: ProtocolServer, endpoint: Endpoint) -> None:
    server.making.turn = turn(f"Key {KEY} is it.", tone(0.1))
    events, _ = await answered(endpoint)
    assert KEY not in text(events)

"""Speech from the service: read aloud in pieces, joined, and what goes wrong on the way."""

from __future__ import annotations

import io
import json
import wave
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from glm_jupyter.api import catalogue, retries
from glm_jupyter.api import events as ev
from glm_jupyter.api.client import Client
from glm_jupyter.api.endpoints import Endpoint, resolve
from glm_jupyter.api.errors import (
    BusyError,
    GLMError,
    IncompleteError,
    InputError,
    NetworkError,
    RequestError,
)
from glm_jupyter.api.speech import SpeechRequest, pieces
from tests.making_server import RATE, tone
from tests.protocol_server import ProtocolServer

KEY = "id.very-secret-key"
MODEL = catalogue.find("glm-tts", "bigmodel")
BUSY = {"error": {"code": "1302", "message": "slow down"}}
SENTENCE = "The quick brown fox jumps over the lazy dog near the river bank. "
LONG = SENTENCE * 40  # three pieces


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PAUSE", 0.01)


@pytest.fixture
def endpoint(server: ProtocolServer) -> Endpoint:
    server.key = KEY
    return resolve(None, {"ZAI_BASE_URL": server.url, "ZAI_API_KEY": KEY})


def asked(text: str, **options: Any) -> SpeechRequest:
    return SpeechRequest(model="glm-tts", prompt=text, **options).checked(MODEL)


async def read(
    endpoint: Endpoint, request: SpeechRequest
) -> tuple[list[ev.Event], GLMError | None]:
    """What came, and how it failed."""
    events: list[ev.Event] = []
    try:
        async for event in Client(pause=0.01).stream(endpoint, request):
            events.append(event)
    except GLMError as error:
        return events, error
    return events, None


def sound(events: list[ev.Event]) -> ev.Media:
    (made,) = [event for event in events if isinstance(event, ev.Media)]
    return made


def samples(made: ev.Media) -> Any:
    with wave.open(io.BytesIO(made.data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, made.rate)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def billed(events: list[ev.Event]) -> int:
    return sum(event.quantity for event in events if isinstance(event, ev.Billed))


async def test_a_text_is_read(server: ProtocolServer, endpoint: Endpoint) -> None:
    events, error = await read(endpoint, asked("Hello, 世界!", speed=1.5, volume=2))
    assert error is None
    (sent,) = server.requests
    assert sent.json == {
        "model": "glm-tts",
        "input": "Hello, 世界!",
        "voice": "tongtong",
        "speed": 1.5,
        "volume": 2,
        "response_format": "wav",
    }
    assert [type(event) for event in events] == [
        ev.Started,
        ev.Billed,
        ev.AudioDelta,
        ev.Media,
        ev.Finish,
    ]
    made = sound(events)
    assert (made.mime, made.rate) == ("audio/wav", RATE)
    assert made.seconds == pytest.approx(0.02 * len("Hello, 世界!"))
    assert len(samples(made)) == round((made.seconds or 0) * RATE)
    assert billed(events) == len("Hello, 世界!")


async def test_a_long_text_is_read_in_pieces_and_joined_without_a_click(
    server: ProtocolServer, endpoint: Endpoint
) -> None:
    request = asked(LONG)
    events, error = await read(endpoint, request)
    assert error is None
    inputs = sorted((r.json["input"] for r in server.requests), key=[*pieces(LONG), ""].index)
    assert len(inputs) == 3
    assert all(len(text) <= 1024 and text.endswith(".") for text in inputs)
    assert " ".join(inputs) == LONG.strip()
    assert billed(events) == request.quantity == sum(map(len, inputs))
    assert request.worst(MODEL) == MODEL.unit_cost(request.quantity)
    whole = samples(sound(events)).astype(int)
    deltas = [e.data for e in events if isinstance(e, ev.AudioDelta)]
    assert b"".join(deltas) == whole.astype("<i2").tobytes()
    for delta in deltas:
        its = np.frombuffer(delta, "<i2")
        assert its[0] == 0
        assert abs(int(its[-1])) < 100
    loudest_step = int(np.abs(np.diff(np.frombuffer(tone(0.1), "<i2").astype(int))).max())
    assert np.abs(np.diff(whole)).max() <= loudest_step * 1.1


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("第一句话。" * 300, "。"),
        ("他说：“好的。”" * 200, "”"),
        ("It is 3.14 and so on! " * 80, "!"),
        ("क्या यह सच है। " * 100, "।"),
        ("a" * 3000, "a"),
        ("word " * 500, "d"),
        ("clause, " * 300, ","),
    ],
)
def test_a_long_text_is_cut_where_a_reader_would_pause(text: str, first: str) -> None:
    cut = pieces(text)
    assert all(0 < len(piece) <= 1024 for piece in cut)
    assert cut[0].endswith(first)
    assert "".join("".join(cut).split()) == "".join(text.split())
    assert len(cut) <= len(text) // 512 + 1


def test_a_decimal_point_ends_no_sentence() -> None:
    cut = pieces("Pi. " + "is 3.14159 or so and " * 60)
    assert not any(a.endswith("3.") for a, _ in pairwise([*cut, ""]))


async def test_sound_without_a_header_gets_one(server: ProtocolServer, endpoint: Endpoint) -> None:
    server.making.fail("audio/speech", 200, tone(0.5))
    events, error = await read(endpoint, asked("Hello."))
    assert error is None
    assert len(samples(sound(events))) == RATE // 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"voice": "tongtog"}, "tongtong"),
        ({"speed": 3.0}, "0.5 to 2"),
        ({"volume": 0.0}, "0.1 to 10"),
        ({"speed": float("nan")}, "0.5 to 2"),
    ],
)
def test_what_the_model_cannot_take_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match="Nothing was sent") as caught:
        asked("Hello.", **options)
    assert told in caught.value.remedy


def test_a_cloned_voice_is_taken() -> None:
    assert asked("Hello.", voice="voice_clone_2026_001").voice == "voice_clone_2026_001"


@pytest.mark.parametrize("text", ["", " \n "])
def test_nothing_to_read(text: str) -> None:
    with pytest.raises(InputError, match="nothing to read"):
        asked(text)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"error": {"code": "1214", "message": "no such voice"}}, RequestError),
        (200, b"<html>log in</html>", NetworkError),
        (200, b"", NetworkError),
        (200, b"RIFF\x04\x00\x00\x00WAVE", NetworkError),
        (400, {"error": {"code": "1301", "message": "unsafe"}}, RequestError),
        (500, b"<html>oh</html>", BusyError),
    ],
)
async def test_what_is_no_sound(
    server: ProtocolServer, endpoint: Endpoint, status: int, body: Any, kind: type[GLMError]
) -> None:
    server.making.fail("audio/speech", status, body, times=3)
    events, error = await read(endpoint, asked("Hello."))
    assert isinstance(error, kind)
    assert not any(isinstance(event, ev.Media) for event in events)


async def test_a_busy_service_is_asked_again(server: ProtocolServer, endpoint: Endpoint) -> None:
    server.making.fail("audio/speech", 429, BUSY)
    server.making.fail("audio/speech", 200, None)
    server.making.fail("audio/speech", 429, BUSY, times=2)
    events, error = await read(endpoint, asked(LONG))
    assert error is None
    assert any(isinstance(event, ev.Retrying) for event in events)
    assert billed(events) == asked(LONG).quantity
    assert len(server.requests) == 6


async def test_a_lost_reply_is_not_asked_for_again(
    server: ProtocolServer, endpoint: Endpoint
) -> None:
    server.making.fail("audio/speech", 0, None)
    _, error = await read(endpoint, asked("Hello."))
    assert isinstance(error, NetworkError)
    assert "may bill it" in str(error)
    assert len(server.requests) == 1


async def test_what_was_read_before_a_failure_is_kept(
    server: ProtocolServer, endpoint: Endpoint
) -> None:
    server.making.fail("audio/speech", 200, None)
    server.making.fail("audio/speech", 400, {"error": {"code": "1301", "message": "no"}}, times=2)
    events, error = await read(endpoint, asked(LONG))
    assert isinstance(error, IncompleteError)
    first, second, *_ = pieces(LONG)
    assert second[:20] in str(error)
    assert sound(events).seconds == pytest.approx(0.02 * len(first))
    assert billed(events) == len(first)


async def test_the_key_is_in_no_error(server: ProtocolServer, endpoint: Endpoint) -> None:
    server.making.fail("audio/speech", 400, {"error": {"code": "1214", "message": f"bad {KEY}"}})
    _, error = await read(endpoint, asked("Hello."))
    assert KEY not in json.dumps([str(error), error.remedy])

"""What was said, written down: recordings of every kind, long ones, and what goes wrong."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path
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
from glm_jupyter.api.sound import from_wav
from glm_jupyter.api.transcription import TranscriptionRequest, cut
from glm_jupyter.prompt.audio import audio_of
from tests.making_server import tone, wav
from tests.protocol_server import ProtocolServer

KEY = "id.very-secret-key"
MODEL = catalogue.find("glm-asr-2512", "bigmodel")
BUSY = {"error": {"code": "1302", "message": "slow down"}}
REFUSED = {"error": {"code": "1214", "message": "no"}}
RATE = 8000
SHORT = wav(tone(2, RATE), RATE)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PAUSE", 0.01)


@pytest.fixture
def endpoint(server: ProtocolServer) -> Endpoint:
    server.key = KEY
    return resolve(None, {"ZAI_BASE_URL": server.url, "ZAI_API_KEY": KEY})


def said(source: Any, **options: Any) -> TranscriptionRequest:
    data, mime, seconds = audio_of(source)
    request = TranscriptionRequest(
        model="glm-asr-2512", audio=data, mime=mime, seconds=seconds, **options
    )
    return request.checked(MODEL)


async def written(
    endpoint: Endpoint, request: TranscriptionRequest
) -> tuple[list[ev.Event], GLMError | None]:
    """What came, and how it failed."""
    events: list[ev.Event] = []
    try:
        async for event in Client(pause=0.01).stream(endpoint, request):
            events.append(event)
    except GLMError as error:
        return events, error
    return events, None


def text(events: list[ev.Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ev.TextDelta))


def long_recording() -> tuple[Any, int]:
    """Four stretches of 20 s, each louder than the one before, and a second of silence between."""
    second = np.frombuffer(tone(1, RATE), "<i2")
    stretch = np.concatenate([np.tile(second, 19), np.zeros(RATE, "<i2")])
    return np.concatenate([stretch // 8 * (i + 1) for i in range(4)]).astype("<i2"), RATE


def loudness(recording: bytes) -> str:
    """Which stretch a piece is, as its words."""
    samples, _ = from_wav(recording)
    return f"Part {round(int(np.abs(samples).max()) / (9000 // 8))}."


async def test_a_short_recording_is_streamed(server: ProtocolServer, endpoint: Endpoint) -> None:
    events, error = await written(endpoint, said(SHORT, hotwords=("fox", "狐狸"), prompt="Once."))
    assert error is None
    assert text(events) == "The quick brown fox."
    assert sum(isinstance(event, ev.TextDelta) for event in events) > 1
    assert isinstance(events[0], ev.Started)
    assert isinstance(events[-1], ev.Finish)
    (sent,) = server.requests
    assert SHORT in sent.body
    assert sent.body.count(b'name="hotwords"') == 2
    assert b'name="prompt"\r\n\r\nOnce.' in sent.body
    assert b'filename="audio.wav"' in sent.body


async def test_a_long_recording_is_cut_where_it_is_quiet_and_joined_in_order(
    server: ProtocolServer, endpoint: Endpoint
) -> None:
    server.making.transcript = loudness
    events, error = await written(endpoint, said(long_recording()))
    assert error is None
    assert text(events) == "Part 1. Part 2. Part 3. Part 4."
    assert len(server.requests) == 4
    usage = [event.usage for event in events if isinstance(event, ev.UsageReport)]
    assert usage[-1].estimated
    assert said(long_recording()).worst(MODEL) == MODEL.cost(usage[-1])


def test_the_pieces_are_the_whole_recording() -> None:
    samples, rate = long_recording()
    parts = cut(wav(samples.tobytes(), rate))
    joined = np.concatenate([from_wav(part.data)[0] for part in parts])
    assert np.array_equal(joined, samples)
    assert all(part.end - part.start <= 30 for part in parts)
    for part in parts[:-1]:
        assert not from_wav(part.data)[0][-RATE // 20 :].any()


@pytest.mark.parametrize("samples", [np.zeros(RATE * 100, "<i2"), np.full(RATE * 100, 9, "<i2")])
def test_a_recording_without_a_pause_is_cut_all_the_same(samples: Any) -> None:
    parts = cut(wav(samples.tobytes(), RATE))
    assert sum(len(from_wav(part.data)[0]) for part in parts) == len(samples)
    assert all(0 < part.end - part.start <= 30 for part in parts)


async def test_chinese_is_joined_without_spaces(server: ProtocolServer, endpoint: Endpoint) -> None:
    server.making.transcript = "你好。"
    events, _ = await written(endpoint, said(long_recording()))
    assert text(events) == "你好。" * 4


async def test_a_failed_piece_keeps_the_others(server: ProtocolServer, endpoint: Endpoint) -> None:
    def heard(recording: bytes) -> str | None:
        words = loudness(recording)
        return None if words == "Part 2." else words

    server.making.transcript = heard
    events, error = await written(endpoint, said(long_recording()))
    assert isinstance(error, IncompleteError)
    assert text(events) == "Part 1. Part 3. Part 4."
    assert "Seconds 20 to 40" in str(error) or "Seconds 19 to 39" in str(error)


async def test_all_pieces_fail(server: ProtocolServer, endpoint: Endpoint) -> None:
    server.making.transcript = lambda recording: None
    events, error = await written(endpoint, said(long_recording()))
    assert isinstance(error, RequestError)
    assert text(events) == ""


async def test_busy_pieces_are_asked_again(server: ProtocolServer, endpoint: Endpoint) -> None:
    server.making.transcript = loudness
    server.making.fail("audio/transcriptions", 429, BUSY, times=3)
    events, error = await written(endpoint, said(long_recording()))
    assert error is None
    assert text(events) == "Part 1. Part 2. Part 3. Part 4."


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, REFUSED, RequestError),
        (200, {"error": {"code": "1214", "message": "no"}}, RequestError),
        (200, {"id": "1"}, NetworkError),
        (200, b"<html>log in</html>", NetworkError),
        (500, b"<html>oh</html>", BusyError),
    ],
)
async def test_what_is_no_transcript(
    server: ProtocolServer, endpoint: Endpoint, status: int, body: Any, kind: type[GLMError]
) -> None:
    server.making.fail("audio/transcriptions", status, body, times=3)
    events, error = await written(endpoint, said(SHORT))
    assert isinstance(error, kind)
    assert text(events) == ""


async def test_a_service_that_does_not_stream(server: ProtocolServer, endpoint: Endpoint) -> None:
    server.making.fail("audio/transcriptions", 200, {"text": "All at once."})
    events, error = await written(endpoint, said(SHORT))
    assert (text(events), error) == ("All at once.", None)


async def test_a_lost_reply_is_not_asked_for_again(
    server: ProtocolServer, endpoint: Endpoint
) -> None:
    server.making.fail("audio/transcriptions", 0, None)
    _, error = await written(endpoint, said(SHORT))
    assert isinstance(error, NetworkError)
    assert "may bill it" in str(error)
    assert len(server.requests) == 1


async def test_the_key_is_not_in_the_text(server: ProtocolServer, endpoint: Endpoint) -> None:
    server.making.transcript = f"Your key is {KEY}, is it not?"
    events, _ = await written(endpoint, said(SHORT))
    assert KEY not in text(events)


@pytest.mark.parametrize(
    "values",
    [
        np.sin(np.linspace(0, 900, RATE)),
        np.sin(np.linspace(0, 900, RATE)).astype("float32"),
        (np.sin(np.linspace(0, 900, RATE)) * 32767).astype("int16"),
        (np.sin(np.linspace(0, 900, RATE)) * 2147483647).astype("int32"),
        (np.sin(np.linspace(0, 900, RATE)) * 32767).astype("int64"),
        np.stack([np.sin(np.linspace(0, 900, RATE))] * 2),
        np.stack([np.sin(np.linspace(0, 900, RATE))] * 2, axis=1),
        list(np.sin(np.linspace(0, 900, RATE))),
    ],
)
def test_an_array_and_its_rate(values: Any) -> None:
    data, mime, seconds = audio_of((values, RATE))
    samples, rate = from_wav(data)
    assert (mime, seconds, rate, len(samples)) == ("audio/wav", 1.0, RATE, RATE)
    assert np.abs(samples - np.sin(np.linspace(0, 900, RATE)) * 32767).max() < 2


def test_a_path_bytes_and_a_data_url(tmp_path: Path) -> None:
    file = tmp_path / "said.wav"
    file.write_bytes(SHORT)
    url = "data:audio/wav;base64," + base64.b64encode(SHORT).decode()
    for source in (file, str(file), SHORT, bytearray(SHORT), url):
        assert audio_of(source) == (SHORT, "audio/wav", 2.0)


@pytest.mark.parametrize(
    "source",
    [
        "no-such-file.wav",
        "data:audio/wav;base64,!!",
        b"",
        3,
        None,
        (np.zeros(0), 8000),
        (np.zeros(9), 0),
        (np.zeros((2, 2, 2)), 8000),
        (["a"], 8000),
        (np.zeros(9),),
        b"plain words, not sound",
        b"RIFF\x00\x00",
    ],
)
def test_what_is_no_recording(source: Any) -> None:
    with pytest.raises(InputError, match="Nothing was sent"):
        audio_of(source)


def test_more_than_the_model_takes() -> None:
    with pytest.raises(InputError, match="100 --hotwords"):
        said(SHORT, hotwords=("word",) * 101)
    with pytest.raises(InputError, match="said before"):
        said(SHORT, prompt="a" * 8000)
    long = TranscriptionRequest(model="m", audio=b"ID3", mime="audio/mpeg", seconds=31)
    with pytest.raises(InputError, match="30 seconds"):
        long.checked(MODEL)
    large = TranscriptionRequest(model="m", audio=bytes(26_214_401), mime="audio/mpeg")
    with pytest.raises(InputError, match="25 MB"):
        large.checked(MODEL)


def test_a_format_that_nothing_here_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(InputError, match="neither WAV nor MP3") as caught:
        audio_of(b"\x1a\x45\xdf\xa3 webm")
    assert "ffmpeg" in caught.value.remedy


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="there is no ffmpeg")
@pytest.mark.parametrize(
    ("ending", "seconds", "mime"),
    [("m4a", 2, "audio/wav"), ("flac", 2, "audio/wav"), ("mp3", 2, "audio/mpeg")],
)
def test_other_formats(tmp_path: Path, ending: str, seconds: int, mime: str) -> None:
    file = tmp_path / f"said.{ending}"
    made = ["ffmpeg", "-v", "error", "-i", "pipe:0", str(file)]
    if subprocess.run(made, input=wav(tone(seconds, RATE), RATE), check=False).returncode:
        pytest.skip(f"ffmpeg makes no {ending} here")
    data, its, lasts = audio_of(file)
    assert its == mime
    assert lasts == pytest.approx(seconds, abs=0.2)
    assert its == "audio/wav" or data == file.read_bytes()


def test_wav_of_any_width_and_channels() -> None:
    import io
    import wave

    for width, channels in ((1, 1), (2, 2), (3, 1), (4, 2)):
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setparams((channels, width, RATE, 0, "NONE", ""))
            quarter = 192 if width == 1 else 1 << (8 * width - 2)
            out.writeframes(quarter.to_bytes(width, "little") * channels * RATE)
        samples, rate = from_wav(file.getvalue())
        assert (rate, len(samples), set(samples.tolist())) == (RATE, RATE, {16384})


def test_what_is_sent_can_be_kept_as_json() -> None:
    import json

    body = said(SHORT, hotwords=("fox",)).body("glm")
    assert json.loads(json.dumps(body)) == body
    assert body["file"].startswith("data:audio/wav;base64,")

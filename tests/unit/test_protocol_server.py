"""The protocol server, proven by the official client: what that accepts, the service could say."""

from __future__ import annotations

import json
import threading
import warnings
from typing import Any

import httpx
import pytest

from tests.protocol_server import ProtocolServer, Reply

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import zai
    from zai import core

ASKED = [{"role": "user", "content": "Is it positive definite?"}]
TEXT = "It is: both eigenvalues, \\(1\\) and \\(3\\), are positive. 是的。"


@pytest.fixture
def official(server: ProtocolServer) -> Any:
    return zai.ZhipuAiClient(api_key="id.secret", base_url=server.url, max_retries=0)


def create(client: Any, **options: Any) -> Any:
    return client.chat.completions.create(model="glm-4.7", messages=list(ASKED), **options)


def test_whole_reply(server: ProtocolServer, official: Any) -> None:
    server.enqueue(Reply(TEXT, reasoning="Look at them.", cached_tokens=4, reasoning_tokens=7))
    reply = create(official)
    assert reply.choices[0].message.content == TEXT
    assert reply.choices[0].message.reasoning_content == "Look at them."
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == 46
    assert reply.usage.prompt_tokens_details.cached_tokens == 4
    assert server.requests[0].headers["authorization"] == "Bearer id.secret"
    assert server.requests[0].json["messages"] == ASKED


@pytest.mark.parametrize("place", ["finish", "separate", "every"])
def test_stream(server: ProtocolServer, official: Any, place: Any) -> None:
    server.enqueue(Reply(TEXT, reasoning="Look at them.", usage=place, chunk=5))
    chunks = list(create(official, stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == TEXT
    assert "".join(delta.reasoning_content or "" for delta in deltas) == "Look at them."
    assert [c.usage.total_tokens for c in chunks if c.usage][-1] == 46
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"


@pytest.mark.parametrize("stream", [True, False])
def test_tool_call(server: ProtocolServer, official: Any, stream: bool) -> None:
    call = {"name": "add", "arguments": {"a": 365, "b": 96}, "id": "call_7"}
    server.enqueue(Reply("", tool_calls=[call], finish_reason="tool_calls"))
    reply = create(official, stream=stream)
    if stream:
        made = [c for chunk in reply for c in chunk.choices[0].delta.tool_calls or []]
    else:
        made = reply.choices[0].message.tool_calls
    assert [(c.id, c.index, c.function.name) for c in made] == [("call_7", -1, "add")]
    assert json.loads(made[0].function.arguments) == {"a": 365, "b": 96}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, core.APIRequestFailedError),
        (401, core.APIAuthenticationError),
        (429, core.APIReachLimitError),
        (500, core.APIInternalError),
        (503, core.APIServerFlowExceedError),
    ],
)
def test_error_status(server: ProtocolServer, official: Any, status: int, kind: Any) -> None:
    server.enqueue(Reply(status=status, body={"error": {"code": "1234", "message": "No."}}))
    with pytest.raises(kind, match="1234"):
        create(official)


def test_error_in_the_stream(server: ProtocolServer, official: Any) -> None:
    server.enqueue(Reply("Some", error={"code": "1305", "message": "busy"}))
    stream = create(official, stream=True)
    assert next(stream).choices[0].delta.content == "Some"
    with pytest.raises(core.APIResponseError):
        next(stream)


def test_key_is_checked(server: ProtocolServer, official: Any) -> None:
    server.key = "another.key"
    with pytest.raises(core.APIAuthenticationError, match="401"):
        create(official)
    server.key = "id.secret"
    assert create(official).choices[0].message.content == "Hello."


def test_reply_chosen_by_request(server: ProtocolServer, official: Any) -> None:
    server.respond = lambda request: Reply(request.json["messages"][-1]["content"].upper())
    assert create(official).choices[0].message.content == "IS IT POSITIVE DEFINITE?"


def test_client_that_goes_away_is_recorded(server: ProtocolServer, official: Any) -> None:
    server.enqueue(Reply(TEXT, chunk=1, hold=threading.Event(), hold_after=3))
    stream = create(official, stream=True)
    assert "".join(next(stream).choices[0].delta.content for _ in range(3)) == TEXT[:3]
    stream.response.close()
    assert server.requests[0].ended.wait(10)
    assert server.requests[0].aborted


def test_client_that_stays_is_not_recorded_as_gone(server: ProtocolServer, official: Any) -> None:
    hold = threading.Event()
    server.enqueue(Reply(TEXT, chunk=1, hold=hold, hold_after=3))
    stream = create(official, stream=True)
    next(stream)
    hold.set()
    rest = list(stream)
    assert rest[-1].choices[0].finish_reason == "stop"
    assert server.requests[0].ended.wait(10)
    assert not server.requests[0].aborted


def test_cut_and_raw_and_html_replies(server: ProtocolServer) -> None:
    body = {"model": "glm-4.7", "messages": ASKED, "stream": True}
    html = {"Content-Type": "text/html"}
    server.enqueue(
        Reply("abcdef", chunk=2, cut_after=2),
        Reply(raw=[b"data: {}", b"\r\n\r\n"]),
        Reply(status=502, body="<html>Bad gateway</html>", headers=html),
    )
    cut, raw, page = (httpx.post(server.url + "/chat/completions", json=body) for _ in range(3))
    assert cut.text.count("data: ") == 2
    assert "[DONE]" not in cut.text
    assert raw.content == b"data: {}\r\n\r\n"
    assert (page.status_code, page.text) == (502, "<html>Bad gateway</html>")
    assert page.headers["content-type"] == "text/html"


def test_models_and_unknown_paths(server: ProtocolServer) -> None:
    names = [row["id"] for row in httpx.get(server.url + "/models").json()["data"]]
    assert names == ["glm-4.7", "glm-4.7-flash"]
    assert httpx.get(server.url + "/nothing").json()["error"]["message"] == "404 NOT_FOUND"


def test_pictures(server: ProtocolServer, official: Any) -> None:
    reply = official.images.generations(model="cogview-4", prompt="A hill", size="1024x1024")
    assert reply.data[0].url == f"{server.root}/made/picture.png"
    task = official.images.async_generations(model="glm-image", prompt="A hill")
    assert task.task_status == "PROCESSING"
    result = official.images.retrieve_images_result(task.id)
    assert result.task_status == "SUCCESS"
    assert result.image_result[0].url == f"{server.root}/made/picture.png"


def test_videos(server: ProtocolServer, official: Any) -> None:
    server.making.states = ["PROCESSING", "SUCCESS"]
    task = official.videos.generations(model="cogvideox-3", prompt="Waves")
    assert official.videos.retrieve_videos_result(task.id).task_status == "PROCESSING"
    result = official.videos.retrieve_videos_result(task.id)
    assert result.video_result[0].url == f"{server.root}/made/video.mp4"
    assert result.video_result[0].cover_image_url == f"{server.root}/made/cover.png"


def test_speech_and_transcripts(server: ProtocolServer, official: Any) -> None:
    spoken = official.audio.speech(
        model="glm-tts", input="Hello.", voice="tongtong", response_format="wav"
    )
    sound = b"".join(spoken.iter_bytes())
    assert sound.startswith(b"RIFF")
    written = official.audio.transcriptions.create(
        model="glm-asr-2512", file=("a.wav", sound, "audio/wav"), stream=False
    )
    assert written.text == server.making.transcript
    frames = official.audio.transcriptions.create(
        model="glm-asr-2512", file=("a.wav", sound, "audio/wav"), stream=True
    )
    assert "".join(getattr(frame, "delta", "") for frame in frames) == server.making.transcript


def test_vectors_and_pages(server: ProtocolServer, official: Any) -> None:
    found = official.embeddings.create(model="embedding-3", input=["a", "bb"], dimensions=256)
    assert sorted((row.index, row.embedding[0]) for row in found.data) == [(0, 1.0), (1, 2.0)]
    read = official.layout_parsing.create(
        model="glm-ocr", file="https://example.org/a.pdf", start_page_id=1, end_page_id=1
    )
    assert read.md_results.startswith("# Covariance")


def test_batches(server: ProtocolServer, official: Any) -> None:
    asked = {"model": "glm-4-air", "messages": [{"role": "user", "content": "Hi"}]}
    url = "/v4/chat/completions"
    line = {"custom_id": "request-0", "method": "POST", "url": url, "body": asked}
    content = ("requests.jsonl", json.dumps(line).encode(), "application/jsonl")
    file = official.files.create(file=content, purpose="batch")
    batch = official.batches.create(input_file_id=file.id, endpoint=url, metadata={"key": "a"})
    assert batch.status == "validating"
    assert [each.id for each in official.batches.list(limit=10).data] == [batch.id]
    done = official.batches.retrieve(batch.id)
    assert (done.status, done.request_counts.completed) == ("completed", 1)
    assert done.metadata == {"key": "a"}
    result = json.loads(official.files.content(done.output_file_id).content)
    assert result["custom_id"] == "request-0"
    assert result["response"]["body"]["choices"][0]["message"]["content"] == "Hello."
    assert official.batches.cancel(batch.id).status == "cancelling"

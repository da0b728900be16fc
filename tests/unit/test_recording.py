"""Recordings: what a file holds, what survives a crash, what is replayed and when it is not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glm_jupyter.answer import Answer
from glm_jupyter.api import events as ev
from glm_jupyter.api.client import Client
from glm_jupyter.api.endpoints import Endpoint, resolve
from glm_jupyter.api.errors import GLMError, IncompleteError, InputError
from glm_jupyter.api.request import ChatRequest
from glm_jupyter.api.transport import Transport
from glm_jupyter.recordings.recorder import Asked, Recorded, Recorder, read
from glm_jupyter.recordings.replayer import Replayer
from tests.protocol_server import ProtocolServer, Reply

KEY = "id.very-secret"
WITHOUT_KEY = resolve("bigmodel", {})


def request(text: str = "Why?", **options) -> ChatRequest:
    return ChatRequest("glm-4.7", ({"role": "user", "content": text},), **options)


@pytest.fixture
def endpoint(server: ProtocolServer) -> Endpoint:
    server.key = KEY
    return resolve(None, {"ZAI_BASE_URL": server.url, "ZAI_API_KEY": KEY})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lesson.glm.jsonl"


async def ask(
    source: Transport, endpoint: Endpoint, asked: ChatRequest, answer: Answer | None = None
) -> Answer:
    answer = answer or Answer(asked.model, endpoint.name)
    async for event in source.stream(endpoint, asked):
        answer.apply(event)
    return answer


async def record(file: Path, endpoint: Endpoint, *texts: str) -> None:
    source = Recorder(file).around(Client(pause=0.01))
    for text in texts:
        await ask(source, endpoint, request(text))


def replayer(file: Path) -> Replayer:
    return Replayer(str(file), speed=float("inf"))


async def test_a_replayed_answer_is_the_recorded_one(server, endpoint, file) -> None:
    calls = [{"name": "f", "arguments": {"x": 1}, "id": "call_7"}]
    page = {"title": "A page", "link": "https://example.org"}
    server.enqueue(
        Reply("Because 因为 \u2028 .", reasoning="Hm.", tool_calls=calls, sources=[page])
    )
    live = await ask(Recorder(file).around(Client()), endpoint, request())
    server_was_asked = len(server.requests)
    again = await ask(replayer(file), WITHOUT_KEY, request())
    for name in (
        "text",
        "reasoning",
        "tool_calls",
        "sources",
        "usage",
        "finish_reason",
        "complete",
    ):
        assert getattr(again, name) == getattr(live, name)
    assert live.tool_calls
    assert len(server.requests) == server_was_asked


async def test_a_recording_holds_no_secret_and_one_line_for_each_answer(
    server, endpoint, file
) -> None:
    await record(file, endpoint, "one", "two")
    text = file.read_text()
    assert KEY not in text
    assert "Authorization" not in text
    assert server.url not in text
    first, second = map(json.loads, text.splitlines())
    assert list(first) == ["version", "endpoint", "request", "events"]
    message = {"role": "user", "content": "one"}
    assert first["request"] == {"model": "glm-4.7", "messages": [message]}
    assert second["request"]["messages"][0]["content"] == "two"


async def test_the_same_request_is_replayed_in_order_and_its_last_answer_repeats(
    server, endpoint, file
) -> None:
    server.enqueue(Reply("first"), Reply("other"), Reply("second"))
    await record(file, endpoint, "same", "different", "same")
    again = replayer(file)
    texts = [
        (await ask(again, endpoint, request(text))).text
        for text in ("same", "same", "same", "different", "different")
    ]
    assert texts == ["first", "second", "second", "other", "other"]


async def test_a_cut_off_last_line_is_left_out_and_mended_by_the_next_recording(
    server, endpoint, file
) -> None:
    await record(file, endpoint, "one", "two")
    whole = file.read_bytes()
    for lost in (2, 40, len(whole.splitlines()[1])):
        file.write_bytes(whole[:-lost])
        again = replayer(file)
        assert len(again) == 1
        assert "cut off" in "".join(again.complaints)
        await record(file, endpoint, "three")
        asked = [r.asked.body["messages"][0]["content"] for r in read(file.read_bytes(), "f", [])]
        assert asked == ["one", "three"]


async def test_a_last_line_without_its_end_is_kept(server, endpoint, file) -> None:
    await record(file, endpoint, "one")
    file.write_bytes(file.read_bytes().rstrip(b"\n"))
    assert len(replayer(file)) == 1
    await record(file, endpoint, "two")
    again = replayer(file)
    assert len(again) == 2
    assert again.complaints == []


async def test_only_whole_answers_are_recorded(server, endpoint, file) -> None:
    source = Recorder(file).around(Client(pause=0.01))
    server.enqueue(Reply("abcdefghijklmnop", cut_after=1, abrupt=True))
    with pytest.raises(IncompleteError):
        await ask(source, endpoint, request("broken"))
    events = source.stream(endpoint, request("left"))
    await anext(events)
    await events.aclose()
    assert file.read_bytes() == b""


async def test_waiting_for_a_busy_service_is_not_recorded(server, endpoint, file) -> None:
    busy = Reply(status=429, body={"error": {"code": "1302", "message": "slow down"}})
    server.enqueue(busy, Reply("There."))
    source = Recorder(file).around(Client(pause=0.05))
    seen = [event async for event in source.stream(endpoint, request())]
    assert isinstance(seen[0], ev.Retrying)
    assert "retry" not in file.read_text().lower()
    assert (await ask(replayer(file), endpoint, request())).text == "There."


async def test_what_differs_is_said_where_nothing_matches(server, endpoint, file) -> None:
    server.default = Reply("Yes.")
    source = Recorder(file).around(Client())
    await ask(source, endpoint, request("What is a covariance matrix?", temperature=0.2))
    await ask(source, endpoint, request("Who was Gauss?"))
    with pytest.raises(InputError) as caught:
        await ask(
            replayer(file), endpoint, request("What is a covariance matrices?", temperature=0.3)
        )
    message = str(caught.value)
    assert "temperature (0.3, recorded: 0.2)" in message
    assert "matrices" in message
    assert "matrix" in message
    assert "Gauss" not in message
    assert "--fresh" in caught.value.remedy


async def test_a_difference_deep_in_a_long_text_is_shown(server, endpoint, file) -> None:
    start = "word " * 200
    await record(file, endpoint, start + "ends so")
    with pytest.raises(InputError, match=r"ends thus.*ends so"):
        await ask(replayer(file), endpoint, request(start + "ends thus"))


async def test_images_are_matched_by_their_digest(server, endpoint, file) -> None:
    def picture(data: str) -> ChatRequest:
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
        return ChatRequest("glm-4.6v", ({"role": "user", "content": [image]},))

    await ask(Recorder(file).around(Client()), endpoint, picture("AAAA" * 1000))
    assert file.stat().st_size < 2000
    assert (await ask(replayer(file), endpoint, picture("AAAA" * 1000))).text == "Hello."
    with pytest.raises(InputError, match="sha256"):
        await ask(replayer(file), endpoint, picture("BBBB" * 1000))


async def test_a_folder_and_a_package_are_replayed(
    server, endpoint, tmp_path: Path, monkeypatch
) -> None:
    package = tmp_path / "course"
    (package / "week1").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    await record(package / "week1" / "a.glm.jsonl", endpoint, "one")
    await record(package / "week1" / "b.glm.jsonl", endpoint, "two")
    monkeypatch.syspath_prepend(tmp_path)
    for place in (str(package / "week1"), "course:week1"):
        assert len(Replayer(place)) == 2
    assert len(Replayer("course:week1/b.glm.jsonl")) == 1
    sys.modules.pop("course", None)
    with pytest.raises(InputError, match="no package courses"):
        Replayer("courses:week1")


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_recording_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(InputError, match="no recorded answer"):
        Replayer(str(file))


def line(events: str, request: str = '{"messages": []}', version: int = 1) -> str:
    return f'{{"version": {version}, "endpoint": "e", "request": {request}, "events": {events}}}'


@pytest.mark.parametrize(
    "content",
    [
        "not JSON",
        "{}",
        "[1]",
        "[" * 100_000,
        line("[]", version=2),
        line("[]", request="{}"),
        line("[]", request='{"messages": [5]}'),
        line("{}"),
        line('[[0, "dance", null]]'),
        line('[[0, "text", 5]]'),
        line('[["0", "text", ""]]'),
        line('[[Infinity, "text", ""]]'),
        line('[[-1, "text", ""]]'),
        line('[[0, "usage", {"x": 1}]]'),
        line('[[0, "usage", {"prompt_tokens": "1"}]]'),
        line('[[0, "finish", 5]]'),
        line('[[0, "sources", [5]]]'),
        line('[[0, "tool call", {"index": 1000000000, "id": "a", "name": "f", "arguments": ""}]]'),
        line('[[0, "tool call", {"index": 0, "id": 5, "name": "f", "arguments": ""}]]'),
    ],
    ids=lambda content: content[:100],
)
def test_what_is_no_recording_is_named_with_its_line(file: Path, content: str) -> None:
    file.write_text(f"\n{content}\n")
    with pytest.raises(InputError, match=r"lesson\.glm\.jsonl.*line 2"):
        Replayer(str(file))


@pytest.mark.parametrize("content", [b"notes", b"{}", b'{"cells": [', b"a\nb", b'{"version": 9}\n'])
def test_a_file_that_is_no_recording_is_left_as_it_is(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"Cannot record into .* is not a recording"):
        Recorder(file)
    with pytest.raises(InputError, match="is not a recording"):
        Replayer(str(file))
    assert file.read_bytes() == content


async def test_a_recording_is_gone_on_with(server, endpoint, file) -> None:
    await record(file, endpoint, "one")
    assert Recorder(file).before == 1
    await record(file, endpoint, "two")
    assert len(replayer(file)) == 2


async def test_an_answer_with_a_secret_is_not_recorded(server, endpoint, file, monkeypatch) -> None:
    monkeypatch.setenv("ZAI_API_KEY", KEY)
    with pytest.raises(GLMError, match="ZAI_API_KEY") as caught:
        await record(file, endpoint, f"Is {KEY} a good key?")
    assert KEY not in str(caught.value)
    assert file.read_bytes() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit for files")
async def test_an_answer_for_which_there_is_no_room_fails(server, endpoint, file) -> None:
    import resource

    await record(file, endpoint, "one")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 100, limits[1]))
    try:
        with pytest.raises(GLMError, match="not recorded"):
            await record(file, endpoint, "two")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(replayer(file)) == 1
    await record(file, endpoint, "three")
    asked = [r.asked.body["messages"][0]["content"] for r in read(file.read_bytes(), "f", [])]
    assert asked == ["one", "three"]


def test_a_file_that_is_not_there_and_a_speed_that_is_none(tmp_path: Path, file: Path) -> None:
    with pytest.raises(InputError, match="Cannot read"):
        Replayer(str(file))
    with pytest.raises(InputError, match="Cannot record"):
        Recorder(tmp_path / "no" / "such" / "folder.jsonl")
    for speed in (0, -1, float("nan")):
        with pytest.raises(InputError, match="speed"):
            Replayer(str(file), speed)


async def test_an_answer_that_cannot_be_recorded_fails_and_says_so(server, endpoint, file) -> None:
    source = Recorder(file).around(Client())
    file.unlink()
    file.mkdir()
    answer = Answer("m", "e")
    with pytest.raises(GLMError, match="not recorded"):
        await ask(source, endpoint, request(), answer)
    assert answer.complete


async def test_the_models_of_an_endpoint_are_those_recorded(server, endpoint, file) -> None:
    await record(file, endpoint, "one")
    assert await replayer(file).models(endpoint) == ["glm-4.7"]
    assert await replayer(file).models(resolve("zai", {})) == []


def test_the_same_request_has_the_same_hash_whatever_the_order() -> None:
    place = resolve("bigmodel", {})
    one = ChatRequest("m", ({"role": "user", "content": "x"},), temperature=0.5)
    other = ChatRequest("m", ({"content": "x", "role": "user"},), temperature=0.5)
    assert Asked.of(place, one).hash() == Asked.of(place, other).hash()
    assert Asked.of(place, one).hash() != Asked.of(resolve("zai", {}), one).hash()


texts = st.text(max_size=20)
some_events = st.lists(
    st.one_of(
        st.builds(ev.TextDelta, texts),
        st.builds(ev.ReasoningDelta, texts),
        st.just(ev.TextWasReasoning()),
        st.builds(ev.ToolCallDelta, st.integers(0, 9), st.none() | texts, st.none() | texts, texts),
        st.builds(ev.UsageReport, st.builds(ev.Usage, st.integers(0, 9), st.integers(0, 9))),
        st.builds(ev.Sources, st.lists(st.dictionaries(texts, texts), max_size=2).map(tuple)),
        st.builds(ev.Started, st.none(), st.none() | texts),
        st.builds(ev.Finish, st.none() | texts),
    )
)


@settings(deadline=None)
@given(st.lists(st.tuples(texts, some_events), min_size=1, max_size=3), st.data())
def test_what_is_written_is_read_again_and_any_cut_loses_only_the_last(answers, data) -> None:
    kept = [
        Recorded(Asked("e", {"model": "m", "messages": [{"content": text}]}), tuple(timed))
        for text, happened in answers
        for timed in [[(at, event) for at, event in enumerate(happened)]]
    ]
    content = b"".join(recorded.line() for recorded in kept)
    assert list(read(content, "f", [])) == kept
    last = len(kept[-1].line())
    cut = data.draw(st.integers(2, last))
    complaints: list[str] = []
    assert list(read(content[:-cut], "f", complaints)) == kept[:-1]
    assert bool(complaints) == (cut < last)


LEAVES = st.sampled_from([0, 0.0, -0.0, False, 1, 1.0, True, "1", 0.5, 10**17, 1e17, None])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=3,
)
BODIES = st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2)


@given(one=BODIES, other=BODIES)
def test_requests_have_the_same_hash_where_they_are_equal(one, other) -> None:
    first, second = Asked("bigmodel", one), Asked("bigmodel", other)
    assert (first.hash() == second.hash()) == (first == second)


async def test_a_number_may_be_written_in_another_way(server, endpoint, file) -> None:
    server.enqueue(Reply("Because."))
    live = Recorder(file).around(Client(pause=0.01))
    await ask(live, endpoint, request(temperature=0))
    again = await ask(replayer(file), WITHOUT_KEY, request(temperature=0.0))
    assert again.text == "Because."

"""What a stream's frames become, in every dialect, whatever the chunks."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_jupyter.answer import Answer
from glm_jupyter.api import events as ev
from glm_jupyter.api.errors import (
    AuthenticationError,
    BusyError,
    IncompleteError,
    NetworkError,
    RequestError,
)
from glm_jupyter.api.stream import StreamDecoder
from glm_jupyter.render.summary import ending
from tests.making_server import wav


def frame(finish: str | None = None, /, **delta: Any) -> str:
    choice: dict[str, Any] = {"index": 0, "delta": delta}
    if finish is not None:
        choice["finish_reason"] = finish
    return json.dumps({"id": "1", "model": "m", "choices": [choice]})


def contents(*pieces: Any) -> list[str]:
    return [frame(content=piece) for piece in pieces]


def answer_of(frames: Iterable[str], end: str = "[DONE]") -> Answer:
    answer = Answer("m", "e")
    grow(answer, [*frames, end])
    return answer


def grow(answer: Answer, frames: Iterable[str]) -> None:
    decoder = StreamDecoder()
    for data in frames:
        for event in decoder.decode(data):
            answer.apply(event)
    for event in decoder.flush():
        answer.apply(event)


def split(text: str, cuts: Iterable[int]) -> list[str]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[a:b] for a, b in pairwise(places)]


def test_captured_stream_without_object_field() -> None:
    frames = [
        '{"id":"2025","created":1,"model":"glm-4.6","choices":[{"index":0,"delta":'
        '{"role":"assistant","reasoning_content":"分析"}}]}',
        '{"id":"2025","choices":[{"index":0,"delta":{"role":"assistant","content":"\\n"}}]}',
        '{"id":"2025","choices":[{"index":0,"delta":{"content":"您好"}}]}',
        '{"id":"2025","choices":[{"index":0,"finish_reason":"stop","delta":{"content":""}}]}',
        '{"id":"2025","choices":[],"usage":{"completion_tokens":1024,"prompt_tokens":9,'
        '"total_tokens":1033,"prompt_tokens_details":{"cached_tokens":7}}}',
    ]
    answer = answer_of(frames)
    assert (answer.reasoning, answer.text) == ("分析", "\n您好")
    assert answer.usage == ev.Usage(9, 1024, 1033, cached_tokens=7)
    assert (answer.request_id, answer.finish_reason, answer.complete) == ("2025", "stop", True)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_in_a_field(name: str) -> None:
    answer = answer_of([frame(**{name: "Hm."}), frame(content="Yes."), frame("stop")])
    assert (answer.reasoning, answer.text) == ("Hm.", "Yes.")


TAGGED = [
    ("<think>\nHm.\n</think>\nYes.", "\nHm.\n", "\nYes."),
    ("\n<think>Hm.</think>Yes.", "Hm.", "Yes."),
    ("<think></think>Yes.", "", "Yes."),
    ("Hm.</think>Yes.", "Hm.", "Yes."),
    ("</think>Yes.", "", "Yes."),
    ("Hm.</think>Yes.</think>No.", "Hm.", "Yes.</think>No."),
    ("<think>a `</think>` b</think>Yes.", "a `</think>` b", "Yes."),
    ("The tag `</think>` ends it.", "", "The tag `</think>` ends it."),
    ("Write <think>x</think> so.", "", "Write <think>x</think> so."),
    ("Is a<b? 1 <", "", "Is a<b? 1 <"),
    ("Yes.</thin", "", "Yes.</thin"),
    ("<think>Hm.</thin", "Hm.</thin", ""),
    ("<thinking>", "", "<thinking>"),
    ("  ", "", "  "),
    ("<", "", "<"),
]


@pytest.mark.parametrize(("content", "reasoning", "text"), TAGGED)
@given(cuts=st.lists(st.integers(0, 100), max_size=6))
def test_reasoning_between_tags(content: str, reasoning: str, text: str, cuts: list[int]) -> None:
    answer = answer_of([*contents(*split(content, cuts)), frame("stop")])
    assert (answer.reasoning, answer.text) == (reasoning, text)


@given(
    content=st.lists(st.sampled_from([*"<`a\n", "think>", "</", "</think>", "<think>"])).map(
        "".join
    ),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
def test_chunks_do_not_matter(content: str, cuts: list[int]) -> None:
    whole = answer_of([*contents(content), frame("stop")])
    parts = answer_of([*contents(*split(content, cuts)), frame("stop")])
    assert (parts.reasoning, parts.text) == (whole.reasoning, whole.text)


@given(st.lists(st.text(st.sampled_from("ab<>/`thinkTHINK \n")), max_size=8))
def test_text_without_tags_arrives_as_it_is(pieces: list[str]) -> None:
    text = "".join(pieces)
    if "<think>" not in text and "</think>" not in text:
        answer = answer_of([*contents(*pieces), frame("stop")])
        assert (answer.text, answer.reasoning) == (text, "")


def test_closing_tag_is_text_where_reasoning_has_a_field() -> None:
    frames = [frame(reasoning_content="Hm."), *contents("It ends with </thi", "nk>.")]
    answer = answer_of([*frames, frame("stop")])
    assert (answer.reasoning, answer.text) == ("Hm.", "It ends with </think>.")


def test_content_as_parts_null_and_absent() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    frames = [*contents(parts, None), frame(role="assistant"), *contents("c"), frame("stop")]
    assert answer_of(frames).text == "abc"


def test_frames_that_say_nothing_do_no_harm() -> None:
    frames = ["", " ", "[1]", "7", "{}", '{"choices": null}', '{"choices": [null, {}]}']
    frames += ['{"choices": [{"delta": null}], "usage": null}', *contents("x"), frame("stop")]
    assert answer_of(frames).text == "x"


@pytest.mark.parametrize("name", ["content", "reasoning_content"])
def test_half_characters(name: str) -> None:
    halves = ["a\ud83d", "\ude00b", "\udc00c", "\ud83d", "d"]
    answer = answer_of(frame(**{name: half}) for half in halves)
    got = answer.text if name == "content" else answer.reasoning
    assert got == "a😀b\ufffdc\ufffdd"
    assert answer_of(contents("a\ud83d")).text == "a\ufffd"


def test_half_characters_in_calls_and_sources() -> None:
    call = {"id": "\udc00", "function": {"name": "f\ud800", "arguments": '"\ud800"'}}
    sources = json.dumps({"web_search": [{"title": "\ud800", "content": "\udc00"}]})
    answer = answer_of([frame(tool_calls=[call]), sources])
    json.dumps(answer.to_json(), ensure_ascii=False).encode()
    assert answer.tool_calls[0]["function"]["arguments"] == '"\ufffd"'


def test_message_in_place_of_delta() -> None:
    message = {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "id": "7"}
    answer = answer_of([json.dumps(body)], end="")
    assert (answer.text, answer.reasoning, answer.complete) == ("Yes.", "Hm.", True)


def usage(asked: int, given: int, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": asked, "completion_tokens": given, **more}


def test_last_usage_counts_wherever_it_comes() -> None:
    chunks = [json.loads(data) for data in [*contents("a", "b"), frame("stop")]]
    for count, chunk in enumerate(chunks):
        chunk["usage"] = usage(9, count)
    frames = [json.dumps(chunk) for chunk in chunks]
    assert answer_of(frames).usage == ev.Usage(9, 2, 11)
    details = {"completion_tokens_details": {"reasoning_tokens": 65}, "total_tokens": 90}
    last = {"choices": [], "usage": usage(20, 70, **details)}
    assert answer_of([*frames, json.dumps(last)]).usage == ev.Usage(20, 70, 90, 0, 65)


@pytest.mark.parametrize("odd", ["12", -1, None, 1.5, True, 10**30, [], {}])
def test_usage_that_is_no_number_counts_nothing(odd: Any) -> None:
    broken = {"choices": [], "usage": {**usage(9, odd), "prompt_tokens_details": odd}}
    assert answer_of([frame("stop"), json.dumps(broken)]).usage.prompt_tokens == 9


def call(index: Any, call_id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    made = {"id": call_id, "function": {"name": name, "arguments": arguments}, "index": index}
    return {key: value for key, value in made.items() if value is not None}


def calls(*deltas: dict[str, Any]) -> list[tuple[str | None, str, str]]:
    answer = answer_of([*(frame(tool_calls=[delta]) for delta in deltas), frame("tool_calls")])
    functions = [(made["id"], made["function"]) for made in answer.tool_calls]
    return [(call_id, function["name"], function["arguments"]) for call_id, function in functions]


ADD, SUB = ("A", "add", '{"a": 1}'), ("B", "sub", "{}")


@pytest.mark.parametrize("index", [-1, None])
def test_whole_calls_without_a_useful_index(index: int | None) -> None:
    assert calls(call(index, *ADD), call(index, *SUB)) == [ADD, SUB]


@pytest.mark.parametrize("index", [-1, None, 0, 3])
def test_call_in_pieces(index: int | None) -> None:
    pieces = [call(index, None, None, piece) for piece in ('{"a"', ": ", "1}")]
    assert calls(call(index, "A", "add", ""), *pieces) == [ADD]


def test_counted_calls_in_turns() -> None:
    first, second = call(0, "A", "add", '{"a"'), call(1, "B", "sub", "{")
    assert calls(first, second, call(0, None, None, ": 1}"), call(1, None, None, "}")) == [ADD, SUB]


def test_calls_that_share_an_index_are_told_apart_by_id() -> None:
    assert calls(call(0, *ADD), call(0, *SUB)) == [ADD, SUB]


def test_id_repeated_with_each_piece() -> None:
    assert calls(call(0, "A", "add", '{"a": '), call(0, "A", None, "1}")) == [ADD]


@pytest.mark.parametrize(("index", "name"), [(0, "add"), (0, None), (-1, None), (None, None)])
def test_a_new_id_with_each_piece_is_no_new_call(index: int | None, name: str | None) -> None:
    pieces = [call(index, f"A{n}", name, piece) for n, piece in enumerate(('{"a"', ": ", "1}"))]
    assert calls(call(index, "A", "add", ""), *pieces) == [ADD]


def test_calls_of_one_function_that_share_an_index_are_two() -> None:
    assert calls(call(0, *ADD), call(0, "B", "add", '{"a": 2}')) == [ADD, ("B", "add", '{"a": 2}')]


def test_arguments_as_an_object_and_calls_without_ids() -> None:
    made = calls(call(None, None, "add", {"a": 1}), call(None, None, "sub", {}))
    assert made == [(None, "add", '{"a": 1}'), (None, "sub", "{}")]


def test_sources_are_listed_once() -> None:
    page = {"title": "GLM", "link": "https://example.org/", "media": "x"}
    other = {"link": "https://example.org/2"}
    first = json.dumps({"choices": [], "web_search": [page, "odd"]})
    again = json.dumps({"choices": [], "web_search": [page, other]})
    assert answer_of([first, again, frame("stop")]).sources == [page, {**other, "title": ""}]


def test_frames_after_done_are_ignored() -> None:
    frames = [*contents("a"), frame("stop"), "[DONE]", '{"choices":[],"cost":"0"}', "nonsense"]
    assert answer_of(frames).text == "a"


def test_done_without_finish_reason_is_an_end() -> None:
    answer = answer_of(contents("a"))
    assert (answer.complete, answer.finish_reason) == (True, None)


@pytest.mark.parametrize("reason", ["length", "model_context_window_exceeded"])
def test_answer_cut_by_a_limit_is_not_complete(reason: str) -> None:
    answer = answer_of([*contents("a"), frame(reason)])
    assert (answer.finished, answer.complete, answer.finish_reason) == (True, False, reason)


def failure_of(frames: Iterable[str], kind: type[Exception]) -> tuple[Answer, Any]:
    answer = Answer("m", "e")
    with pytest.raises(kind) as caught:
        grow(answer, frames)
    assert not answer.complete
    return answer, caught.value


def test_end_without_an_end_is_incomplete_and_keeps_what_was_held_back() -> None:
    answer, error = failure_of(contents("abc</thi"), IncompleteError)
    assert answer.text == "abc</thi"
    assert error.retryable


def test_network_error_inside_the_service() -> None:
    frames = [*contents("abc"), frame("network_error", content=""), "[DONE]"]
    answer, error = failure_of(frames, IncompleteError)
    assert (answer.text, error.code, error.retryable) == ("abc", "network_error", True)


@pytest.mark.parametrize("reason", ["sensitive", "content_filter"])
def test_safety_filter(reason: str) -> None:
    answer, error = failure_of([*contents("abc"), frame(reason), "[DONE]"], RequestError)
    assert (answer.text, error.code, error.retryable) == ("abc", reason, False)
    assert "safety filter" in str(error)


def test_a_refusal_is_shown_and_is_no_whole_answer() -> None:
    pieces = [frame(content=None, refusal=piece) for piece in ("I cannot ", "help with that.")]
    answer = answer_of([*pieces, frame("stop"), "[DONE]"])
    assert (answer.text, answer.complete) == ("I cannot help with that.", False)
    answer.stop_clock()
    assert ending(answer) == "The model refused to answer."


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        ('{"error": {"code": "1305", "message": "busy"}}', BusyError, "1305"),
        ('{"error": {"code": 401, "message": "no"}}', AuthenticationError, "401"),
        ('{"code": 401, "msg": "no", "success": false}', AuthenticationError, "401"),
        ('{"error": "overloaded"}', RequestError, None),
    ],
)
def test_error_in_the_stream(data: str, kind: Any, code: str | None) -> None:
    answer, error = failure_of([*contents("abc"), data], kind)
    assert (answer.text, error.code) == ("abc", code)


def test_frame_that_is_not_json() -> None:
    _, error = failure_of(["\x1b[31m<html>"], NetworkError)
    assert "\x1b" not in str(error)


def spoken_frames(*pieces: str) -> list[str]:
    deltas = [{"choices": [{"delta": {"audio": {"data": piece}}}]} for piece in pieces]
    return [json.dumps(delta) for delta in [*deltas, {"choices": [{"finish_reason": "stop"}]}]]


def heard(frames: list[str]) -> list[ev.Event]:
    decoder = StreamDecoder()
    events = [event for frame in frames for event in decoder.decode(frame)]
    events += decoder.flush()
    return [event for event in events if isinstance(event, ev.AudioDelta | ev.Media)]


SAMPLES = bytes(range(256)) * 20
WAV = wav(SAMPLES)


def test_a_spoken_answer_in_one_message() -> None:
    message = {"content": "Hello.", "audio": {"id": "1", "data": b64encode(WAV).decode()}}
    frame = {"choices": [{"message": message, "finish_reason": "stop"}]}
    delta, media = heard([json.dumps(frame)])
    assert delta == ev.AudioDelta(SAMPLES, 24_000)
    assert media.data == WAV
    assert (media.mime, media.rate) == ("audio/wav", 24_000)
    assert media.seconds == len(SAMPLES) / 2 / 24_000


@pytest.mark.parametrize(
    "pieces",
    [
        [WAV],
        [wav(SAMPLES[:1000]), wav(SAMPLES[1000:])],  # each a file
        [SAMPLES[:1001], SAMPLES[1001:]],  # samples alone, cut in the middle of one
        [WAV[:1044], WAV[1044:]],  # one file in two parts
    ],
)
def test_a_spoken_answer_in_pieces(pieces: list[bytes]) -> None:
    *deltas, media = heard(spoken_frames(*(b64encode(piece).decode() for piece in pieces)))
    assert media.data == WAV
    assert b"".join(delta.data for delta in deltas) == SAMPLES


def test_a_spoken_answer_in_mp3() -> None:
    (media,) = heard(spoken_frames(b64encode(b"ID3 and so on").decode()))
    assert (media.mime, media.data) == ("audio/mpeg", b"ID3 and so on")


@pytest.mark.parametrize("audio", [None, 3, [], {}, {"data": None}, {"data": ""}, {"data": "a"}])
def test_no_sound_in_an_answer(audio: Any) -> None:
    frame = {"choices": [{"delta": {"content": "x", "audio": audio}, "finish_reason": "stop"}]}
    assert heard([json.dumps(frame)]) == []


def test_what_was_spoken_before_the_answer_broke_off_is_kept() -> None:
    decoder = StreamDecoder()
    for frame in spoken_frames(b64encode(WAV).decode())[:1]:
        decoder.decode(frame)
    (media,) = decoder.rest()
    assert media.data == WAV

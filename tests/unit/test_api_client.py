"""The client against a server on a real socket: sending, retrying, closing, what goes wrong."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glm_jupyter.answer import Answer
from glm_jupyter.api import events as ev
from glm_jupyter.api.client import Client
from glm_jupyter.api.endpoints import Endpoint, Secret, resolve
from glm_jupyter.api.errors import (
    AuthenticationError,
    BusyError,
    GLMError,
    IncompleteError,
    InputError,
    NetworkError,
    RequestError,
)
from glm_jupyter.api.network import unreachable
from glm_jupyter.api.request import ChatRequest
from tests.making_server import tone, wav
from tests.protocol_server import ProtocolServer, Reply

KEY = "id.very-secret"
ASKED = ChatRequest("glm-4.7", ({"role": "user", "content": "Why?"},))
BUSY = Reply(status=429, body={"error": {"code": "1302", "message": "slow down"}})


@pytest.fixture
def endpoint(server: ProtocolServer) -> Endpoint:
    server.key = KEY
    return resolve(None, {"ZAI_BASE_URL": server.url, "ZAI_API_KEY": KEY})


@pytest.fixture
def client() -> Client:
    return Client(pause=0.01)


async def answer_of(events: AsyncGenerator[ev.Event, None], answer: Answer | None = None) -> Answer:
    answer = answer or Answer("m", "e")
    async with aclosing(events):
        async for event in events:
            answer.apply(event)
    return answer


async def test_answer(server: ProtocolServer, endpoint: Endpoint, client: Client) -> None:
    server.enqueue(Reply("Because.", reasoning="Hm.", tool_calls=[{"name": "f", "arguments": {}}]))
    answer = await answer_of(client.stream(endpoint, ASKED))
    assert (answer.text, answer.reasoning, answer.complete) == ("Because.", "Hm.", True)
    assert answer.usage.total_tokens == 46
    assert answer.tool_calls[0]["function"] == {"name": "f", "arguments": "{}"}
    sent = server.requests[0]
    assert sent.json == ASKED.body("glm")
    assert sent.headers["accept-language"].startswith("en")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=12) | st.just("a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"),
    cuts=st.lists(st.integers(0, 2000), max_size=8),
    line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    inline=st.booleans(),
)
def test_any_chunks_of_bytes_give_the_same_answer(
    server: ProtocolServer,
    text: str,
    cuts: list[int],
    line_end: bytes,
    inline: bool,
) -> None:
    place = "inline" if inline else "reasoning"
    call = {"name": "f", "arguments": {"x": "∑"}}
    reply = Reply(text + ".", "因为", place, [call], chunk=3, cached_tokens=5)  # type: ignore[arg-type]
    body = b"".join(reply.frames("m")).replace(b"\n", line_end)
    places = sorted({0, len(body), *(cut % len(body) for cut in cuts)})
    pieces = [body[a:b] for a, b in pairwise(places)]
    server.enqueue(Reply(raw=[body]), Reply(raw=pieces))
    to = Endpoint("e", server.url)
    whole, cut = (asyncio.run(answer_of(Client().stream(to, ASKED))) for _ in range(2))
    assert cut.text == whole.text
    assert whole.text.endswith(text + ".")
    assert cut.reasoning == whole.reasoning
    assert "因为" in cut.reasoning
    assert cut.tool_calls == whole.tool_calls
    assert cut.usage == whole.usage
    assert cut.usage.cached_tokens == 5


async def test_last_frame_without_its_blank_line(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    body = b"".join(Reply("Because.", done=False).frames("m")).rstrip()
    server.enqueue(Reply(raw=[body]))
    assert (await answer_of(client.stream(endpoint, ASKED))).complete


async def test_server_that_does_not_stream(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    server.enqueue(Reply(body=Reply("Because.", reasoning="Hm.").whole("m")))
    answer = await answer_of(client.stream(endpoint, ASKED))
    assert (answer.text, answer.reasoning, answer.complete) == ("Because.", "Hm.", True)


async def test_busy_service_is_asked_again(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    server.enqueue(BUSY, Reply(status=500, body="oops"), Reply("Because."))
    events = [event async for event in client.stream(endpoint, ASKED)]
    waits = [event for event in events if isinstance(event, ev.Retrying)]
    assert len(waits) == 2
    assert "1302" in waits[0].reason
    assert events[:2] == waits
    assert isinstance(events[-1], ev.Finish)


async def test_three_tries_and_no_more(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    server.default = BUSY
    with pytest.raises(BusyError) as caught:
        await answer_of(client.stream(endpoint, ASKED))
    assert (caught.value.code, caught.value.status, caught.value.retryable) == ("1302", 429, True)
    assert len(server.requests) == 3


async def test_retry_after_is_respected(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    server.enqueue(Reply(status=429, body="", headers={"Retry-After": "0.25"}))
    first = await anext(client.stream(endpoint, ASKED))
    assert first == ev.Retrying(0.25, first.reason)  # type: ignore[union-attr]


async def test_service_that_wants_a_long_wait_is_not_waited_for(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    server.enqueue(Reply(status=429, body="", headers={"Retry-After": "3600"}))
    with pytest.raises(BusyError) as caught:
        await answer_of(client.stream(endpoint, ASKED))
    assert caught.value.retry_after == 3600
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(429, "1113", AuthenticationError), (400, "1211", RequestError), (401, "1002", GLMError)],
)
async def test_what_will_not_pass_is_not_retried(
    server: ProtocolServer, endpoint: Endpoint, client: Client, status: int, code: str, kind: Any
) -> None:
    server.enqueue(Reply(status=status, body={"error": {"code": code, "message": "no"}}))
    with pytest.raises(kind) as caught:
        await answer_of(client.stream(endpoint, ASKED))
    assert caught.value.code == code
    assert len(server.requests) == 1


@pytest.mark.parametrize("abrupt", [False, True])
async def test_broken_answer_keeps_its_part_and_is_not_retried(
    server: ProtocolServer, endpoint: Endpoint, client: Client, abrupt: bool
) -> None:
    server.enqueue(Reply("abcdefgh", chunk=4, cut_after=2, abrupt=abrupt))
    answer = Answer("m", "e")
    with pytest.raises(IncompleteError):
        await answer_of(client.stream(endpoint, ASKED), answer)
    assert answer.text == "abcdefgh"
    assert len(server.requests) == 1


@pytest.mark.parametrize("abrupt", [False, True])
async def test_answer_that_breaks_before_its_text_is_asked_for_again(
    server: ProtocolServer, endpoint: Endpoint, client: Client, abrupt: bool
) -> None:
    server.enqueue(Reply("a", cut_after=0, abrupt=abrupt), Reply("Because."))
    assert (await answer_of(client.stream(endpoint, ASKED))).text == "Because."


async def test_broken_connection_after_the_end_does_no_harm(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    server.enqueue(Reply("ab", chunk=2, cut_after=2, abrupt=True))
    assert (await answer_of(client.stream(endpoint, ASKED))).complete


async def test_error_in_the_stream_before_text_is_retried_and_after_it_is_not(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    overloaded = {"code": "1305", "message": "busy"}
    server.enqueue(Reply("", error=overloaded), Reply("abc", error=overloaded))
    answer = Answer("m", "e")
    with pytest.raises(BusyError, match=r"127\.0\.0\.1:\d+: .*1305"):
        await answer_of(client.stream(endpoint, ASKED), answer)
    assert answer.text == "abc"
    assert len(server.requests) == 2


async def test_a_server_of_ones_own_that_wants_a_key_is_told_how_to_get_it(
    server: ProtocolServer, client: Client
) -> None:
    server.key = KEY
    with pytest.raises(AuthenticationError, match="wants a key") as caught:
        await answer_of(client.stream(resolve(server.url, {"ZAI_API_KEY": KEY}), ASKED))
    assert f"`%glm login -e {server.url}`" in caught.value.remedy
    assert "z.ai" not in caught.value.remedy
    assert "authorization" not in server.requests[0].headers


async def test_a_byte_order_mark_at_the_head_of_a_stream_is_no_part_of_it(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    server.enqueue(Reply(raw=[b"\xef\xbb\xbf", *Reply("Because.").frames("m")]))
    assert (await answer_of(client.stream(endpoint, ASKED))).text == "Because."


async def test_failure_inside_the_service_before_text_is_retried(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    server.enqueue(Reply("", finish_reason="network_error"), Reply("Because."))
    assert (await answer_of(client.stream(endpoint, ASKED))).text == "Because."


async def test_text_that_is_not_json_breaks_off_what_had_begun(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    frame = b'data: {"choices": [{"delta": {"content": "abc</th"}}]}\n\n'
    server.enqueue(Reply(raw=[frame, b"data: <html>\n\n"]))
    answer = Answer("m", "e")
    with pytest.raises(IncompleteError, match="not JSON"):
        await answer_of(client.stream(endpoint, ASKED), answer)
    assert answer.text == "abc</th"


async def held(server: ProtocolServer, endpoint: Endpoint, client: Client) -> Any:
    server.enqueue(Reply("abcdefgh", chunk=1, hold=threading.Event(), hold_after=2))
    events = client.stream(endpoint, ASKED)
    async for event in events:
        if isinstance(event, ev.TextDelta):
            return events
    raise AssertionError("no text came")


async def gone(server: ProtocolServer) -> bool:
    ended = await asyncio.to_thread(server.requests[-1].ended.wait, 10)
    return ended and server.requests[-1].aborted


async def test_closing_the_stream_closes_the_connection(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    events = await held(server, endpoint, client)
    await events.aclose()
    assert await gone(server)


async def test_cancelling_closes_the_connection(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    events = await held(server, endpoint, client)
    await anext(events)
    waiting = asyncio.create_task(anext(events))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await gone(server)


async def test_cancelling_before_the_first_byte_closes_the_connection(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    server.enqueue(Reply(delay=30))
    waiting = asyncio.create_task(anext(client.stream(endpoint, ASKED)))
    while not server.requests:
        await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await gone(server)
    assert len(server.requests) == 1


async def test_redirects_are_not_followed(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    server.default = Reply(status=307, body="", headers={"Location": server.root + "/elsewhere"})
    with pytest.raises(NetworkError, match="redirect"):
        await answer_of(client.stream(endpoint, ASKED))
    assert all(request.path.startswith("/api/") for request in server.requests)


@pytest.mark.parametrize("status", [200, 404])
async def test_web_page_where_an_answer_was_expected(
    server: ProtocolServer, endpoint: Endpoint, client: Client, status: int
) -> None:
    page = "<!DOCTYPE html><script>alert(1)</script>"
    server.default = Reply(status=status, body=page, headers={"Content-Type": "text/html"})
    with pytest.raises(NetworkError) as caught:
        await answer_of(client.stream(endpoint, ASKED))
    assert server.url in str(caught.value)
    assert "script" not in str(caught.value)
    assert "base URL" in caught.value.remedy


@pytest.fixture
def free_port() -> Iterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]  # bound, but nothing listens


async def test_nothing_listens(client: Client, free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}/v1"
    with pytest.raises(NetworkError, match="nothing answers") as caught:
        await answer_of(client.stream(Endpoint(url, url), ASKED))
    assert url in str(caught.value)


async def test_name_that_does_not_resolve(client: Client) -> None:
    url = "http://no-such-host.invalid/v1"
    with pytest.raises(NetworkError, match=r"no-such-host\.invalid was not found") as caught:
        await answer_of(client.stream(Endpoint(url, url), ASKED))
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("error", "says", "retryable"),
    [
        (httpx.ConnectTimeout("t"), "within the time", True),
        (httpx.ReadTimeout("t"), "silent for too long", False),
        (httpx.ProxyError("t"), "proxy", False),
        (httpx.RemoteProtocolError("Server disconnected without a response."), "broke", True),
        (httpx.RemoteProtocolError("illegal status line: b'SSH'"), "does not speak HTTP", False),
    ],
)
def test_other_ways_to_fail(error: httpx.HTTPError, says: str, retryable: bool) -> None:
    told = unreachable(error, "https://host/v1")
    assert says in str(told)
    assert "https://host/v1" in str(told)
    assert told.retryable is retryable
    assert told.remedy


async def test_tls_asked_of_a_server_without_it(server: ProtocolServer, client: Client) -> None:
    url = server.url.replace("http://", "https://")
    with pytest.raises(NetworkError, match="TLS"):
        await answer_of(client.stream(Endpoint(url, url), ASKED))


@pytest.mark.parametrize("url", ["http://a..b/v1", "http://*/v1"])
async def test_host_that_cannot_be_one(client: Client, url: str) -> None:
    with pytest.raises(GLMError) as caught:
        await answer_of(client.stream(Endpoint(url, url), ASKED))
    assert isinstance(caught.value, InputError | NetworkError)


async def test_proxy_that_cannot_be_used(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "nonsense://user:password@127.0.0.1")
    with pytest.raises(NetworkError, match="proxy that ALL_PROXY names cannot") as caught:
        await answer_of(client.stream(Endpoint("e", "http://example.invalid/v1"), ASKED))
    assert "password" not in str(caught.value)


async def test_a_proxy_that_does_not_answer_is_named(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:password@127.0.0.1:9")
    with pytest.raises(NetworkError, match="proxy that HTTP_PROXY names does not") as caught:
        await answer_of(client.stream(Endpoint("e", "http://example.invalid/v1"), ASKED))
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    "no_proxy", ["::1,fd00::/8", "[::1]", "10.0.0.0/8,", "fe80::/10, localhost", "*.a.b:x:y"]
)
async def test_any_no_proxy_is_read(
    server: ProtocolServer,
    endpoint: Endpoint,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    no_proxy: str,
) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/api/paas/v4"))
    there = Endpoint("e", "http://198.51.100.7/api/paas/v4", key=endpoint.key)
    assert (await answer_of(client.stream(there, ASKED))).complete  # from the proxy


async def test_this_machine_is_not_reached_through_a_proxy(
    server: ProtocolServer, endpoint: Endpoint, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert (await answer_of(client.stream(endpoint, ASKED))).complete


async def test_key_is_in_no_error(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    server.enqueue(Reply(status=401, body={"error": {"code": "1002", "message": f"bad {KEY}"}}))
    with pytest.raises(AuthenticationError) as caught:
        await answer_of(client.stream(endpoint, ASKED))
    shown = [*caught.value._render_traceback_(), repr(caught.value), repr(endpoint)]
    assert not any("very-secret" in text for text in shown)


async def test_key_is_in_no_stream_that_quotes_it(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    server.enqueue(Reply(text=f"You sent {KEY}.", chunk=100))
    assert (await answer_of(client.stream(endpoint, ASKED))).text == "You sent (the key)."
    server.enqueue(Reply(text="", error={"code": "1002", "message": f"bad {KEY}"}))
    with pytest.raises(AuthenticationError, match=r"bad \(the key\)"):
        await answer_of(client.stream(endpoint, ASKED))


@pytest.mark.parametrize("chunk", [1, 2, 5, 9])
async def test_key_is_in_no_stream_that_quotes_it_in_pieces(
    server: ProtocolServer, endpoint: Endpoint, client: Client, chunk: int
) -> None:
    quote, shown = f"id.{KEY}, {KEY} and id.v", "id.(the key), (the key) and id.v"
    call = {"name": "f", "arguments": quote}
    server.enqueue(Reply(quote, reasoning=quote, tool_calls=[call], tool_stream=True, chunk=chunk))
    answer = await answer_of(client.stream(endpoint, ASKED))
    assert (answer.reasoning, answer.text) == (shown, shown)
    assert answer.tool_calls[0]["function"] == {"name": "f", "arguments": shown}


ESCAPED = (
    "".join(f"\\u{ord(character):04X}" for character in KEY),
    "".join(f"\\\\u{ord(character):04x}" for character in KEY),
    "".join(f"%{ord(character):02x}" for character in KEY),
    KEY.replace(".", "%252E").replace("-", "\\-"),
)


@pytest.mark.parametrize("escaped", ESCAPED)
@pytest.mark.parametrize("chunk", [1, 3, 500])
async def test_an_escaped_key_is_hidden_too(
    server: ProtocolServer, endpoint: Endpoint, client: Client, escaped: str, chunk: int
) -> None:
    server.enqueue(Reply(f"50% of C:\\id, {escaped}, \\", chunk=chunk))
    answer = await answer_of(client.stream(endpoint, ASKED))
    assert answer.text == "50% of C:\\id, (the key), \\"
    body = {"error": {"code": "1002", "message": f"bad {escaped}"}}
    server.enqueue(Reply(status=401, body=body))
    with pytest.raises(AuthenticationError, match=r"bad \(the key\)\s"):
        await answer_of(client.stream(endpoint, ASKED))


async def test_what_might_have_become_the_key_is_not_lost(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    server.enqueue(Reply("The id.v", finish_reason=None, done=False))
    answer = Answer("m", "e")
    with pytest.raises(IncompleteError):
        await answer_of(client.stream(endpoint, ASKED), answer)
    assert answer.text == "The id.v"


async def test_a_key_that_is_a_word_stays_in_the_answer(
    server: ProtocolServer, client: Client
) -> None:
    own = Endpoint("own", server.url, key=Secret("a"))
    server.enqueue(Reply(text="a matrix"))
    assert (await answer_of(client.stream(own, ASKED))).text == "a matrix"


async def test_no_key_no_header(server: ProtocolServer, client: Client) -> None:
    await answer_of(client.stream(Endpoint("e", server.url), ASKED))
    assert "authorization" not in server.requests[0].headers


async def test_models(server: ProtocolServer, endpoint: Endpoint, client: Client) -> None:
    assert await client.models(endpoint) == ["glm-4.7", "glm-4.7-flash"]
    server.key = "another"
    with pytest.raises(AuthenticationError):
        await client.models(endpoint)


async def test_request_that_no_model_takes_is_not_sent(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    asked = ChatRequest("m", ASKED.messages, temperature=9)
    with pytest.raises(InputError):
        await answer_of(client.stream(endpoint, asked))
    assert server.requests == []


def test_one_client_serves_several_loops(server: ProtocolServer) -> None:
    client, to = Client(), Endpoint("e", server.url)
    for _ in range(2):
        assert asyncio.run(answer_of(client.stream(to, ASKED))).text == "Hello."


@pytest.mark.parametrize("text", ["协方差 😀", "half a pair \ud83d", "a\x00b\u2028c"])
async def test_any_prompt_can_be_sent(server: ProtocolServer, client: Client, text: str) -> None:
    asked = ChatRequest("m", ({"role": "user", "content": text},))
    await answer_of(client.stream(Endpoint("e", server.url), asked))
    assert server.requests[0].json["messages"][0]["content"] == text


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_the_places_in_a_queue_come_as_they_are_told(
    server: ProtocolServer, endpoint: Endpoint, client: Client, size: int
) -> None:
    stream = b": queue 12\n\n: queue 3\n\n" + b"".join(Reply("Hi.").frames("glm-4.7"))
    pieces = [stream[n : n + size] for n in range(0, len(stream), size)]
    server.enqueue(Reply(raw=pieces))
    answer, places = Answer("m", "e"), []
    async for event in client.stream(endpoint, ASKED):
        answer.apply(event)
        if isinstance(event, ev.Queued):
            places.append(event.place)
            assert not answer.begun
    assert places == [12, 3]
    assert answer.text == "Hi."


@pytest.mark.parametrize("comment", [b": queue up\n\n", b": quiet\n\n", b": queue 3", b":\n\n"])
async def test_other_comments_are_none(
    server: ProtocolServer, endpoint: Endpoint, client: Client, comment: bytes
) -> None:
    server.enqueue(Reply(raw=[comment, b"\n", *Reply("Hi.").frames("glm-4.7")]))
    answer = await answer_of(client.stream(endpoint, ASKED))
    assert answer.text == "Hi."


async def test_who_stops_waiting_in_a_queue_closes_the_connection(
    server: ProtocolServer, endpoint: Endpoint, client: Client
) -> None:
    hold = threading.Event()
    server.enqueue(Reply(raw=[b": queue 3\n\n", b": queue 2\n\n"], hold=hold))
    events = client.stream(endpoint, ASKED)
    assert await anext(events) == ev.Queued(3)
    await events.aclose()
    (request,) = server.requests
    assert await asyncio.to_thread(request.ended.wait, 30)
    assert request.aborted


@pytest.mark.parametrize("cut_after", [None, 3])
async def test_a_spoken_answer(
    server: ProtocolServer, endpoint: Endpoint, client: Client, cut_after: int | None
) -> None:
    server.enqueue(Reply("Hi.", spoken=[wav(tone(0.1)), tone(0.1)], cut_after=cut_after))
    events: list[ev.Event] = []
    try:
        async for event in client.stream(endpoint, ASKED):
            events.append(event)
    except IncompleteError:
        assert cut_after is not None
    (made,) = [event for event in events if isinstance(event, ev.Media)]
    assert made.data == wav(tone(0.1) + tone(0.1))

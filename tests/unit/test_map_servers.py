"""A map over several servers of one's own: who is asked, and what happens when one fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import glm_jupyter as glm
from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.mapping import MapStopped, amap
from glm_jupyter.mapping import scheduler as dispatch
from glm_jupyter.mapping import servers as pool
from glm_jupyter.mapping.servers import Servers
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.session import Session
from tests.protocol_server import ProtocolServer, Reply, Request

BUSY = Reply(status=503, body={"error": {"message": "loading"}})
MODEL = "glm-4-9b-0414"


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch, session: Session) -> Iterator[list[ProtocolServer]]:
    """Three servers, which answer with the question, and an empty cache."""
    monkeypatch.setattr(dispatch, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(sessions, "_current", session)
    with ExitStack() as stack:
        found = [stack.enter_context(ProtocolServer()) for _ in range(3)]
        for server in found:
            server.respond = echo
        yield found


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def echo(request: Request) -> Reply:
    return Reply(text=f"re {request.json['messages'][-1]['content']}")


def urls(servers: list[ProtocolServer]) -> list[str]:
    return [f"{server.root}/v1" for server in servers]


def test_each_answers_its_share(three: list[ProtocolServer]) -> None:
    together = threading.Barrier(3, timeout=30)

    def respond(request: Request) -> Reply:
        together.wait()  # one of them alone would wait for ever
        return echo(request)

    for server in three:
        server.respond = respond
    answers = glm.map([f"{n}" for n in range(12)], model=MODEL, endpoint=urls(three), concurrency=3)
    assert answers.text == [f"re {n}" for n in range(12)]
    assert [len(server.chats) for server in three] == [4, 4, 4]
    assert {answer.endpoint for answer in answers} == set(urls(three))


def test_what_is_kept_counts_whoever_answered_and_whatever_the_order(
    three: list[ProtocolServer],
) -> None:
    items = ["a", "b", "c", "d"]
    glm.map(items, model=MODEL, endpoint=urls(three))
    glm.map(items, model=MODEL, endpoint=urls(three)[::-1])
    assert sum(len(server.chats) for server in three) == len(items)


async def test_one_that_fails_in_the_middle_is_left_out(three: list[ProtocolServer]) -> None:
    broken = three[0]
    items = [f"{n}" for n in range(60)]
    texts = {}
    async for result in amap(items, model=MODEL, endpoint=urls(three), concurrency=6):
        texts[result.position] = result.answer and result.answer.text
        if len(texts) == 20:
            broken.respond = lambda request: Reply(text="half", cut_after=0, abrupt=True)
            asked = len(broken.chats)
    assert texts == {n: f"re {n}" for n in range(60)}
    # What was in flight or on the way there, and nothing of the rest.
    assert len(broken.chats) - asked <= 6


def test_after_a_while_it_is_tried_with_one_request() -> None:
    now = 0.0
    servers = Servers(["http://a/v1", "http://b/v1"], clock=lambda: now)

    def fail() -> None:
        with pytest.raises(GLMError) as failed, servers.one():
            raise GLMError("It broke.", retryable=True)
        assert failed.value.retryable

    fail()
    with servers.one() as first, servers.one() as second:
        assert first.name == second.name == "http://b/v1"
        now = pool.LEFT_OUT
        with servers.one() as tried, servers.one() as other:
            assert (tried.name, other.name) == ("http://a/v1", "http://b/v1")
    with servers.one() as one, servers.one() as two:
        assert {one.name, two.name} == {"http://a/v1", "http://b/v1"}


def test_where_all_fail_the_map_says_so(
    three: list[ProtocolServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "TRIES", 2)
    for server in three:
        server.respond = lambda request: BUSY
    with pytest.raises(MapStopped, match="503"):
        glm.map(["a"], model=MODEL, endpoint=urls(three))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"endpoint": []}, "is empty"),
        ({"endpoint": ["http://a/v1", "zai"]}, "'zai' is not the base URL"),
        ({"endpoint": ["http://a/v1", "https://api.z.ai/api/paas/v4"]}, "is the service zai"),
        ({"endpoint": ["http://a/v1"], "batch": True}, "take no batches"),
    ],
)
def test_what_is_no_list_of_servers(three: list[ProtocolServer], options: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        glm.map(["a"], model=MODEL, **options)

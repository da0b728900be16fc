"""Structured answers in a real kernel: what is asked for, checked, repaired and shown."""

from __future__ import annotations

import json

import pytest

from tests.kernels import VENDOR, Kernel
from tests.protocol_server import ProtocolServer, Reply

KINDS = """
from dataclasses import dataclass
from typing import TypedDict
from pydantic import BaseModel

class Person(BaseModel):
    name: str
    age: int
    likes: list[str] = []

@dataclass
class Place:
    town: str

class Pair(TypedDict):
    a: int
    b: int

document = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
"""
ADA = '{"name": "Ada <script>", "age": 36, "likes": ["$5", "$6"]}'


@pytest.fixture
def ready(running: Kernel) -> Kernel:
    assert running.run(KINDS).ok
    return running


def test_the_services_are_asked_for_json_and_told_the_schema(ready: Kernel, server) -> None:
    server.enqueue(Reply(ADA))
    run = ready.run("%%glm -m glm-4.7 -s Short. --schema Person\nWho was she?")
    assert run.ok, run.error
    sent = server.chats[0].json
    assert sent["response_format"] == {"type": "json_object"}
    told = sent["messages"][0]["content"]
    assert told.startswith("Short.")
    assert '"required": ["name", "age"]' in told
    assert ready.value("_glm.parsed") == "name='Ada <script>' age=36 likes=['$5', '$6']"
    shown = run.bundle["text/markdown"]
    assert "- **age**: 36" in shown
    assert "<script>" not in shown
    assert "$" not in shown.replace("<span>&#36;</span>", "")
    assert "age: 36" in run.bundle["text/plain"]
    assert run.bundle[VENDOR]["text"] == ADA
    first, *_, end = run.bundle[VENDOR]["blocks"]["text"]
    assert "- **age**: 36" in shown[first:end]


@pytest.mark.parametrize(
    ("schema", "text", "parsed"),
    [
        ("Place", '```json\n{"town": "Kyoto"}\n```', "Place(town='Kyoto')"),
        ("Pair", 'Here: {"a": "1", "b": 2}', "{'a': 1, 'b': 2}"),
        ("document", '{"n": 3}', "{'n': 3}"),
        ("list[Pair]", '{"value": [{"a": 1, "b": 2}]}', "[{'a': 1, 'b': 2}]"),
        ("int", "7", "7"),
    ],
)
def test_kinds_of_schema(ready: Kernel, server, schema, text, parsed) -> None:
    server.enqueue(Reply(text))
    run = ready.run(f"%%glm -m glm-4.7 --schema {schema}\nGo")
    assert run.ok, run.error
    assert ready.value("_glm.parsed") == parsed


def test_a_list_of_models_is_a_table(ready: Kernel, server) -> None:
    people = [{"name": "Ada", "age": 36}, {"name": "Emmy", "age": 53, "likes": ["rings", "cats"]}]
    server.enqueue(Reply(json.dumps({"value": people})))
    run = ready.run("%%glm -m glm-4.7 --schema list[Person]\nWho?")
    assert "| 1 | Emmy | 53 | rings, cats |" in run.bundle["text/markdown"]
    assert "1  Emmy   53  rings, cats" in run.bundle["text/plain"]


def test_an_answer_that_does_not_fit_is_asked_for_again_once(ready: Kernel, server) -> None:
    server.enqueue(Reply('{"name": "Ada"}'), Reply(ADA))
    run = ready.run("%%glm -m glm-4.7 --schema Person\nWho was she?", cell_id="a")
    assert run.ok, run.error
    *_, bad, complaint = server.chats[1].json["messages"]
    assert bad == {"role": "assistant", "content": '{"name": "Ada"}'}
    assert "age: Field required" in complaint["content"]
    assert run.bundle[VENDOR]["text"] == ADA
    assert run.bundle[VENDOR]["usage"]["total_tokens"] == 2 * 46
    ready.run("%%glm -m glm-4.7 -c\nAnd who else?", cell_id="b")
    roles = [message["role"] for message in server.chats[2].json["messages"]]
    assert roles == ["user", "assistant", "user"]


def test_after_one_repair_it_is_an_error_that_keeps_the_text(ready: Kernel, server) -> None:
    server.enqueue(Reply('{"name": "Ada"}'), Reply("I <b>cannot</b>."))
    run = ready.run("%%glm -m glm-4.7 --schema Person\nWho was she?")
    assert not run.ok
    assert "does not fit Person" in run.error
    assert "Traceback" not in run.error
    assert ready.value("(_glm.text, _glm.parsed)") == "('I <b>cannot</b>.', None)"
    assert "cannot" in run.bundle["text/markdown"]
    assert len(server.chats) == 2


def test_a_cut_off_value_is_no_value(ready: Kernel, server) -> None:
    server.enqueue(Reply('{"name": "Ad', finish_reason="length"))
    run = ready.run("%%glm -m glm-4.7 --schema Person\nWho was she?")
    assert not run.ok
    assert "--max-tokens" in run.error
    assert len(server.chats) == 1


def test_servers_of_ones_own_are_given_the_schema_to_enforce(ready: Kernel) -> None:
    with ProtocolServer() as own:
        own.enqueue(Reply(ADA))
        run = ready.run(f"%%glm -e {own.url} -m my-glm --schema Person\nWho?")
        assert run.ok, run.error
        form = own.chats[0].json["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"]["required"] == ["name", "age"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--schema Persn", "Did you mean `Person`"),
        ("--schema 3", "cannot be the schema"),
        ("-m glm-4.6v --schema Person", "be held to JSON"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(ready, server, line, said) -> None:
    run = ready.run(f"%%glm {line}\nGo")
    assert not run.ok
    assert said in run.error
    assert server.chats == []


def test_a_schema_after_function_calls(ready: Kernel, server) -> None:
    ready.run("def age() -> int:\n    'Her age.'\n    return 36")
    called = [{"name": "age", "arguments": {}}]
    server.enqueue(Reply("", tool_calls=called, finish_reason="tool_calls"), Reply(ADA))
    run = ready.run("%%glm -m glm-4.7 --schema Person --tools age\nWho was she?")
    assert run.ok, run.error
    assert ready.value("_glm.parsed.age") == "36"

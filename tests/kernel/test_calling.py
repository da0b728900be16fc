"""Function calling in a real kernel: what is called, sent back, shown, and never called."""

from __future__ import annotations

import json
import threading

import pytest

from tests.kernels import VENDOR, WRAPPERS, Kernel
from tests.protocol_server import Reply

FUNCTIONS = '''
import asyncio, os, time

def add(a: int, b: int = 1) -> int:
    """Add two whole numbers."""
    calls.append(("add", a, b))
    return a + b

async def later(name: str) -> dict:
    """Greet somebody after a moment."""
    await asyncio.sleep(0.01)
    return {"greeting": f"Hello, {name}"}

def fails():
    """Never works."""
    raise ValueError("no such row")

def slow():
    """Takes long."""
    time.sleep(60)

def slowly():
    """Takes long, one by one."""
    while True:
        time.sleep(0.05)
        yield 1

def environment() -> str:
    """All of the environment."""
    return str(dict(os.environ))

calls = []
'''


def call(name: str, arguments, **more) -> dict:
    return {"name": name, "arguments": arguments, **more}


def asks_for(*calls: dict, **more) -> Reply:
    return Reply("", tool_calls=list(calls), finish_reason="tool_calls", **more)


@pytest.fixture
def ready(running: Kernel) -> Kernel:
    assert running.run(FUNCTIONS).ok
    return running


def messages(server, number: int) -> list[dict]:
    return server.chats[number].json["messages"]


def test_a_call_is_made_and_its_result_sent_back(ready: Kernel, server) -> None:
    server.enqueue(
        asks_for(call("add", {"a": 365, "b": 96}, id="call_7"), reasoning="Let me add."),
        Reply("It is 461."),
    )
    run = ready.run("%%glm -m glm-4.7 --tools add\nWhat is 365 + 96?")
    assert run.ok, run.error
    (tool,) = server.chats[0].json["tools"]
    assert tool["type"] == "function"
    assert tool["function"]["name"] == "add"
    assert tool["function"]["description"] == "Add two whole numbers."
    parameters = tool["function"]["parameters"]
    assert parameters["required"] == ["a"]
    assert parameters["properties"] == {"a": {"type": "integer"}, "b": {"type": "integer"}}
    question, assistant, result = messages(server, 1)
    assert question["content"] == "What is 365 + 96?"
    assert assistant["reasoning_content"] == "Let me add."
    (made,) = assistant["tool_calls"]
    assert (made["id"], made["type"], made["function"]["name"]) == ("call_7", "function", "add")
    assert json.loads(made["function"]["arguments"]) == {"a": 365, "b": 96}
    assert result == {"role": "tool", "tool_call_id": "call_7", "content": "461"}
    assert ready.value("calls") == "[('add', 365, 96)]"
    assert run.bundle[VENDOR]["text"] == "It is 461."
    assert run.bundle[VENDOR]["tool_calls"][0]["result"] == "461"
    shown = run.bundle["text/markdown"]
    assert shown.index("add(a=365, b=96)") < shown.index("It is 461.")
    assert "461" in run.bundle["text/plain"]


def test_a_call_in_the_wrapping_of_a_gateway_is_made_and_sent_back_plain(
    ready: Kernel, server
) -> None:
    twice = '{"a": "[1]", "b": 2}' * 2
    server.enqueue(asks_for(call("add", twice), call("partly", "null")), Reply("Done."))
    ready.run("import functools\npartly = functools.partial(add, a=40)")
    run = ready.run("%%glm -m glm-4.7 --tools add,partly\nAdd.")
    assert run.ok, run.error
    _, assistant, failed, result = messages(server, 1)
    written = [made["function"]["arguments"] for made in assistant["tool_calls"]]
    assert written == ['{"a": "[1]", "b": 2}', "{}"]
    assert "a: Input should be a valid integer" in failed["content"]
    assert result["content"] == "41"


def test_tokens_and_cost_are_sums_of_requests_priced_one_by_one(ready: Kernel, server) -> None:
    # Of glm-4.7 an answer below 200 tokens is cheaper: 2 and 8, not 3 and 14 RMB per million.
    server.enqueue(
        asks_for(call("add", {"a": 1}), prompt_tokens=1000, completion_tokens=100),
        Reply("Two.", prompt_tokens=1200, completion_tokens=150),
    )
    run = ready.run("%%glm -m glm-4.7 --tools add\nWhat is 1 + 1?")
    vendor = run.bundle[VENDOR]
    assert vendor["usage"]["prompt_tokens"] == 2200
    assert vendor["usage"]["completion_tokens"] == 250
    assert float(vendor["cost"]) == pytest.approx((2200 * 2 + 250 * 8) / 1e6)
    ready.run("import glm_jupyter as glm")
    assert ready.value("len(glm.usage())") == "2"
    assert float(ready.value("glm.session.spent['RMB']")) == pytest.approx(0.0064)


def test_several_calls_in_one_turn_and_in_several_rounds(ready: Kernel, server) -> None:
    server.enqueue(
        asks_for(
            call("add", {"a": 1, "b": 2}, id="x"),
            call("later", {"name": "Ada"}, id="y"),
            tool_stream=True,
        ),
        asks_for(call("add", {"a": 3}, id="z")),
        Reply("Done."),
    )
    run = ready.run("%%glm -m glm-4.7 --tools add,later\nGo")
    assert run.ok, run.error
    results = [
        (m["tool_call_id"], m["content"]) for m in messages(server, 2) if m["role"] == "tool"
    ]
    assert results == [("x", "3"), ("y", '{"greeting":"Hello, Ada"}'), ("z", "4")]
    names = [c["function"]["name"] for c in run.bundle[VENDOR]["tool_calls"]]
    assert names == ["add", "later", "add"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (call("fails", {}), "ValueError: no such row"),
        (call("add", {"a": "many"}), "a: Input should be a valid integer"),
        (call("add", {"a": 1, "z": 2}), "z: Extra inputs"),
        (call("add", '{"a": 1'), "not JSON"),
        (call("environment", {}), "no function environment"),
        (call("__import__", {"name": "os"}), "no function __import__"),
    ],
)
def test_what_goes_wrong_is_told_to_the_model_and_shown(ready, server, asked, told) -> None:
    server.enqueue(asks_for(asked), Reply("I see."))
    run = ready.run("%%glm -m glm-4.7 --tools add,fails\nGo")
    assert run.ok, run.error
    assert told in messages(server, 1)[-1]["content"]
    assert "failed" in run.bundle["text/markdown"]
    assert ready.value("calls") == "[]"


def test_secrets_of_the_environment_stay_here(ready: Kernel, server, env) -> None:
    server.enqueue(asks_for(call("environment", {})), Reply("I see."))
    run = ready.run("%%glm -m glm-4.7 --tools environment\nGo")
    assert run.ok, run.error
    assert "ZAI_BASE_URL" in messages(server, 1)[-1]["content"]
    for text in (server.chats[1].body.decode(), json.dumps(run.messages, default=str)):
        assert env["ZAI_API_KEY"] not in text


def test_a_model_that_only_calls_is_stopped(ready: Kernel, server) -> None:
    server.default = asks_for(call("add", {"a": 1}))
    run = ready.run("%%glm -m glm-4.7 --tools add\nGo")
    assert not run.ok
    assert "12 times" in run.error
    assert len(server.chats) == 12
    assert "add(a=1)" in run.bundle["text/markdown"]
    assert run.bundle[VENDOR]["complete"] is False


@pytest.mark.parametrize(
    ("wrapper", "name"), [*((wrapper, "slow") for wrapper in WRAPPERS), ("", "slowly")]
)
def test_an_interrupt_reaches_a_function_that_computes(
    ready: Kernel, server, wrapper, name
) -> None:
    server.enqueue(asks_for(call(name, {})), Reply("Never sent."))
    interrupted = threading.Event()

    def watch(message) -> None:
        shown = message["content"].get("data", {}).get("text/markdown", "")
        if f"{name}()" in shown and not interrupted.is_set():
            interrupted.set()
            threading.Timer(0.3, ready.manager.interrupt_kernel).start()

    cell = f"{wrapper}%%glm -m glm-4.7 --tools {name}\nGo"
    run = ready.run(cell, on_message=watch, timeout=30)
    assert interrupted.is_set()
    assert not run.ok
    assert "Stopped" in run.error
    assert run.bundle[VENDOR]["complete"] is False
    assert len(server.chats) == 1
    assert ready.value("1 + 1") == "2"


def test_long_arguments_reach_the_page_once_not_at_every_piece(ready: Kernel, server) -> None:
    name = "glm-jupyter.answer"
    session = ready.client.session
    hello = {"comm_id": name, "data": {"type": "hello"}}
    ready.client.shell_channel.send(session.msg("comm_msg", hello))
    given = {"name": "lorem ipsum " * 1000}
    server.enqueue(
        asks_for(call("later", given), tool_stream=True, tool_index=None, chunk=120, pause=0.02),
        Reply("Done."),
    )
    run = ready.run("%%glm -m glm-4.7 --tools later\nGo")
    assert run.ok, run.error
    told = [m["content"]["data"] for m in run.messages if m["msg_type"] == "comm_msg"]
    assert told
    assert len(json.dumps(told)) < 6 * len(given["name"])


def test_a_dry_run_shows_functions_and_calls_and_tells_of_further_requests(
    ready: Kernel, server
) -> None:
    run = ready.run("%%glm -m glm-4.7 --tools add --dry-run\nGo")
    assert "each round of function calls is a further request" in run.bundle["text/plain"]
    assert '"description": "Add two whole numbers."' in run.bundle["text/plain"]
    assert server.chats == []
    server.enqueue(asks_for(call("add", {"a": 1})), Reply("Two."))
    ready.run("%%glm -m glm-4.7 --tools add\nWhat is 1 + 1?", cell_id="a")
    run = ready.run("%%glm -m glm-4.7 -c --dry-run\nAnd one more?", cell_id="b")
    assert 'assistant:\nadd({"a": 1})\n\ntool:\n2' in run.bundle["text/plain"]


def test_the_conversation_keeps_calls_with_their_results(ready: Kernel, server) -> None:
    server.enqueue(asks_for(call("add", {"a": 1})), Reply("Two."), Reply("Three."))
    ready.run("%%glm -m glm-4.7 --tools add\nWhat is 1 + 1?", cell_id="a")
    ready.run("%%glm -m glm-4.7 -c\nAnd one more?", cell_id="b")
    roles = [message["role"] for message in messages(server, 2)]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--tools ad", "Did you mean `add`"),
        ("--tools calls", "not a function"),
        ("-m glm-4.1v-thinking-flashx --tools add", "cannot call functions"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_before_anything_is_sent(ready, server, line, said):
    run = ready.run(f"%%glm {line}\nGo")
    assert not run.ok
    assert said in run.error
    assert server.chats == []


def test_from_python(ready: Kernel, server) -> None:
    server.enqueue(asks_for(call("add", {"a": 2, "b": 3})), Reply("Five."))
    ready.run("import glm_jupyter as glm")
    assert ready.value("glm.ask('2 + 3?', model='glm-4.7', tools=[add]).text") == "Five."
    assert ready.value("calls") == "[('add', 2, 3)]"


def test_confirm_where_nobody_can_be_asked_fails_the_cell(ready: Kernel, server) -> None:
    server.enqueue(asks_for(call("add", {"a": 1})), Reply("Never sent."))
    run = ready.run("%%glm -m glm-4.7 --tools add --confirm\nGo")
    assert not run.ok
    assert "nobody to ask" in run.error
    assert ready.value("calls") == "[]"
    assert len(server.chats) == 1


@pytest.mark.parametrize(("reply", "calls"), [("y", "[('add', 1, 1)]"), ("", "[]")])
def test_confirm_asks_before_each_call(ready: Kernel, server, reply: str, calls: str) -> None:
    server.enqueue(asks_for(call("add", {"a": 1})), Reply("I see."))
    prompts: list[str] = []

    def answer(message) -> None:
        prompts.append(message["content"]["prompt"])
        ready.client.input(reply)

    ended = ready.client.execute_interactive(
        "%%glm -m glm-4.7 --tools add --confirm\nGo",
        allow_stdin=True,
        stdin_hook=answer,
        output_hook=lambda message: None,
        timeout=60,
    )
    assert ended["content"]["status"] == "ok"
    assert len(prompts) == 1
    assert "add(a=1)" in prompts[0]
    assert ready.value("calls") == calls
    told = messages(server, 1)[-1]["content"]
    assert told == ("2" if reply else "The user did not allow this call.")

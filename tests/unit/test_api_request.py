"""The JSON bodies of requests, checked against what the official client sends for the same."""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any

import pytest

from glm_jupyter.api.errors import InputError
from glm_jupyter.api.request import ChatRequest
from tests.protocol_server import ProtocolServer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import zai

ASKED = ({"role": "user", "content": "Why?"},)


def body(dialect: Any = "glm", **options: Any) -> dict[str, Any]:
    return ChatRequest("glm-4.7", ASKED, **options).body(dialect)


def test_nothing_chosen_sends_nothing_but_the_question() -> None:
    plain = {"model": "glm-4.7", "messages": list(ASKED), "stream": True}
    assert body() == plain
    assert body("openai") == {**plain, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"temperature": 0.5, "top_p": 0.9}, {}),
        ({"max_tokens": 100, "stop": ("a", "b")}, {"stop": ["a", "b"]}),
        ({"thinking": True}, {"thinking": {"type": "enabled"}}),
        ({"thinking": False}, {"thinking": {"type": "disabled"}}),
        ({"response_format": {"type": "json_object"}}, {}),
        ({"reasoning_effort": "low"}, {}),
        (
            {"tools": ({"type": "function", "function": {"name": "f", "parameters": {}}},)},
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        ),
    ],
)
def test_glm_body_is_what_the_official_client_sends(
    server: ProtocolServer, options: dict[str, Any], sent: dict[str, Any]
) -> None:
    client = zai.ZhipuAiClient(api_key="id.secret", base_url=server.url)
    official = {**options, **sent}
    effort = official.pop("reasoning_effort", None)
    if effort:
        official["extra_body"] = {"reasoning_effort": effort}
    client.chat.completions.create(model="glm-4.7", messages=list(ASKED), stream=True, **official)
    theirs = {k: v for k, v in server.requests[0].json.items() if v is not None}
    assert body(**options) == theirs


def test_temperature_0_is_greedy_in_the_glm_dialect() -> None:
    assert body(temperature=0)["do_sample"] is False
    assert body(temperature=0)["temperature"] == 0
    assert "do_sample" not in body("openai", temperature=0)


def test_thinking_of_self_hosted_models_is_switched_in_the_template() -> None:
    assert body("openai", thinking=False)["chat_template_kwargs"] == {"enable_thinking": False}
    assert "thinking" not in body("openai", thinking=True)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 9},
        {"temperature": -0.1},
        {"temperature": math.nan},
        {"top_p": 1.5},
        {"max_tokens": 0},
        {"stop": ("",)},
    ],
)
def test_what_no_model_takes_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        body(**options)
    assert caught.value.remedy


def test_no_messages() -> None:
    with pytest.raises(InputError):
        ChatRequest("m", ()).body("glm")


def test_messages_are_never_changed() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = ({"role": "user", "content": [part]},)
    before = copy.deepcopy(messages)
    made = ChatRequest("m", messages)
    made.body("glm")["messages"][0]["role"] = "system"
    assert messages == before
    assert made.images == ("data:image/png;base64,AAAA",)

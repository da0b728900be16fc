"""Python functions as tools: their declaration, the check of arguments, permission."""

from __future__ import annotations

import functools
import json
import time
import warnings
from typing import Annotated, Any, Literal

import numpy
import pandas
import pytest
from pydantic import BaseModel, Field

from glm_jupyter import GLMError
from glm_jupyter.api.request import ChatRequest
from glm_jupyter.tools import Toolbox, tool_of
from tests.protocol_server import ProtocolServer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import zai


class Point(BaseModel):
    x: float
    y: float = 0


def distance(
    a: Point, unit: Annotated[Literal["m", "km"], Field(description="of length")] = "m"
) -> float:
    """How far a point is from the origin."""
    return (a.x**2 + a.y**2) ** 0.5 / {"m": 1, "km": 1000}[unit]


def positional(a: int, /, b: int, *, schema: int = 0, _c: int = 0) -> tuple[int, ...]:
    return a, b, schema, _c


async def call(function: Any, arguments: Any, **options: Any) -> Any:
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    made = {"id": "1", "function": {"name": function.__name__, "arguments": written}}
    return await Toolbox([tool_of(function)], **options).call(0, made)


def test_the_declaration_comes_from_signature_and_docstring() -> None:
    function = tool_of(distance).declaration["function"]
    assert function["name"] == "distance"
    assert function["description"] == "How far a point is from the origin."
    parameters = function["parameters"]
    assert parameters["required"] == ["a"]
    assert parameters["properties"]["unit"] == {
        "description": "of length",
        "enum": ["m", "km"],
        "type": "string",
    }
    assert parameters["$defs"]["Point"]["required"] == ["x"]


async def test_arguments_arrive_as_the_types_they_are_annotated_with() -> None:
    result = await call(distance, {"a": {"x": 3, "y": 4}})
    assert (result.text, result.failed) == ("5.0", False)
    assert (await call(distance, {"a": {"x": 3, "y": 4}, "unit": "km"})).text == "0.005"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"a": {"y": 4}}, "a.x: Field required"),
        ({"a": {"x": 1}, "unit": "mile"}, "unit"),
        ("[]", "do not fit"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("", "a: Field required"),
    ],
)
async def test_arguments_that_do_not_fit_call_nothing(arguments: Any, said: str) -> None:
    result = await call(distance, arguments)
    assert result.failed
    assert said in result.text


async def test_parameters_of_every_kind_are_filled() -> None:
    assert (await call(positional, {"a": 1, "b": 2})).text == "[1,2,0,0]"
    assert (await call(positional, {"b": 2, "a": 1, "_c": 4, "schema": 3})).text == "[1,2,3,4]"


async def test_only_what_is_allowed_is_called() -> None:
    asked: list[str] = []
    result = await call(positional, {"a": 1, "b": 2}, confirm=lambda text: bool(asked.append(text)))
    assert asked == ["positional(a=1, b=2)"]
    assert result.failed
    assert "did not allow" in result.text
    assert not (await call(positional, {"a": 1, "b": 2}, confirm=lambda text: True)).failed


async def test_the_time_of_a_call_is_without_that_of_whoever_allows_it() -> None:
    def ponder(text: str) -> bool:
        time.sleep(0.2)
        return True

    started = time.monotonic()
    result = await call(square, {"a": 3}, confirm=ponder)
    assert result.seconds <= time.monotonic() - started - 0.2


async def test_a_table_comes_back_as_one_and_what_is_no_json_as_its_text() -> None:

    def table() -> Any:
        """A table."""
        return pandas.DataFrame({"n": [1, 2]})

    def odd() -> Any:
        """No JSON."""
        return pytest

    assert "| 1 | 2 |" in (await call(table, {})).text
    assert (await call(odd, {})).text == str(pytest)


async def test_a_long_result_is_cut_and_says_so() -> None:
    def book() -> str:
        """A book."""
        return "All happy families are alike. " * 9000

    text = (await call(book, {})).text
    assert len(text) < 60_000
    assert "(Cut:" in text


async def test_numbers_of_numpy_in_a_result_are_json() -> None:

    def counted() -> Any:
        """Numbers."""
        return {"n": numpy.int64(3), "yes": numpy.bool_(True), "x": numpy.float32(0.5)}

    assert (await call(counted, {})).text == '{"n":3,"yes":true,"x":0.5}'

    def mixed() -> Any:
        """Numbers beside what is no JSON."""
        return {"x": numpy.float64(0.1), "a": numpy.array([1.5, 2.0]), "what": len}

    text = (await call(mixed, {})).text
    assert text == '{"x":0.1,"a":[1.5,2.0],"what":"<built-in function len>"}'


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no such row"), "ValueError: no such row"),
        (TimeoutError(), "TimeoutError"),
        (SystemExit(2), "SystemExit: 2"),
        (Wordless(), "Wordless: "),
    ],
)
async def test_whatever_a_function_raises_is_a_result(error: BaseException, said: str) -> None:
    def fails() -> None:
        """Never works."""
        raise error

    result = await call(fails, {})
    assert result.failed
    assert said in result.text
    assert not result.text.endswith(": ")


async def test_a_long_failure_is_cut_as_a_result_is() -> None:
    def fails() -> None:
        """Never works."""
        raise ValueError("All happy families are alike. " * 9000)

    text = (await call(fails, {})).text
    assert len(text) < 60_000
    assert "(Cut:" in text


async def test_a_result_holds_no_half_characters() -> None:
    def half() -> str:
        """Half a character."""
        return "a\ud800b"

    assert (await call(half, {})).text == "a?b"


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(GLMError, match="same name"):
        Toolbox([tool_of(distance), tool_of(positional, "distance")])


def square(a: int) -> int:
    """The square of a number."""
    return a * a


def rest(*values: int) -> None: ...


def unknown(value: "Undefined") -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037


def strange(value: pytest.Item) -> None: ...


@pytest.mark.parametrize("thing", [rest, unknown, strange, Point, 3, "text", lambda x: x])
def test_what_cannot_be_declared_is_refused(thing: Any) -> None:
    with pytest.raises(GLMError, match="cannot be a tool") as caught:
        tool_of(thing)
    assert "model_config" not in str(caught.value)


async def test_a_cached_function_is_one() -> None:
    assert (await call(functools.cache(square), {"a": 3})).text == "9"


async def of_tool(made: Any, arguments: str) -> Any:
    return await Toolbox([made]).call(0, {"function": {"name": made.name, "arguments": arguments}})


async def test_a_partial_takes_what_is_left_of_its_function() -> None:
    made = tool_of(functools.partial(distance, unit="km"))
    function = made.declaration["function"]
    assert (function["name"], function["description"][:7]) == ("distance", "How far")
    assert list(function["parameters"]["properties"]) == ["a"]
    assert (await of_tool(made, '{"a": {"x": 3, "y": 4}}')).text == "0.005"
    assert (await of_tool(made, '{"a": {"x": 3}, "unit": "m"}')).failed
    made = tool_of(functools.partial(positional, 1), "rest_of_it")
    assert (await of_tool(made, '{"b": 2}')).text == "[1,2,0,0]"


class Counter:
    """Counts calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, by: int = 1) -> int:
        self.calls += by
        return self.calls


async def test_an_object_that_can_be_called_is_one() -> None:
    made = tool_of(Counter(), "count")
    assert made.declaration["function"]["description"] == "Counts calls."
    assert (await of_tool(made, "{}")).text == "1"
    assert (await of_tool(made, '{"by": 2}')).text == "3"
    assert tool_of(Counter()).name == "Counter"


def listed(names: list[str], where: dict[str, int] | None = None, unit: str = "m") -> Any:
    """Names and places."""
    return [names, where, unit]


@pytest.mark.parametrize(
    "arguments",
    [
        '{"names": ["a"], "where": {"b": 1}}',
        '{"names": "[\\"a\\"]", "where": "{\\"b\\": 1}"}',
        json.dumps('{"names": ["a"], "where": {"b": 1}}'),
        json.dumps(json.dumps('{"names": "[\\"a\\"]", "where": {"b": 1}}')),
        '{"names": ["a"], "where": {"b": 1}}{"names": ["a"], "where": {"b": 1}}',
        '{}\n{"names": ["a"], "where": {"b": 1}}',
        '{"names": ["a"], "where": {"b": 1}, "unit": null}',
    ],
)
async def test_arguments_are_read_as_servers_wrap_them(arguments: str) -> None:
    assert (await call(listed, arguments)).text == '[["a"],{"b":1},"m"]'


async def test_arguments_that_contradict_each_other_call_nothing() -> None:
    result = await call(listed, '{"names": ["a"]}{"names": ["b"]}')
    assert result.failed
    assert "not JSON" in result.text


async def test_a_text_stays_a_text() -> None:
    assert (await call(listed, {"names": ["[1]"], "unit": "[2]"})).text == '[["[1]"],null,"[2]"]'


async def test_null_is_no_arguments() -> None:
    assert (await of_tool(tool_of(Counter(), "count"), "null")).text == "1"


def test_on_the_wire_it_is_what_the_official_client_sends(server: ProtocolServer) -> None:
    tools = Toolbox([tool_of(distance)]).declarations
    said = {
        "role": "assistant",
        "content": "",
        "reasoning_content": "Far.",
        "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "distance", "arguments": "{}"}}
        ],
    }
    told = {"role": "tool", "tool_call_id": "1", "content": "5.0"}
    messages = ({"role": "user", "content": "How far?"}, said, told)
    client = zai.ZhipuAiClient(api_key="id.secret", base_url=server.url)
    client.chat.completions.create(
        model="glm-4.7", messages=list(messages), tools=list(tools), stream=True
    )
    theirs = {k: v for k, v in server.requests[0].json.items() if v is not None}
    assert ChatRequest("glm-4.7", messages, tools=tools).body("glm") == theirs

"""Schemas of answers: what the model is told, what is accepted, and what is not a schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NotRequired, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from glm_jupyter import GLMError
from glm_jupyter.schema import SchemaError, schema_of


class Part(TypedDict):
    name: str
    weight: NotRequired[float]


@dataclass
class Machine:
    parts: list[str]
    built: date


class Person(BaseModel):
    """Somebody."""

    name: str = Field(description="in full")
    machine: Machine | None = None


class Tree(BaseModel):
    branches: list[Tree] = []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ANYTHING: dict[str, Any] = {"type": "object"}


@pytest.mark.parametrize("kind", [Part, Machine, Person, Tree, list[Part], Part | None, int])
def test_the_model_is_told_an_object_without_repeated_names(kind: Any) -> None:
    schema = schema_of(kind)
    told = schema.instructions.partition("\n")[2]
    assert json.loads(told) == schema.json_schema
    assert '"title": "Name"' not in told
    form = schema.response_format("openai")["json_schema"]["schema"]
    assert form.get("type") == "object" or "$ref" in form
    assert schema.response_format("glm") == {"type": "json_object"}


def test_descriptions_reach_the_model() -> None:
    told = schema_of(Person).json_schema
    assert told["description"] == "Somebody."
    assert told["properties"]["name"] == {"description": "in full", "type": "string"}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Part, '{"name": "wheel", "weight": 2}', {"name": "wheel", "weight": 2.0}),
        (list[Part], '{"value": [{"name": "a"}]}', [{"name": "a"}]),
        (list[Part], '[{"name": "a"}]', [{"name": "a"}]),
        (Machine, '{"parts": [], "built": "1837-01-02"}', Machine([], date(1837, 1, 2))),
        (Literal["a", "b"], '{"value": "b"}', "b"),
        (Part | None, '{"value": null}', None),
        (dict[str, int], '{"value": 1}', {"value": 1}),
        ({"type": "array", "items": {"type": "integer"}}, '{"value": [1, 2]}', [1, 2]),
    ],
)
def test_values(kind: Any, text: str, value: Any) -> None:
    assert schema_of(kind).parse(text) == value


@given(st.dictionaries(st.text(), JSON), st.sampled_from(["{}", "```json\n{}\n```", "Here:\n\n{}"]))
def test_json_is_found_whatever_stands_around_it(value: Any, around: str) -> None:
    text = around.replace("{}", json.dumps(value, indent=1))
    assert schema_of(ANYTHING).parse(text) == value


@given(st.text())
def test_any_text_is_a_value_or_a_schema_error(text: str) -> None:
    try:
        value = schema_of(ANYTHING).parse(text)
    except SchemaError:
        return
    assert isinstance(value, dict)


def test_problems_are_named_with_their_place_and_not_without_end() -> None:
    with pytest.raises(SchemaError, match=r"machine\.built: ") as caught:
        schema_of(Person).parse('{"name": "A", "machine": {"parts": [], "built": "soon"}}')
    assert "machine.built" in caught.value.complaint
    assert caught.value.complaint.endswith("the whole corrected JSON object, and nothing else.")
    with pytest.raises(SchemaError, match="and 92 more"):
        schema_of(list[int]).parse(json.dumps(["x"] * 100))


@pytest.mark.parametrize(
    "thing", [3, "text", [1], len, lambda: 1, object(), {"type": "strnig"}, pytest.Item]
)
def test_what_is_no_schema(thing: Any) -> None:
    with pytest.raises(GLMError) as caught:
        schema_of(thing, "thing")
    assert str(caught.value).startswith("thing ")
    assert caught.value.remedy

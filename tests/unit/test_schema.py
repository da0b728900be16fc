"""Schemas of answers: what the model is told, what is accepted, and what is not a schema."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NotRequired, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from glm_jupyter import GLMError
from glm_jupyter.schema import Schema, SchemaError, schema_of


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


# Before a letter these may be meant as the backslash and the first letter of a command of TeX.
TEXTS = st.text().filter(lambda text: not re.search(r"[\b\f\n\r\t][a-zA-Z]", text))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
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


AROUND = [
    "{}",
    "```json\n{}\n```",
    "```\n{}```",
    "Here:\n\n{}",
    "{}\n\nI hope that helps.",
    "As of [2024], in {{braces}}: {}",
]


@given(st.dictionaries(TEXTS, JSON), st.sampled_from(AROUND))
def test_json_is_found_whatever_stands_around_it(value: Any, around: str) -> None:
    text = around.replace("{}", json.dumps(value, indent=1))
    assert schema_of(ANYTHING).parse(text) == value


MATRIX = r"\begin{pmatrix} 1 & 2 \\ 3 & \nu \end{pmatrix}"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\frac \beta", r"\frac \beta"),
        (r"\theta\rho \nabla f \times \neq", r"\theta\rho \nabla f \times \neq"),
        (r"\(\alpha\,\upsilon\)", r"\(\alpha\,\upsilon\)"),
        (MATRIX, MATRIX),
        (MATRIX.replace("\\", "\\\\"), MATRIX),
        (r"\alpha\n\nnext \"line\" \u00e9", '\\alpha\n\nnext "line" é'),
        (r"a\tb\nu = 1\r\nC", "a\tb\nu = 1\r\nC"),
        (r"\\frac and\nnot \\\\ \/", "\\frac and\nnot \\\\ /"),
        ("two\nlines\tof it", "two\nlines\tof it"),
    ],
)
def test_texts_are_what_the_model_meant(written: str, meant: str) -> None:
    for around in ('{"name": "%s"}', '```json\n{"name": "%s"}\n``` of \\(x\\)'):
        assert schema_of(Part).parse(around % written) == {"name": meant}


@given(st.dictionaries(st.text('\\n\\"turb&é', max_size=9), JSON))
def test_json_that_is_escaped_well_is_not_touched(value: Any) -> None:
    assert schema_of(ANYTHING).parse(json.dumps(value)) == value


NAMED = {"name": "wheel", "strict": True, "schema": {"type": "object", "required": ["n"]}}


@pytest.mark.parametrize("envelope", [NAMED, {"type": "json_schema", "json_schema": NAMED}])
def test_a_schema_in_the_envelope_of_openai_is_checked(envelope: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match="'n' is a required property"):
        schema_of(envelope).parse('{"m": 1}')
    assert schema_of(envelope).json_schema == NAMED["schema"]


def test_a_schema_may_have_a_property_called_schema() -> None:
    kind = {"type": "object", "properties": {"schema": {"type": "string"}}}
    assert schema_of(kind).json_schema == kind


def test_of_several_values_the_first_that_fits_counts() -> None:
    text = 'In the form {"name": 1} I give ```json\n{"name": "wheel"}\n``` and {"name": "axle"}.'
    assert schema_of(Part).parse(text) == {"name": "wheel"}


@pytest.mark.parametrize(
    "text",
    [
        '{"branches": [{"branches": []}],}',
        'Here: {"branches": [{"branches": []}], "cut',
    ],
)
def test_a_part_of_broken_json_is_not_the_value(text: str) -> None:
    with pytest.raises(SchemaError, match="not JSON"):
        schema_of(Tree).parse(text)


@pytest.mark.parametrize("depth", [100, 1000, 100_000])
@pytest.mark.parametrize("kind", [Tree, ANYTHING])
def test_what_is_nested_without_end_is_a_schema_error(kind: Any, depth: int) -> None:
    with pytest.raises(SchemaError):
        schema_of(kind).parse('{"branches": [' * depth + "]}" * depth)


@pytest.mark.parametrize("piece", ["{", "[1] ", "{ x\n", '{"a":', "[[1],"])
def test_a_model_that_has_lost_itself_is_not_followed_to_the_end(piece: str) -> None:
    seen: list[Any] = []

    def check(decoded: Any) -> Any:
        seen.append(decoded)
        raise SchemaError("thing", ["no"])

    with pytest.raises(SchemaError):
        Schema("thing", ANYTHING, check).parse(f"So: {piece * 100_000}")
    assert len(seen) <= 1000


def test_references_are_followed_and_nothing_is_fetched_for_them() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}}, "additionalProperties": False}
    assert schema_of(tree).parse('{"left": {"left": {}}}') == {"left": {"left": {}}}
    with pytest.raises(SchemaError, match="left: "):
        schema_of(tree).parse('{"left": {"right": {}}}')
    parts = {"type": "array", "items": {"$ref": "#/$defs/n"}, "$defs": {"n": {"type": "integer"}}}
    assert schema_of(parts).parse('{"value": [1]}') == [1]
    for nowhere in ("#/$defs/m", "http://127.0.0.1:9/schema.json"):
        with pytest.raises(GLMError, match=re.escape(f"refers to {nowhere}")):
            schema_of({**parts, "items": {"$ref": nowhere}})


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
    "thing",
    [3, "text", [1], len, lambda: 1, object(), {"type": "strnig"}, {"name": "text"}, pytest.Item],
)
def test_what_is_no_schema(thing: Any) -> None:
    with pytest.raises(GLMError) as caught:
        schema_of(thing, "thing")
    assert str(caught.value).startswith("thing ")
    assert caught.value.remedy

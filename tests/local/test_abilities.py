"""What a cell can ask of the embedded engine, for real: a schema enforced, and honest refusals."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

import glm_jupyter as glm

MODEL = "local/smollm2-135m"


class Person(BaseModel):
    name: str
    age: int
    likes: Literal["rings", "engines"]


def test_the_schema_is_enforced() -> None:
    answer = glm.ask(
        "Ada is 36 years old. Who is it?", model=MODEL, schema=Person, max_tokens=200, temperature=0
    )
    assert isinstance(answer.parsed, Person)
    assert answer.parsed.likes in ("rings", "engines")
    assert answer.cost == 0


def test_a_list_of_models_is_enforced_too() -> None:
    # Bounded, for a tiny model sees no end of a list.
    letters = Annotated[list[Literal["a", "b"]], Field(min_length=1, max_length=3)]
    answer = glm.ask("Name letters.", model=MODEL, schema=letters, max_tokens=200, temperature=0)
    assert 1 <= len(answer.parsed) <= 3
    assert set(answer.parsed) <= {"a", "b"}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tools": [add]}, "call functions"),
        ({"image": ["https://example.org/a.png"]}, "see images"),
        ({"web": True}, "no web search"),
    ],
)
def test_what_it_cannot_do_is_refused(options: dict, said: str) -> None:
    with pytest.raises(glm.GLMError, match=said):
        glm.ask("Go", model=MODEL, **options)

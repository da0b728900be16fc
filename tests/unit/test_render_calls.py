"""Function calls and structured values in notebooks and terminals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic import BaseModel

from glm_jupyter.answer import Answer
from glm_jupyter.api import events as ev
from glm_jupyter.render import value
from glm_jupyter.render.markdown import markdown, plain
from glm_jupyter.render.terminal import TerminalView
from glm_jupyter.render.words import words


def called(
    arguments: str = '{"a": 1}',
    result: str | None = "461",
    failed: bool = False,
    seconds: float = 0.25,
) -> Answer:
    answer = Answer("glm-4.7", "bigmodel")
    answer.apply(ev.TextDelta("I add."))
    answer.apply(ev.ToolCallDelta(0, "1", "add", arguments))
    answer.apply(ev.Finish("tool_calls"))
    if result is not None:
        answer.apply(ev.ToolResult(0, result, seconds, failed))
        answer.apply(ev.NextRound())
        answer.apply(ev.TextDelta("It is 461."))
        answer.apply(ev.Finish("stop"))
        answer.stop_clock()
    return answer


def test_a_call_is_folded_with_arguments_result_and_time() -> None:
    shown = markdown(called())
    assert "<details>\n<summary>add(a=1) took 0.2 s</summary>" in shown
    assert '"a": 1' in shown
    assert "```text\n461\n```" in shown
    assert shown.index("</details>") < shown.index("I add.\n\nIt is 461.")
    assert "add(a=1) took 0.2 s: 461" in plain(called())


def test_of_a_call_that_took_no_time_the_value_is_told() -> None:
    answer = called(seconds=0.01)
    assert "<summary>add(a=1) = 461</summary>" in markdown(answer)
    assert "add(a=1) = 461\n" in plain(answer)
    assert f"add(a=1) = {'9' * 59}…\n" in plain(called(result="9" * 100, seconds=0))
    assert "<summary>add(a=1) returned nothing</summary>" in markdown(called(result="", seconds=0))


def title_of(name: str = "add", arguments: str = '{"a": 1, "who": "Ada"}', **made: Any) -> str:
    """The title that the page prints."""
    answer = Answer("glm-4.7", "bigmodel")
    answer.apply(ev.ToolCallDelta(0, "1", name, arguments))
    answer.apply(ev.Finish("tool_calls"))
    if made:
        answer.apply(ev.ToolResult(0, made["result"], made["seconds"], made.get("failed", False)))
    titles = words(answer)["calls"]
    assert len(titles) == 1
    return str(titles[0])


def test_a_title_says_what_is_called_and_how_that_went() -> None:
    assert title_of() == 'Call of add(a=1, who="Ada")'
    made = {"result": "3", "seconds": 0.42}
    assert title_of(**made) == 'add(a=1, who="Ada") took 0.4 s'
    assert title_of(**made, failed=True) == 'add(a=1, who="Ada") failed after 0.4 s'
    assert title_of(result="461\n", seconds=0.01) == 'add(a=1, who="Ada") = 461'
    assert title_of(result="", seconds=0.01) == 'add(a=1, who="Ada") returned nothing'


def test_arguments_that_are_still_coming_or_are_no_object_are_left_out_of_a_title() -> None:
    endless = '{"a":' * 50_000 + "1" + "}" * 50_000
    for arguments in ("", '{"a": 1', "[1, 2]", "null", endless):
        assert title_of("f", arguments) == "Call of f(…)"
    assert title_of("f", "", result="3", seconds=0.42) == "f() took 0.4 s"


def test_a_title_is_one_line_of_limited_length_in_which_nothing_is_hidden() -> None:
    hidden = title_of("f\x1b[2J\u202e", '{"a":"x\\u202e\\n\\ty"}')
    assert hidden == 'Call of f(a="x\\n\\ty")'
    assert len(title_of("f", json.dumps({"a": "x" * 999}))) == len("Call of ") + 120


def test_the_time_of_thinking_is_without_that_of_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    answer = Answer("glm-4.7", "bigmodel")
    for seconds, event in (
        (4, ev.ReasoningDelta("I add.")),
        (5, ev.ToolCallDelta(0, "1", "add", "{}")),
        (65, ev.ToolResult(0, "3", 60.0)),
        (65, ev.NextRound()),
        (67, ev.TextDelta("Three.")),
        (69, ev.TextWasReasoning()),
        (69, ev.TextDelta("It")),
        (70, ev.TextDelta(" is 3.")),
        (70, ev.Finish("stop")),
    ):
        now = seconds
        answer.apply(event)
    answer.stop_clock()
    assert "<summary>Thought for 9.0 s</summary>" in markdown(answer)


def test_a_call_under_way_and_a_failed_one() -> None:
    assert "<summary>Call of add(a=1)</summary>" in markdown(called(result=None))
    assert "<summary>Call of add(…)</summary>" in markdown(called('{"a": ', result=None))
    assert "<summary>Call of add(…)</summary>" in markdown(called("", result=None))
    assert "<summary>add() took 0.2 s</summary>" in markdown(called(""))
    assert "failed after" in markdown(called(result="ValueError: no", failed=True))


@pytest.mark.parametrize(
    "arguments", ["[" * 100_000, '{"a":' * 3000 + "1" + "}" * 3000, "null", ""]
)
def test_arguments_of_any_form_can_be_shown(arguments: str) -> None:
    answer = called(arguments)
    assert "461" in markdown(answer)
    assert "461" in plain(answer)


@given(st.text(alphabet="`\n<>&|$*_[](){}\\/ab\x1b", max_size=60), st.text(max_size=30))
def test_nothing_in_a_call_can_act_or_leave_its_fold(result: str, argument: str) -> None:
    answer = called(f'{{"a": "{argument}"}}', result)
    page = MarkdownIt("commonmark", {"html": True}).render(markdown(answer))
    assert page.count("<details") == page.count("</details>") == 1
    assert "\x1b" not in page
    inside = page[page.index("</summary>") : page.index("</details>")]
    assert "<p>" not in inside
    assert inside.count("<pre>") == 2


def test_a_terminal_shows_calls_as_they_come_and_a_text_that_starts_anew() -> None:
    written: list[str] = []
    answer = Answer("glm-4.7", "bigmodel")
    view = TerminalView(answer, written.append)
    for event in (
        ev.TextDelta('{"n'),
        ev.NextRound(keeps_text=False),
        ev.ToolCallDelta(0, "1", "add", "{}"),
        ev.ToolResult(0, "3", 0.1),
        ev.NextRound(),
        ev.TextDelta("Three."),
        ev.Finish("stop"),
    ):
        answer.apply(event)
        view.changed()
    answer.stop_clock()
    view.close()
    text = "".join(written)
    assert text.index('{"n') < text.index("add() took 0.1 s: 3") < text.index("Three.")
    assert text.count("Three.") == 1


class Person(BaseModel):
    name: str
    tags: list[str] = []


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (Person(name="Ada", tags=["x", "y"]), ["- **name**: Ada", "- **tags**:", "  - x", "  - y"]),
        ([1, "a", None, True], ["- 1", "- a", "- none", "- yes"]),
        ([[1], []], ["- **1**:", "  - 1", "- empty"]),
        ("plain", ["plain"]),
        ({"a": "x\ny"}, ["- **a**: x<br>y"]),
    ],
)
def test_values_are_trees(data: Any, lines: list[str]) -> None:
    assert value.markdown(data).splitlines() == lines


def test_objects_in_a_list_are_rows() -> None:
    rows = [{"n": 1, "in": {"a": 2, "b": [3, 4]}}, {"n": 5, "more": "|"}]
    assert value.markdown(rows).splitlines() == [
        "|  | n | in.a | in.b | more |",
        "| ---: | ---: | ---: | :--- | :--- |",
        "| 0 | 1 | 2 | 3, 4 |  |",
        "| 1 | 5 |  |  | &#124; |",
    ]
    assert "first 200 of 300" in value.plain([{"n": n} for n in range(300)])


VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet="<>&$*_`|\n[]()#ab\x1b", max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(VALUES)
def test_a_value_is_only_text(data: Any) -> None:
    shown = value.markdown(data)
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(shown)
    for mark in ("<script", "<em>", "<code>", "<a ", "\x1b", "<img"):
        assert mark not in page
    assert "$" not in shown

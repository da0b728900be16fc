"""Values as text for a prompt: how they look, what is cut, and what never gets in."""

from __future__ import annotations

from typing import Any

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_jupyter import GLMError
from glm_jupyter.api import tokens
from glm_jupyter.prompt.expand import expand
from glm_jupyter.prompt.secrets import redacted
from glm_jupyter.prompt.values import as_text


def test_series_and_descriptions_are_tables() -> None:
    series = pandas.Series([1.0, 2.5], index=["a", "b"], name="price")
    assert str(as_text(series)).splitlines()[-1] == "| b | 2.5 |"
    assert "| price |" in str(as_text(series))
    described = str(as_text(series.to_frame().describe()))
    assert "| mean | 1.75 |" in described


def test_wide_frames_are_cut() -> None:
    frame = pandas.DataFrame([range(100)])
    shown = as_text(frame)
    assert shown.cut == "30 of 100 columns"
    assert "(Cut: 30 of 100 columns shown.)" in str(shown)


def test_names_of_an_index_head_its_column() -> None:
    frame = pandas.DataFrame({"species": ["a", "a", "b"], "year": [1, 2, 1], "mass": [1, 2, 3]})
    assert str(as_text(frame.groupby("species").mean())).startswith("| species | year | mass |")
    assert str(as_text(frame.groupby(["species", "year"]).sum())).splitlines()[::2] == [
        "| species, year | mass |",
        "| ('a', 1) | 1 |",
        "| ('b', 1) | 3 |",
    ]


def test_large_numbers_keep_their_digits() -> None:
    numbers = [1234567.891, 98765.4, 20000.0, 0.1 + 0.2, 123.456789, 1e-9, 1e300, float("nan")]
    lines = str(as_text(pandas.Series(numbers, name="n"))).splitlines()[2:]
    assert [line.split(" | ")[1].rstrip("| ") for line in lines] == [
        *("1234567.89", "98765.40", "20000", "0.3", "123.457", "1e-09", "1e+300", "nan")
    ]


def test_a_cell_is_one_line_and_a_long_one_is_cut_saying_so() -> None:
    frame = pandas.DataFrame({"text": ["a|b\r\nc\u2028d", "e" * 1000]})
    shown = as_text(frame)
    assert shown.text.splitlines()[2:] == ["| 0 | a\\|b c d |", f"| 1 | {'e' * 200}… |"]
    assert shown.cut == "the first 200 characters of a longer cell"


def test_arrays() -> None:
    assert str(as_text(numpy.eye(2))) == "[[1. 0.]\n [0. 1.]]"
    shown = as_text(numpy.zeros((100, 100)))
    assert "..." in shown.text
    assert shown.cut == "the ends of an array of shape (100, 100)"
    assert len(shown.text) < 1000
    masked = numpy.ma.array([1, 2], mask=[False, True])
    assert str(as_text(masked)) == "[1 --]"


@pytest.mark.parametrize(
    ("value", "cut"),
    [
        (list(range(5000)), "200 of 5,000 items"),
        ({n: n for n in range(201)}, "200 of 201 items"),
        (set(range(300)), "200 of 300 items"),
        ((1, 2), ""),
        ({"a": {"b": 1}}, ""),
    ],
)
def test_long_containers_are_cut(value: Any, cut: str) -> None:
    assert as_text(value).cut == cut


def test_short_values_are_their_text() -> None:
    value: object
    for value in ("text", 3, 1.5, None, b"x", (1, 2), {"a": 1}, [], {1}):
        assert str(as_text(value)) == str(value)


def test_texts_are_whole_unless_they_do_not_fit() -> None:
    text = "All happy families are alike. " * 1000
    assert str(as_text(text)) == text
    shown = as_text(text, 500)
    assert tokens.estimate(shown.text) <= 500
    assert shown.text.startswith("All happy")
    assert shown.text.endswith("are alike. ")
    assert "of 30,000 characters" in shown.cut


@given(st.text(max_size=400), st.integers(0, 60))
def test_what_is_cut_fits(text: str, most: int) -> None:
    shown = as_text(text, most)
    if shown.cut:
        assert tokens.estimate(text) > most
        assert tokens.estimate(shown.text) <= most + 8  # the mark of the cut itself
    else:
        assert shown.text == text


def test_values_share_the_room_and_are_counted() -> None:
    text = "word " * 1000
    prompt = expand("{{ a }} and {{ a }}", {"a": text}, room=1000)
    assert tokens.estimate(prompt.text) <= 1200
    first, second = prompt.values
    assert first.tokens > 500
    assert second.cut
    assert str(second).startswith("{{ a }}: ")
    assert "tokens" in str(second)


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SOME_API_KEY", "abc'def\\123456")
    monkeypatch.setenv("KEYBOARD", "querty-layout")
    return "abc'def\\123456"


@pytest.mark.parametrize(
    "expression", ["os.environ", "dict(os.environ)", "os.environ['SOME_API_KEY']", "[key]"]
)
def test_secrets_of_the_environment_are_not_expanded(secret: str, expression: str) -> None:
    import os

    with pytest.raises(GLMError, match="SOME_API_KEY") as caught:
        expand(f"{{{{ {expression} }}}}", {"os": os, "key": secret})
    assert secret not in str(caught.value)


@pytest.mark.parametrize("name", ["DB_PASS", "PGPASSWORD", "GITHUB_TOKENS", "aws_secret_id"])
def test_a_secret_is_known_by_its_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "open sesame")
    with pytest.raises(GLMError, match=name):
        expand("{{ word }}", {"word": "open sesame"})


def test_what_is_no_secret_is_expanded(secret: str) -> None:
    import os

    assert expand("{{ os.environ['KEYBOARD'] }}", {"os": os}).text == "querty-layout"


def test_secrets_are_taken_out_of_text(secret: str) -> None:
    text = redacted(f"{secret} and {[secret]}")
    assert text == '(the value of SOME_API_KEY) and ["(the value of SOME_API_KEY)"]'


@pytest.mark.parametrize("pasted", ['"id/abc.def123"', " id/abc.def123\n", "Bearer id/abc.def123"])
def test_a_secret_is_known_without_what_was_copied_along_and_in_a_url(
    pasted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZAI_API_KEY", pasted)
    hidden = "(the value of ZAI_API_KEY)"
    assert redacted("it is id/abc.def123 now") == f"it is {hidden} now"
    assert redacted("?key=id%2Fabc.def123") == f"?key={hidden}"


def test_numbers_of_numpy_in_lists_are_numbers() -> None:
    import numpy

    values = {"x": [numpy.float64(0.1), numpy.int64(3), numpy.True_], numpy.int64(1): None}
    assert expand("{{ values }}", {"values": values}).text == "{'x': [0.1, 3, True], 1: None}"


def test_frames_of_polars_and_tables_of_arrow_are_markdown_tables() -> None:
    import polars

    frame = polars.DataFrame({"a|b": [1.123456789, None], "s": ["x\ny", "ü"], "n": [[1, 2], []]})
    table = "| a\\|b | s | n |\n| --- | --- | --- |\n| 1.12346 | x y | [1, 2] |\n| null | ü | [] |"
    for value in (frame, frame.to_arrow(), frame.to_arrow().to_batches()[0]):
        assert expand("{{ value }}", {"value": value}).text == table
    for value in (frame["s"], frame.to_arrow()["s"]):
        shown = expand("{{ value }}", {"value": value}).text
        assert shown.endswith(" |\n| --- |\n| x y |\n| ü |")


def test_long_frames_of_polars_and_tables_of_arrow_are_cut_and_say_so() -> None:
    import polars

    frame = polars.DataFrame({f"c{n}": range(5000) for n in range(40)})
    for value in (frame, frame.to_arrow()):
        (shown,) = expand("{{ value }}", {"value": value}).values
        assert shown.cut == "60 of 5,000 rows and 30 of 40 columns"
        lines = expand("{{ value }}", {"value": value}).text.splitlines()
        assert (lines[2][:8], lines[-2][-7:]) == ("| 0 | 0 ", "| 4999 |"[-7:])
        assert "| … | … |" in lines[42]


def test_empty_frames_are_tables_too() -> None:
    import polars

    for value in (polars.DataFrame({"a": []}), polars.DataFrame({"a": []}).to_arrow()):
        assert expand("{{ value }}", {"value": value}).text == "| a |\n| --- |"

"""What `{{ }}` in a cell becomes."""

from __future__ import annotations

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_jupyter import GLMError
from glm_jupyter.prompt.expand import expand, read_text
from glm_jupyter.prompt.values import MAX_ROWS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\frac{a}{b} x^{2} {} {0} {", r"\frac{a}{b} x^{2} {} {0} {"),
        ("{{ a }} and {{a+1}}", "1 and 2"),
        ('{{ {"q": {"z": 2}} }}', "{'q': {'z': 2}}"),
        ("{{{a}}}", "{1}"),
        ("{{}}^{14}C", "{{}}^{14}C"),
        ("{ {a} }", "{ {a} }"),
        ("{{ d['k'] }}", "{{ a }}"),
        ("{{ [i for i in range(a + 2)] }}", "[0, 1, 2]"),
        ("{{ chr(0xD800) }}", "?"),
    ],
)
def test_expressions_are_replaced_and_single_braces_are_not(text: str, expected: str) -> None:
    assert expand(text, {"a": 1, "b": 2, "d": {"k": "{{ a }}"}}).text == expected


@given(st.text(alphabet="{}ab \\\n$", max_size=40))
def test_a_value_is_never_read_as_an_expression(value: str) -> None:
    assert expand("<{{ v }}>", {"v": value}).text == f"<{value}>"


@given(st.text().filter(lambda text: "{{" not in text))
def test_text_without_double_braces_is_left_alone(text: str) -> None:
    assert expand(text, {}).text == text


def test_unknown_name_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(GLMError, match="`matrx` is not defined") as caught:
        expand("Invert {{ matrx }}", {"matrix": 1})
    assert "matrix" in caught.value.remedy


@pytest.mark.parametrize("text", [r"{{\bf x}}", "{{ 1 + }}", "{{ open"])
def test_what_is_no_expression_is_an_error_with_a_way_out(text: str) -> None:
    with pytest.raises(GLMError, match="not a Python expression") as caught:
        expand(text, {})
    assert "--raw" in caught.value.remedy


def test_a_failing_expression_says_how_it_failed() -> None:
    with pytest.raises(GLMError, match="ZeroDivisionError"):
        expand("{{ 1 / 0 }}", {})


@pytest.mark.parametrize("expression", ["refuse()", "Refusal()"])
def test_what_an_expression_raises_is_told_without_secrets(
    expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "tok-0123456789")

    def refuse(*_: object) -> str:
        raise ValueError("401 for https://host/?token=tok-0123456789")

    namespace = {"refuse": refuse, "Refusal": type("Refusal", (), {"__str__": refuse})}
    with pytest.raises(GLMError, match=r"ValueError: 401 .*SERVICE_TOKEN") as caught:
        expand(f"{{{{ {expression} }}}}", namespace)
    assert "tok-0123456789" not in str(caught.value)


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("no words")


async def later() -> int:
    return 42


@pytest.mark.parametrize(
    ("expression", "said"), [("Mute()", "RuntimeError: no words"), ("later()", "awaited")]
)
def test_a_value_without_text_is_an_error(expression: str, said: str) -> None:
    with pytest.raises(GLMError, match=said):
        expand(f"{{{{ {expression} }}}}", globals())


def test_a_frame_becomes_a_table() -> None:
    frame = pandas.DataFrame({"name": ["a|b", "c"], "value": [1.5, 2.0]})
    assert expand("{{ frame }}", {"frame": frame}).text.splitlines() == [
        "|  | name | value |",
        "| --- | --- | --- |",
        r"| 0 | a\|b | 1.5 |",
        "| 1 | c | 2 |",
    ]


def test_a_frame_within_a_line_is_a_table_all_the_same() -> None:
    table = "|  | n |\n| --- | --- |\n| 0 | 7 |"
    namespace = {"frame": pandas.DataFrame({"n": [7]})}
    text = expand("Compare {{ frame }} with {{ frame }}\nand {{ 1 }}.", namespace).text
    assert text == f"Compare \n\n{table}\n\n with \n\n{table}\nand 1."


def test_a_long_frame_is_cut_and_says_so() -> None:
    frame = pandas.DataFrame({"n": range(5000)})
    text = expand("{{ frame }}", {"frame": frame}).text
    assert f"{MAX_ROWS} of 5,000 rows" in text
    assert "| 0 | 0 |" in text
    assert "| 4999 | 4999 |" in text
    assert len(text) < 2000


def test_system_text_can_come_from_a_file(tmp_path) -> None:
    (tmp_path / "tutor.md").write_text("You are a tutor. 你好", encoding="utf-8")
    assert read_text(f"@{tmp_path}/tutor.md") == "You are a tutor. 你好"
    assert read_text("plain") == "plain"
    with pytest.raises(GLMError, match="No such file"):
        read_text(f"@{tmp_path}/missing.md")

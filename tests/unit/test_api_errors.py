"""What services answer in place of an answer, and what the user is told."""

from __future__ import annotations

import json
import pickle
from traceback import format_exception_only
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_jupyter.api.errors import (
    AuthenticationError,
    BusyError,
    GLMError,
    NetworkError,
    RequestError,
    clean,
    refusal,
)

URL = "https://open.bigmodel.cn/api/paas/v4"


def of(code: Any, message: str = "why", status: int | None = 400) -> GLMError:
    body = json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False)
    return refusal(body.encode(), status=status, base_url=URL)


@pytest.mark.parametrize(
    ("code", "status", "kind", "retryable", "remedy"),
    [
        ("1000", 401, AuthenticationError, False, "%glm login"),
        ("1002", 401, AuthenticationError, False, "%glm login"),
        ("1113", 429, AuthenticationError, False, "glm-4.7-flash"),
        ("1120", 400, BusyError, True, "later"),
        ("1210", 400, RequestError, False, "options"),
        ("1211", 400, RequestError, False, "%glm models"),
        ("1214", 400, RequestError, False, "%glm models"),
        ("1220", 403, AuthenticationError, False, "%glm models"),
        ("1234", 500, BusyError, True, "again"),
        ("1261", 400, RequestError, False, "longer context"),
        ("1301", 400, RequestError, False, "other words"),
        ("1302", 429, BusyError, True, "Wait"),
        ("1303", 429, BusyError, True, "Wait"),
        ("1304", 429, BusyError, False, "tomorrow"),
        ("1305", 429, BusyError, True, "another model"),
        ("1308", 429, BusyError, False, "time"),
        ("1311", 429, AuthenticationError, False, "plan"),
        ("1701", 400, BusyError, True, "Wait"),
    ],
)
def test_codes_of_the_services(
    code: str, status: int, kind: type[GLMError], retryable: bool, remedy: str
) -> None:
    error = of(code, status=status)
    assert type(error) is kind
    assert (error.code, error.status, error.retryable) == (code, status, retryable)
    assert remedy in error.remedy
    assert code in str(error)


def test_code_may_be_a_number_and_the_text_chinese() -> None:
    error = of(1302, "您的账户已达到速率限制", 429)
    assert error.code == "1302"
    assert "您的账户已达到速率限制" in str(error)


def test_the_wait_that_a_service_asks_for_is_told() -> None:
    error = refusal({"error": {"code": "1302"}}, status=429, retry_after=3600.0)
    assert error.remedy.startswith("It asks to wait 3,600 s. Wait a moment")


def test_quota_tells_when_it_comes_back() -> None:
    error = of("1308", "已达到使用上限。您的限额将在 2026-11-22 18:00:00 重置。", 429)
    assert "2026-11-22 18:00:00" in str(error)


@pytest.mark.parametrize(
    ("body", "status", "kind", "text"),
    [
        ({"error": {"code": "500", "message": "404 NOT_FOUND"}}, 404, RequestError, "NOT_FOUND"),
        ({"error": {"code": "500", "message": "404 NOT_FOUND"}}, 500, RequestError, "no such a"),
        ({"code": 401, "msg": "token expired", "success": False}, 200, AuthenticationError, "exp"),
        ({"error": {"message": "No", "type": "x", "code": None}}, 400, RequestError, "No"),
        ({"error": {"message": "No", "code": "model_not_found"}}, 404, RequestError, "no such m"),
        (
            {"error": {"message": "n", "type": "exceed_context_size_error", "code": 400}},
            400,
            RequestError,
            "longer than the model's context",
        ),
        ({"object": "error", "message": "gone", "code": 404}, 404, RequestError, "gone"),
        ({"error": "model 'x' not found"}, 404, RequestError, "model 'x' not found"),
        ({"detail": [{"msg": "field required"}]}, 422, RequestError, "field required"),
        ({"error": {}}, 500, BusyError, "failed"),
        ({}, 429, BusyError, "too many"),
        ([], 503, BusyError, "failed"),
        ({"error": {"code": {"a": 1}, "message": ["x"]}}, 400, RequestError, "x"),
    ],
)
def test_bodies_of_other_shapes(body: Any, status: int, kind: type, text: str) -> None:
    error = refusal(json.dumps(body).encode(), status=status, base_url=URL)
    assert type(error) is kind
    assert text in str(error)
    assert error.remedy


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, RequestError, False),
        (401, AuthenticationError, False),
        (403, AuthenticationError, False),
        (404, RequestError, False),
        (418, RequestError, False),
        (429, BusyError, True),
        (500, BusyError, True),
        (529, BusyError, True),
    ],
)
def test_empty_body(status: int, kind: type, retryable: bool) -> None:
    error = refusal(b"", status=status, base_url=URL)
    assert (type(error), error.status, error.retryable) == (kind, status, retryable)


def test_web_page_in_place_of_the_api() -> None:
    error = refusal(b"\n <!doctype html><b>Log in</b>", status=200, base_url=URL)
    assert isinstance(error, NetworkError)
    assert URL in str(error)
    assert "Log in" not in str(error)


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"", "nothing"), (b"It works!", "not JSON"), (b'{"data": []}', "holds no answer")],
)
def test_success_without_an_answer_is_no_refusal(body: bytes, said: str) -> None:
    error = refusal(body, status=200, base_url=URL)
    assert isinstance(error, NetworkError)
    assert said in str(error)
    assert "refused" not in str(error)


def test_web_page_of_a_gateway_that_failed_may_pass() -> None:
    error = refusal(b"<html>502 Bad Gateway</html>", status=502, base_url=URL)
    assert isinstance(error, BusyError)
    assert error.retryable
    assert "html" not in str(error)


def test_hostile_text_is_made_harmless_and_short() -> None:
    text = "\x1b]0;title\x07\x1b[31mred\x1b[0m\r\nline\u202e\x9b2J " + "x" * 5000
    error = of("1210", text)
    assert "red line" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 600


@given(st.text() | st.binary())
def test_shown_text_is_always_printable_and_bounded(text: Any) -> None:
    assert clean(text).isprintable()
    assert len(clean(text)) <= 300


@given(st.binary(max_size=200), st.sampled_from([None, 200, 400, 500]))
def test_any_body_gives_an_error_with_a_remedy(body: bytes, status: int | None) -> None:
    assert refusal(body, status=status, base_url=URL).remedy


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["error", "code", "message", "msg", "detail"]), inner)
        ),
    )
)
def test_any_json_gives_an_error_with_a_remedy(body: Any) -> None:
    assert refusal(json.dumps(body), status=400, base_url=URL).remedy


def test_prints_in_two_lines() -> None:
    lines = of("1302", status=429)._render_traceback_()
    assert len(lines) == 2
    assert lines[0].startswith("BusyError: open.bigmodel.cn: ")


def test_a_plain_traceback_ends_with_the_remedy() -> None:
    error = GLMError("It failed.", remedy="Try again.")
    assert format_exception_only(error)[-2:] == [
        "glm_jupyter.api.errors.GLMError: It failed.\n",
        "Try again.\n",
    ]


def test_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(of("1302", status=429)))
    assert (error.code, error.retryable) == ("1302", True)

"""Errors of gateways between the kernel and a service, as they send them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from glm_jupyter.api.errors import AuthenticationError, BusyError, GLMError, RequestError, refusal

BUDGET = "the budget at the gateway does not cover this request"
SPENT = "Budget has been exceeded! Current cost: 10.51, Max budget: 10.00"


def error(message: str, kind: str | None, code: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "says", "retryable"),
    [
        # LiteLLM, now and before
        (429, error(SPENT, "budget_exceeded", "429"), BusyError, BUDGET, False),
        (400, error(SPENT, "budget_exceeded", "400"), BusyError, BUDGET, False),
        (400, error(SPENT, None, "400"), BusyError, BUDGET, False),
        (
            401,
            error("ExceededBudget: End User=a over budget. Spend=2, Budget=1", "auth_error", "401"),
            BusyError,
            BUDGET,
            False,
        ),
        (
            429,
            error("Crossed TPM / RPM / Max Parallel Request Limit", "None", "429"),
            BusyError,
            "too many requests at once",
            True,
        ),
        (
            401,
            error("Key not allowed to access model.", "key_model_access_denied", "401"),
            RequestError,
            "does not offer this model",
            False,
        ),
        (
            401,
            error("Authentication Error, Invalid proxy server token", "token_not_found_in_db", 401),
            AuthenticationError,
            "the key was not accepted",
            False,
        ),
        # OpenRouter
        (
            402,
            {"error": {"code": 402, "message": "Insufficient credits"}},
            BusyError,
            BUDGET,
            False,
        ),
        # OpenAI and what passes its errors on
        (
            429,
            error("You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
            BusyError,
            BUDGET,
            False,
        ),
    ],
)
def test_errors_of_other_gateways_are_understood(
    status: int, body: dict[str, Any], kind: type[GLMError], says: str, retryable: bool
) -> None:
    found = refusal(json.dumps(body), status=status)
    assert type(found) is kind
    assert says in str(found)
    assert found.retryable is retryable

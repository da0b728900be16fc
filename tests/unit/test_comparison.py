"""What `--dry-run` compares a request with."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from glm_jupyter.api import catalogue
from glm_jupyter.api.catalogue import Model
from glm_jupyter.api.endpoints import resolve
from glm_jupyter.api.request import ChatRequest
from glm_jupyter.magics.alternatives import comparison, others
from glm_jupyter.money.quote import Quote

MODELS = [model for model in catalogue.models(endpoint="bigmodel") if model.prices]


def asked(name: str, text: str = "Hello", **options: object) -> Quote:
    message = {"role": "user", "content": text}
    request = ChatRequest(name, (message,), **options)  # type: ignore[arg-type]
    return Quote.of(request, resolve("bigmodel", {}), catalogue.find(name, "bigmodel"), Decimal(0))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_three_others_of_the_same_kind(model: Model) -> None:
    found = others(asked(model.name), model)
    names = [other.name for other in found]
    assert len(set(names)) == len(names) <= 3
    assert model.name not in names
    assert not any(other.retired or other.unsure or not other.prices for other in found)
    assert {other.reasons for other in found} <= {model.reasons}
    assert {other.endpoint for other in found} <= {"bigmodel"}


def test_what_the_others_cannot_take_is_not_proposed() -> None:
    long = asked("glm-4-long", "word " * 400_000)
    assert long.model
    assert others(long, long.model) == []
    assert comparison(long) is None


def test_the_table_is_worked_out_by_hand() -> None:
    one = replace(asked("glm-4-airx", max_tokens=100), prompt_tokens=1_000)
    bundle = comparison(one)
    assert bundle
    first = bundle["text/plain"].splitlines()[2].split()
    # 1,000 x 10; (1,000 + 100) x 10; (1,850 + 100) x 10, per million
    assert first == ["glm-4-airx", "0.01", "RMB", "0.011", "RMB", "0.0195", "RMB"]
    assert "with 100 tokens of answer" in bundle["text/plain"]
    assert "with 1,000 tokens of answer" in str(comparison(asked("glm-4-airx")))


def test_a_web_search_is_part_of_what_it_costs_at_most() -> None:
    one = replace(asked("glm-4.7-flash", max_tokens=100), search_price=Decimal("0.01"))
    bundle = comparison(one)
    assert bundle
    own, *rest = [line.split()[-2:] for line in bundle["text/plain"].splitlines()[2:]]
    assert own == ["0.01", "RMB"]
    assert all(Decimal(amount) > Decimal("0.01") for amount, _ in rest)

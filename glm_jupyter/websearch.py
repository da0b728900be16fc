"""The services' own web search: how a request asks for it, and what a search costs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from glm_jupyter.language import _

from .api.endpoints import Endpoint
from .api.errors import InputError


@dataclass(frozen=True, slots=True)
class Search:
    """A service's search engine and its price for one search, in the endpoint's currency."""

    engine: str
    price: Decimal

    @property
    def tool(self) -> dict[str, Any]:
        """The tool as the API takes it: the model may search, and the pages found are listed."""
        wish = {"enable": True, "search_engine": self.engine, "search_result": True}
        return {"type": "web_search", "web_search": wish}


# Prices: docs.bigmodel.cn/cn/guide/start/pricing (2026-10-04) and
# docs.z.ai/guides/overview/pricing (2026-04); engines: the chat completions pages of both.
SEARCHES = {
    "bigmodel": Search("search_std", Decimal("0.01")),
    "zai": Search("search_pro_jina", Decimal("0.01")),
}


def search_of(endpoint: Endpoint) -> Search:
    """The search of an endpoint. Raises InputError where it has none."""
    try:
        return SEARCHES[endpoint.name]
    except KeyError:
        raise InputError(
            _("{endpoint} has no web search. Nothing was sent.").format(endpoint=endpoint.name),
            remedy=_("--web works with the hosted services: `-e bigmodel` or `-e zai`."),
        ) from None

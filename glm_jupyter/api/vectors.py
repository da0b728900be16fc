"""Vectors: what texts mean as numbers, and how well texts fit a question."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from glm_jupyter.language import _

from . import events as ev
from . import tokens
from .errors import InputError, not_the_api
from .making import MakingRequest, accepted, one_of, without_none

if TYPE_CHECKING:
    from .catalogue import Model
    from .endpoints import Endpoint
    from .http import Http
    from .request import Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest(MakingRequest):
    """A request for a vector of each of `items`, with so many `dimensions`."""

    items: tuple[str, ...]
    dimensions: int | None = None

    @property
    def messages(self) -> tuple[dict[str, Any], ...]:
        """The texts, as a chat would put them."""
        return ({"role": "user", "content": "\n".join(self.items)},)

    @property
    def prompt_tokens(self) -> int:
        """The tokens of all texts, by estimate."""
        return sum(map(tokens.estimate, self.items))

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """The JSON body."""
        return without_none(model=self.model, input=list(self.items), dimensions=self.dimensions)

    def checked(self, model: Model) -> EmbeddingRequest:
        """The request as the model takes it."""
        one_of("dimensions", self.dimensions, model.dimensions, model)
        return self

    def worst(self, model: Model) -> Decimal | None:
        """What it costs at most."""
        return model.worst_cost(tokens.at_most(self.prompt_tokens), 0)

    async def events(self, http: Http, endpoint: Endpoint) -> AsyncGenerator[ev.Event, None]:
        """Ask once; one Vectors event has them in order."""
        reply = await http.call(endpoint, "POST", "/embeddings", json=self.body(endpoint.dialect))
        try:
            rows = sorted(reply["data"], key=lambda row: int(row["index"]))
            vectors = tuple(tuple(map(float, row["embedding"])) for row in rows)
        except (LookupError, TypeError, ValueError):
            raise not_the_api(endpoint.base_url, _("no vectors")) from None
        if len(vectors) != len(self.items) or len(set(map(len, vectors))) != 1:
            raise not_the_api(
                endpoint.base_url,
                _("{given} vectors for {wanted}").format(
                    given=len(vectors), wanted=len(self.items)
                ),
            )
        yield accepted(reply, self.model)
        yield ev.Vectors(vectors)
        yield _usage(reply)
        yield ev.Finish("stop")


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankRequest(MakingRequest):
    """A request for how well each of `items` fits `prompt`, the question."""

    items: tuple[str, ...]

    @property
    def prompt_tokens(self) -> int:
        """The tokens of the texts and, for each, of the question, by estimate."""
        each = tokens.estimate(self.prompt)
        return sum(tokens.estimate(item) + each for item in self.items)

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """The JSON body."""
        return {"model": self.model, "query": self.prompt, "documents": list(self.items)}

    def checked(self, model: Model) -> RerankRequest:
        """The request as the model takes it."""
        most = model.max_characters
        for text in (self.prompt, *self.items):
            if most is not None and len(text) > most:
                says = _(
                    "{model} takes texts of at most {most:,} characters; a text has {count:,}. "
                    "Nothing was sent."
                )
                if text is self.prompt:
                    says = _(
                        "{model} takes texts of at most {most:,} characters; a question has "
                        "{count:,}. Nothing was sent."
                    )
                raise InputError(
                    says.format(model=model.name, most=most, count=len(text)),
                    remedy=_("Shorten it, or cut it into pieces."),
                )
        return self

    def worst(self, model: Model) -> Decimal | None:
        """What it costs at most."""
        return model.worst_cost(tokens.at_most(self.prompt_tokens), 0)

    async def events(self, http: Http, endpoint: Endpoint) -> AsyncGenerator[ev.Event, None]:
        """Ask once; one Scores event has position and score of each."""
        reply = await http.call(endpoint, "POST", "/rerank", json=self.body(endpoint.dialect))
        try:
            found = tuple(
                (int(row["index"]), float(row["relevance_score"])) for row in reply["results"]
            )
        except (LookupError, TypeError, ValueError):
            raise not_the_api(endpoint.base_url, _("no scores")) from None
        if any(not 0 <= index < len(self.items) for index, _ in found):
            raise not_the_api(endpoint.base_url, _("scores of other texts"))
        yield accepted(reply, self.model)
        yield ev.Scores(found)
        yield _usage(reply)
        yield ev.Finish("stop")


def _usage(reply: dict[str, Any]) -> ev.UsageReport:
    usage = reply.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    total = counts.get("total_tokens") or counts.get("prompt_tokens")
    count = total if isinstance(total, int) else 0
    return ev.UsageReport(ev.Usage(prompt_tokens=count, total_tokens=count))

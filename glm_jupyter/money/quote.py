"""Quote: what one request may cost, from its estimated prompt and its longest answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from glm_jupyter.api import tokens
from glm_jupyter.api.making import MakingRequest
from glm_jupyter.api.tokens import spoken_tokens
from glm_jupyter.exact import add
from glm_jupyter.language import _, ngettext

if TYPE_CHECKING:
    from glm_jupyter.api.catalogue import Model
    from glm_jupyter.api.endpoints import Endpoint
    from glm_jupyter.api.request import Request


@dataclass(frozen=True, slots=True)
class Quote:
    """What a request may cost; `model` is what the catalogue knows of who answers.

    `prompt_tokens` is an estimate. `search_price` is for one web search, where the request allows
    the model one.
    """

    request: Request
    endpoint: Endpoint
    name: str
    model: Model | None
    prompt_tokens: int
    search_price: Decimal = Decimal(0)

    @classmethod
    def of(
        cls, request: Request, endpoint: Endpoint, model: Model | None, search_price: Decimal
    ) -> Quote:
        """Price a request, checked and brought into the form that the model takes.

        Raises InputError for what the model cannot take.
        """
        if isinstance(request, MakingRequest):
            checked = request.checked(model) if model else request
            return MakingQuote(checked, endpoint, request.model, model, checked.prompt_tokens)
        prompt_tokens = tokens.estimate(request.messages)
        prompt_tokens += sum(map(spoken_tokens, request.sounds))
        if request.tools:
            prompt_tokens += tokens.estimate(json.dumps(request.tools, ensure_ascii=False))
        fits = model.check(request, prompt_tokens) if model else request
        return cls(fits, endpoint, request.model, model, prompt_tokens, search_price)

    @property
    def currency(self) -> str | None:
        """What the request is billed in, where that is known."""
        return self.model.currency if self.model else self.endpoint.currency

    @property
    def priced(self) -> bool:
        """Whether its price is known."""
        return self.model is not None and self.model.priced

    @property
    def most_output(self) -> int | None:
        """The most tokens the answer can have, where that is known."""
        return self.request.max_tokens or (self.model.max_output if self.model else None)

    @property
    def worst(self) -> Decimal | None:
        """What it costs at most, where that is known; see `worst_with`."""
        return None if self.most_output is None else self.worst_with(self.most_output)

    def worst_with(self, most_output: int) -> Decimal | None:
        """What it costs at most with so long an answer, where that is known.

        Images count where the catalogue knows what they take (`image_tokens`).
        """
        if self.model is None:
            return None
        most_prompt = self.model.most_prompt(self.request, self.prompt_tokens)
        worst = self.model.worst_cost(most_prompt, most_output)
        return None if worst is None else add(worst, self.search_price)

    def longest_within(self, left: Decimal) -> int:
        """The greatest --max-tokens with which it costs no more than `left`; 0 for none."""
        low, high = 0, self.most_output or 0
        while low < high:
            middle = (low + high + 1) // 2
            cost = self.worst_with(middle)
            if cost is not None and cost <= left:
                low = middle
            else:
                high = middle - 1
        return low

    @property
    def facts(self) -> list[str]:
        """What it costs at most consists of, in words."""
        found = [self._prompt, *self.images]
        if self.most_output:
            found.append(_("at most {n:,} out").format(n=self.most_output))
        return found

    @property
    def images(self) -> list[str]:
        """How its images count in what it costs at most, in words; nothing without images."""
        if not self.request.images:
            return []
        if self.model and self.model.image_tokens:
            return [_("at most {n:,} for each image").format(n=self.model.image_tokens)]
        return [_("images are not counted")]

    @property
    def _prompt(self) -> str:
        return _("about {n:,} tokens in").format(n=self.prompt_tokens)


@dataclass(frozen=True, slots=True)
class MakingQuote(Quote):
    """What a picture, a video, sound, pages or vectors may cost, which have no length."""

    request: MakingRequest

    @property
    def worst(self) -> Decimal | None:
        """What it costs at most, where that is known."""
        return self.request.worst(self.model) if self.model else None

    def worst_with(self, most_output: int) -> Decimal | None:
        """The same, whatever `most_output` is."""
        return self.worst

    @property
    def facts(self) -> list[str]:
        """What is billed, in words."""
        unit = self.model.unit if self.model else "call"
        if unit == "token":
            return [self._prompt] if self.prompt_tokens else []
        return [_counted(self.request.quantity, unit)]

    @property
    def images(self) -> list[str]:
        """Nothing: what is sent along costs nothing more."""
        return []


def _counted(n: int, unit: str) -> str:
    """So many of a unit of the catalogue's, in words."""
    match unit:
        case "image":
            said = ngettext("{n:,} picture", "{n:,} pictures", n)
        case "video":
            said = ngettext("{n:,} video", "{n:,} videos", n)
        case "character":
            said = ngettext("{n:,} character", "{n:,} characters", n)
        case "page":
            said = ngettext("{n:,} page", "{n:,} pages", n)
        case "second":
            said = ngettext("{n:,} second", "{n:,} seconds", n)
        case _:
            said = ngettext("{n:,} call", "{n:,} calls", n)
    return said.format(n=n)

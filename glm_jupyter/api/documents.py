"""Documents: has the pages of a document written down as markdown."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from glm_jupyter.language import _

from . import events as ev
from .errors import InputError, NetworkError, not_the_api
from .html_tables import markdown_of
from .making import MakingRequest, accepted, perhaps_billed, without_none

if TYPE_CHECKING:
    from .catalogue import Model
    from .endpoints import Endpoint
    from .http import Http
    from .request import Dialect

PATH = "/layout_parsing"
TYPES = {
    "data:application/pdf;": 50 << 20,
    "data:image/png;": 10 << 20,
    "data:image/jpeg;": 10 << 20,
}  # bytes; docs.bigmodel.cn, OpenAPI of 2026-07-11
# What a page costs at most, in tokens: no source says; a dense page of 300 dots an inch is less.
PAGE_TOKENS = 8_192
_TABLE = re.compile(r"<table\b.*?</table>", re.IGNORECASE | re.DOTALL)
_FORMULAS = ("formula", "equation", "display_formula")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRequest(MakingRequest):
    """A request to read a document: `url` is where it is, or holds it (`data:`).

    The pages from `first` to `last`, counted from 1; None is the first, and the last.
    """

    url: str = field(repr=False)
    size: int = 0
    first: int | None = None
    last: int | None = None
    most: int = 100  # pages

    @property
    def pages(self) -> int:
        """How many pages there are at most."""
        known = self.most
        if self.url.startswith("data:image/"):
            known = 1
        if self.last is not None:
            known = min(known, self.last - (self.first or 1) + 1)
        return known

    @property
    def prompt_tokens(self) -> int:
        """The tokens of its pages, at most."""
        return self.pages * PAGE_TOKENS

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """The JSON body."""
        return without_none(
            model=self.model, file=self.url, start_page_id=self.first, end_page_id=self.last
        )

    def checked(self, model: Model) -> DocumentRequest:
        """The request as the model takes it."""
        if self.url.startswith("data:"):
            most = next((TYPES[kind] for kind in TYPES if self.url.startswith(kind)), None)
            if most is None:
                raise InputError(
                    _("{model} reads PDF, PNG and JPEG only. Nothing was sent.").format(
                        model=model.name
                    ),
                    remedy=_("Save the document as one of them."),
                )
            if self.size > most:
                raise InputError(
                    _(
                        "The document has {size:.0f} MB; {model} takes {most}. Nothing was sent."
                    ).format(size=self.size / (1 << 20), model=model.name, most=most >> 20),
                    remedy=_("Give a part of it, or a picture with fewer pixels."),
                )
        if self.first is not None and self.last is not None and self.first > self.last:
            raise InputError(
                _("--pages {first}-{last} ends before it begins. Nothing was sent.").format(
                    first=self.first, last=self.last
                ),
                remedy=_("The first page comes first: --pages 2-5."),
            )
        asked = replace(self, most=model.max_pages or self.most)
        if asked.last is not None and asked.last - (asked.first or 1) >= asked.most:
            raise InputError(
                _("{model} reads at most {most} pages at a time. Nothing was sent.").format(
                    model=model.name, most=asked.most
                ),
                remedy=_("Ask for fewer --pages."),
            )
        return asked

    def worst(self, model: Model) -> Decimal | None:
        """What it costs at most, by an assumption about a page: see PAGE_TOKENS."""
        return model.worst_cost(self.prompt_tokens, self.prompt_tokens)

    async def events(self, http: Http, endpoint: Endpoint) -> AsyncGenerator[ev.Event, None]:
        """Have it read; the pages come one after the other."""
        try:
            reply = await http.call(endpoint, "POST", PATH, json=self.body(endpoint.dialect))
        except NetworkError as error:
            raise perhaps_billed(error, _("pages")) from None
        if not isinstance(reply, dict) or not isinstance(reply.get("md_results"), str):
            raise not_the_api(endpoint.base_url, _("no pages"))
        yield accepted(reply, self.model)
        begin = self.first or 1
        for number, text in enumerate(pages_of(reply), begin):
            yield ev.Page(number, text)
            yield ev.TextDelta(text if number == begin else f"\n\n{text}")
        if isinstance(usage := reply.get("usage"), dict):
            yield ev.UsageReport(_usage(usage))
        yield ev.Finish("stop")


def pages_of(reply: dict[str, Any]) -> list[str]:
    """The pages of a reply as markdown, from its layout where it has more than one."""
    layout = reply.get("layout_details")
    if not isinstance(layout, list) or len(layout) < 2:
        return [_tidy(reply["md_results"])]
    return ["\n\n".join(filter(None, map(_region, page or []))) for page in layout]


def _region(region: Any) -> str:
    """A region of a page: text, a formula, a table, or a picture."""
    if not isinstance(region, dict):
        return ""
    content = region.get("content")
    content = content.strip() if isinstance(content, str) else ""
    label = str(region.get("label") or "").lower()
    if label in _FORMULAS and content and not content.startswith(("$", r"\[", r"\(")):
        return f"$$\n{content}\n$$"
    if label == "image":
        linked = content.startswith("https://")
        return f"![picture]({content})" if linked else "*[" + _("a picture") + "]*"
    return _tidy(content)


def _tidy(markdown: str) -> str:
    """The markdown with tables of HTML as tables of markdown."""
    return _TABLE.sub(lambda table: markdown_of(table[0]), markdown).strip()


def _usage(usage: dict[str, Any]) -> ev.Usage:
    def count(name: str) -> int:
        value = usage.get(name)
        return value if isinstance(value, int) else 0

    return ev.Usage(count("prompt_tokens"), count("completion_tokens"), count("total_tokens"))

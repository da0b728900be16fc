"""Knowledge: the account's knowledge bases, and the passages in them that fit a question.

They have an address and an envelope of their own: a reply with the status of a success and another
code than 200 is a failure (docs.bigmodel.cn, OpenAPI of 2026-07-11).
"""

from __future__ import annotations

import difflib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from glm_jupyter.language import _, sentences

from . import events as ev
from .endpoints import BIGMODEL
from .errors import InputError, clean, not_the_api, refusal
from .making import MakingRequest

if TYPE_CHECKING:
    from .endpoints import Endpoint
    from .http import Http
    from .request import Dialect

EMBEDDING = 11  # the service's number for Embedding-3
PAGE = 100  # bases of one list
MOST_PAGES = 100
LONGEST_QUERY = 1000  # characters
PASSAGES = 8
SLICES = 1  # the kind of document whose pieces begin at headings


@dataclass(frozen=True, slots=True)
class Base:
    """A knowledge base: its id, its name, and how many documents are in it."""

    id: str
    name: str
    documents: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeRequest(MakingRequest):
    """Asks for the passages of the base `name` that fit `prompt`; Sources events have them."""

    name: str

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """What is asked."""
        return {"model": self.model, "knowledge": self.name, "prompt": self.prompt}

    async def events(self, http: Http, endpoint: Endpoint) -> AsyncGenerator[ev.Event, None]:
        """Find the base and its passages."""
        base = find(await bases(http, endpoint), self.name)
        query = {
            "query": self.prompt[:LONGEST_QUERY],
            "knowledge_ids": [base.id],
            "top_k": PASSAGES,
        }
        found = await _call(http, endpoint, "POST", "/knowledge/retrieve", json=query)
        yield ev.Started(None, self.model)
        rows = found if isinstance(found, list) else []
        yield ev.Sources(tuple(_source(row) for row in rows if isinstance(row, dict)))
        yield ev.Finish("stop")


def check(endpoint: Endpoint) -> None:
    """Refuse an endpoint that has no knowledge bases."""
    if endpoint.name != BIGMODEL.name:
        raise InputError(
            _("{endpoint} has no knowledge bases. Nothing was sent.").format(
                endpoint=endpoint.name
            ),
            remedy=_("bigmodel has them: use `-e bigmodel`, with a key of that service."),
        )


async def bases(http: Http, endpoint: Endpoint) -> list[Base]:
    """All knowledge bases of the account."""
    check(endpoint)
    found: list[Base] = []
    for page in range(1, MOST_PAGES + 1):
        data = await _call(http, endpoint, "GET", "/knowledge", params={"page": page, "size": PAGE})
        rows = data.get("list") if isinstance(data, dict) else data
        rows = [row for row in rows or [] if isinstance(row, dict)]
        found += [
            Base(
                str(row.get("id", "")), str(row.get("name", "")), int(row.get("document_size") or 0)
            )
            for row in rows
        ]
        total = data.get("total") if isinstance(data, dict) else None
        if not rows or (len(found) >= total if isinstance(total, int) else len(rows) < PAGE):
            break
    return found


def find(known: Sequence[Base], name: str) -> Base:
    """The base of that name or id. Raises InputError where there is none, or several."""
    found = [base for base in known if name in (base.id, base.name)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(base.id for base in found)
        raise InputError(
            _("{n} knowledge bases are called {name}.").format(n=len(found), name=clean(name, 40)),
            remedy=_("Name one by its id: {ids}.").format(ids=ids),
        )
    near = difflib.get_close_matches(name, [base.name for base in known], n=1)
    names = ", ".join(clean(base.name, 40) for base in known) or _("none")
    hint = _("Did you mean {name}?").format(name=clean(near[0], 40)) if near else ""
    known_ones = _("There are: {names}. `%glm knowledge create NAME FILE…` makes one.")
    raise InputError(
        _("There is no knowledge base {name}. Nothing was asked.").format(name=clean(name, 40)),
        remedy=sentences(hint, known_ones.format(names=names)),
    )


async def create(http: Http, endpoint: Endpoint, name: str) -> Base:
    """Make an empty knowledge base."""
    check(endpoint)
    data = await _call(
        http, endpoint, "POST", "/knowledge", json={"embedding_id": EMBEDDING, "name": name}
    )
    if not isinstance(data, dict) or not data.get("id"):
        raise not_the_api(endpoint.base_url, _("no knowledge base"))
    return Base(str(data["id"]), name)


async def add(
    http: Http, endpoint: Endpoint, base: Base, name: str, content: bytes
) -> tuple[str, str]:
    """Put a document into a base: its id, and why it was not taken, one of them empty."""
    data = await _call(
        http,
        endpoint,
        "POST",
        f"/document/upload_document/{quote(base.id, safe='')}",
        files={"files": (name, content)},
        data={"knowledge_type": str(SLICES)},
    )
    data = data if isinstance(data, dict) else {}
    for row in data.get("failedInfos") or []:
        return "", clean(row.get("failReason") or _("the service does not say why"))
    for row in data.get("successInfos") or []:
        return str(row.get("documentId") or ""), ""
    return "", _("the service does not say what became of it")


async def delete(http: Http, endpoint: Endpoint, base: Base) -> None:
    """Delete a base with all that is in it."""
    await _call(http, endpoint, "DELETE", f"/knowledge/{quote(base.id, safe='')}")


async def _call(http: Http, endpoint: Endpoint, method: str, path: str, **content: Any) -> Any:
    there = replace(
        endpoint, base_url=endpoint.base_url.removesuffix("/paas/v4") + "/llm-application/open"
    )
    reply = await http.call(there, method, path, **content)
    if not isinstance(reply, dict):
        raise not_the_api(there.base_url, _("no answer of a knowledge base"))
    if reply.get("code") != 200:
        told = {"code": str(reply.get("code")), "message": reply.get("message") or ""}
        raise refusal({"error": told}, base_url=there.base_url)
    return reply.get("data")


def _source(row: dict[str, Any]) -> dict[str, Any]:
    about = row.get("metadata")
    about = about if isinstance(about, dict) else {}
    return {
        "title": str(about.get("doc_name") or _("a passage")),
        "link": str(about.get("doc_url") or ""),
        "text": str(row.get("text") or ""),
        "score": row.get("score"),
    }

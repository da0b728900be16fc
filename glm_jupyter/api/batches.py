"""Batches: many chats handed in as one file, answered within a day at half the price."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from glm_jupyter.language import _

from .errors import GLMError, clean, not_the_api, refusal
from .http import refused, whole
from .making import MakingRequest
from .redact import hidden
from .stream import StreamDecoder

if TYPE_CHECKING:
    from . import events as ev
    from .catalogue import Model
    from .endpoints import Endpoint
    from .http import Http
    from .request import ChatRequest, Dialect

# Of one file.
MOST_LINES = 50_000
MOST_BYTES = 100_000_000

PRICE = Decimal("0.5")  # of what the same requests cost one by one
URL = "/v4/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")
PAGE = 100  # batches that are listed at once
LONGEST_LINE = 1 << 24  # characters of one line of a result

_NAME = "glm_jupyter"  # of our own key in the metadata


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as the service describes it; what it does not say is empty or 0.

    `key` is what it was created with. A `status` that is not among `ENDED` is under way.
    """

    id: str
    status: str
    input_file: str = ""
    output_file: str = ""
    error_file: str = ""
    key: str = ""
    total: int = 0
    completed: int = 0
    failed: int = 0
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest(MakingRequest):
    """What the requests of a batch cost together at most; it is money, and is not sent itself."""

    lines: int
    most: Decimal | None
    tokens: int = 0

    @property
    def quantity(self) -> int:
        """The requests."""
        return self.lines

    @property
    def prompt_tokens(self) -> int:
        """The tokens of all that is asked, about."""
        return self.tokens

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """What is known of it."""
        return {"model": self.model, "lines": self.lines}

    def worst(self, model: Model) -> Decimal | None:
        """What they cost at most."""
        return self.most


def line_for(number: int, request: ChatRequest, dialect: Dialect) -> bytes:
    """The line of the file that asks `request`; `number` tells its answer from the others."""
    body = {name: value for name, value in request.body(dialect).items() if name != "stream"}
    return written({"custom_id": f"request-{number}", "method": "POST", "url": URL, "body": body})


def written(line: dict[str, Any]) -> bytes:
    """A line as it stands in the file."""
    return json.dumps(line).encode() + b"\n"


async def uploaded(http: Http, endpoint: Endpoint, path: Path) -> str:
    """Upload a file of requests; its id."""
    with path.open("rb") as file:
        reply = await http.call(
            endpoint,
            "POST",
            "/files",
            data={"purpose": "batch"},
            files={"file": ("requests.jsonl", file, "application/jsonl")},
        )
    return _id(reply, endpoint, _("no file"))


async def created(http: Http, endpoint: Endpoint, file: str, key: str) -> Batch:
    """Have the requests of an uploaded file answered. From here on it is paid."""
    asked = {
        "input_file_id": file,
        "endpoint": URL,
        "auto_delete_input_file": True,
        "metadata": {_NAME: key},
    }
    return _batch(await http.call(endpoint, "POST", "/batches", json=asked), endpoint)


async def retrieved(http: Http, endpoint: Endpoint, batch: str) -> Batch:
    """How far a batch is."""
    return _batch(await http.call(endpoint, "GET", f"/batches/{quote(batch, safe='')}"), endpoint)


async def cancelled(http: Http, endpoint: Endpoint, batch: str) -> Batch:
    """Stop a batch; what was answered before is paid and can be fetched."""
    path = f"/batches/{quote(batch, safe='')}/cancel"
    return _batch(await http.call(endpoint, "POST", path, json={}), endpoint)


async def listed(http: Http, endpoint: Endpoint) -> AsyncGenerator[Batch, None]:
    """The batches of the account, in the service's order."""
    after: dict[str, str] = {}
    while True:
        reply = await http.call(endpoint, "GET", "/batches", params={"limit": PAGE, **after})
        rows = reply.get("data") if isinstance(reply, dict) else None
        if not isinstance(rows, list):
            raise not_the_api(endpoint.base_url, _("no list of batches"))
        for row in rows:
            batch = _batch(row, endpoint)
            yield batch
        if not rows or not reply.get("has_more") or after.get("after") == batch.id:
            return
        after = {"after": batch.id}


async def found(http: Http, endpoint: Endpoint, file: str, key: str) -> Batch | None:
    """The batch that was created with `key` for an uploaded file, where there is one."""
    async with aclosing(listed(http, endpoint)) as batches:
        async for batch in batches:
            if batch.key == key or batch.input_file == file:
                return batch
    return None


async def saved(http: Http, endpoint: Endpoint, file: str, path: Path) -> None:
    """Write the content of a result file to `path`, as it comes; all of it or nothing."""
    part = path.with_suffix(".part")
    place = f"/files/{quote(file, safe='')}/content"
    async with http.response(endpoint, "GET", place) as response:
        if response.status_code != 200:
            raise refused(endpoint, response, await whole(response))
        with part.open("wb") as out:
            async for piece in response.aiter_bytes():
                out.write(piece)
    part.replace(path)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one request: the events of its answer, and its error, where it has one."""

    number: int
    events: list[ev.Event]
    error: GLMError | None = None


def results(path: Path, endpoint: Endpoint) -> Iterator[Result]:
    """What a result file says, line by line; lines that are no results of ours are skipped."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        while line := file.readline(LONGEST_LINE):
            try:
                result = json.loads(hidden(line, endpoint.key))
                number = int(result["custom_id"].removeprefix("request-"))
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                continue
            yield _result(number, result, endpoint)


def _result(number: int, result: dict[str, Any], endpoint: Endpoint) -> Result:
    response = result.get("response")
    response = response if isinstance(response, dict) else {}
    body, status = response.get("body"), response.get("status_code")
    if isinstance(body, dict) and "choices" in body:
        decoder = StreamDecoder(endpoint.base_url)
        events: list[ev.Event] = []
        try:
            events += decoder.decode(json.dumps(body))
            for event in decoder.flush():
                events.append(event)  # those before an error count too
        except GLMError as error:
            return Result(number, events, error)
        return Result(number, events)
    told = body or result.get("error") or {}
    if isinstance(told, dict) and "error" not in told:
        told = {"error": told}
    status = status if isinstance(status, int) and status != 200 else None
    told = told if isinstance(told, dict | str) else {}
    return Result(number, [], refusal(told, status=status, base_url=endpoint.base_url))


def _batch(reply: Any, endpoint: Endpoint) -> Batch:
    batch = _id(reply, endpoint, _("no batch"))
    # Some replies have the counts at the top, and any of these fields may be null.
    counts = reply.get("request_counts")
    told = counts if isinstance(counts, dict) else {}
    counts = {**reply, **{name: count for name, count in told.items() if count is not None}}
    metadata = reply.get("metadata")
    return Batch(
        batch,
        _text(reply.get("status")).lower(),
        _text(reply.get("input_file_id")),
        _text(reply.get("output_file_id")),
        _text(reply.get("error_file_id")),
        _text(metadata.get(_NAME)) if isinstance(metadata, dict) else "",
        total=_count(counts.get("total")),
        completed=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        reason=_reason(reply.get("errors")),
    )


def _reason(errors: Any) -> str:
    """Why a batch has failed, in the service's words."""
    rows = errors.get("data") if isinstance(errors, dict) else errors
    rows = rows if isinstance(rows, list) else []
    told = [row.get("message") for row in rows[:3] if isinstance(row, dict)]
    return clean("; ".join(str(each) for each in told if each))


def _id(reply: Any, endpoint: Endpoint, missing: str) -> str:
    found = reply.get("id") if isinstance(reply, dict) else None
    if not isinstance(found, str) or not found:
        raise not_the_api(endpoint.base_url, missing)
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if type(value) is int else 0

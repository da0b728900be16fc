"""Files: what the account keeps at the service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from glm_jupyter.language import _

from .errors import RequestError, not_the_api

if TYPE_CHECKING:
    from .endpoints import Endpoint
    from .http import Http

# The purposes that can be listed (docs.bigmodel.cn, OpenAPI of 2026-07-11).
PURPOSES = ("batch", "code-interpreter", "agent")
PAGE = 100
MILLISECONDS = 10**12  # from here on a time is no number of seconds


@dataclass(frozen=True, slots=True)
class Kept:
    """A file at the service; `size` is in bytes."""

    id: str
    name: str
    purpose: str
    size: int
    made: datetime | None


async def listed(http: Http, endpoint: Endpoint) -> list[Kept]:
    """All files of the account that the service lists."""
    found: list[Kept] = []
    for purpose in PURPOSES:
        after: str | None = None
        while True:
            asked = {"purpose": purpose, "limit": PAGE, **({"after": after} if after else {})}
            reply = await http.call(endpoint, "GET", "/files", params=asked)
            rows = reply.get("data") if isinstance(reply, dict) else None
            if not isinstance(rows, list):
                raise not_the_api(endpoint.base_url, _("no list of files"))
            found += [_kept(row, purpose) for row in rows if isinstance(row, dict)]
            if not reply.get("has_more") or not rows or found[-1].id == after:
                break
            after = found[-1].id
    return found


async def delete(http: Http, endpoint: Endpoint, file: str) -> None:
    """Delete a file at the service."""
    reply = await http.call(endpoint, "DELETE", f"/files/{quote(file, safe='')}")
    if not isinstance(reply, dict) or not reply.get("deleted"):
        raise RequestError(
            _("The service did not delete {file}.").format(file=file),
            remedy=_("`%glm files` lists what it keeps."),
        )


def _kept(row: dict[str, Any], purpose: str) -> Kept:
    made = row.get("created_at")
    if isinstance(made, int | float) and made > MILLISECONDS:
        made /= 1000
    return Kept(
        id=str(row.get("id", "")),
        name=str(row.get("filename") or row.get("fileName") or ""),
        purpose=str(row.get("purpose") or purpose),
        size=int(row.get("bytes") or 0),
        made=datetime.fromtimestamp(made, UTC) if isinstance(made, int | float) else None,
    )

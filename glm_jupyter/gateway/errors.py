"""Refused: what the gateway itself says no to, in the service's own format."""

from __future__ import annotations

from math import ceil
from typing import Any

from starlette.responses import JSONResponse


class Refused(Exception):
    """A request that is not answered: HTTP status, the service's code for it, and why."""

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = None if retry_after is None else max(1, ceil(retry_after))

    @property
    def body(self) -> dict[str, Any]:
        """The error as the service writes its own."""
        return {"error": {"code": self.code, "message": str(self)}}

    @property
    def headers(self) -> dict[str, str]:
        """What belongs into the response beside the body."""
        headers = {"Cache-Control": "no-store"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="GLM gateway: your token is the password"'
        return headers

    def response(self) -> JSONResponse:
        """The response, for a request that nothing has been sent for yet."""
        return JSONResponse(self.body, self.status, self.headers)


def unknown_token() -> Refused:
    """The error for a request without a token, or with a wrong one."""
    return Refused(401, "1000", "The gateway does not know this token.")

"""GLMError and its kinds: what happened, whether to try again, and what to do."""

from __future__ import annotations


class GLMError(Exception):
    """Something kept an answer from being given, or from being whole.

    `code` is the service's own code (for example "1302"), `status` the HTTP status,
    `retryable` whether the same request may succeed later, `remedy` what the user can do.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        code: str | None = None,
        status: int | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.code = code
        self.status = status
        self.retryable = retryable

    def _render_traceback_(self) -> list[str]:
        """The few lines that IPython shows in place of a stack."""
        head = f"{type(self).__name__}: {self}"
        return [head, self.remedy] if self.remedy else [head]


class InputError(GLMError):
    """What was asked cannot be sent as it stands; nothing was sent."""


class AuthenticationError(GLMError):
    """No key, a wrong key, or a key without the right to what was asked."""


class RequestError(GLMError):
    """The service refused this request, and will refuse it again."""


class BusyError(GLMError):
    """The service is over a limit or has failed; the same request may succeed later."""


class NetworkError(GLMError):
    """The service could not be reached, or did not speak its protocol."""


class IncompleteError(GLMError):
    """The answer broke off; what had arrived is kept."""

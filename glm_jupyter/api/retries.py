"""Retries: tries again what may pass, of a task whose other parts are paid."""

from __future__ import annotations

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from .errors import GLMError

TRIES = 4
PAUSE = 1.0  # seconds before the first further try; doubles


def retrying() -> AsyncRetrying:
    """The tries of one part; the last failure is raised as it is."""
    return AsyncRetrying(
        stop=stop_after_attempt(TRIES),
        wait=wait_exponential(multiplier=PAUSE),
        retry=retry_if_exception(lambda error: isinstance(error, GLMError) and error.retryable),
        reraise=True,
    )

"""How many requests are in flight, and when the next one may go out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from glm_jupyter.api.errors import InputError
from glm_jupyter.engine.child import PARALLEL
from glm_jupyter.language import _

if TYPE_CHECKING:
    from glm_jupyter.sessions.target import Target

    from .servers import Servers

# Where the rights are not known: begin with few and feel the way up.
UNKNOWN_START = 4
UNKNOWN_MOST = 32

# After a refusal, one request more is tried when so many in a row have succeeded: few enough to
# make up for a refusal in fifty, which is the services' noise, and not the account's limit.
SUCCESSES_PER_STEP = 10

FIRST_PAUSE = 1.0  # seconds without any request after everything in flight has failed; doubles
LONGEST_PAUSE = 30.0
MOST_PAUSES = 6  # in a row, without any success between them: about a minute and a half


@dataclass(slots=True)
class ConcurrencyLimit:
    """A limit that gives way by one for each refusal, and comes back with success.

    A refusal says that one request too many was in flight. `most` is what the account may have;
    `limit` what is tried now. `clock` gives seconds.
    """

    most: int
    limit: int
    clock: Callable[[], float] = monotonic
    _refused: bool = False
    _successes: int = 0
    _misses: int = 0  # in a row
    _pauses: int = 0  # in a row
    _hold: float = field(default=0.0)

    @classmethod
    def of(cls, rights: int | None, servers: int = 1) -> ConcurrencyLimit:
        """The pace for an account with these rights, or for servers whose rights nobody knows."""
        if rights is None:
            return cls(UNKNOWN_MOST * servers, UNKNOWN_START * servers)
        return cls(rights, rights)

    @property
    def wait(self) -> float:
        """Seconds until a request may go out."""
        return max(0.0, self._hold - self.clock())

    @property
    def hopeless(self) -> bool:
        """Whether nothing has succeeded for so long that nothing will."""
        return self._pauses >= MOST_PAUSES

    def succeeded(self) -> None:
        """A request has been answered."""
        self._misses = self._pauses = 0
        self._successes += 1
        if self._successes >= (SUCCESSES_PER_STEP if self._refused else 1):
            self._successes = 0
            self.limit = min(self.most, self.limit + 1)

    def refused(self, retry_after: float | None = None) -> None:
        """A request was one too many; the service may say how many seconds to wait."""
        in_flight = self.limit
        self.crowded()
        self._missed(in_flight)
        if retry_after:
            self._hold = max(self._hold, self.clock() + min(retry_after, LONGEST_PAUSE))

    def crowded(self) -> None:
        """A request was one too many for a budget, which says nothing about the service."""
        self._refused = True
        self._successes = 0
        self.limit = max(1, self.limit - 1)

    def failed(self) -> None:
        """A request failed in a way that may pass, but not because there were too many."""
        self._missed(self.limit)

    def _missed(self, in_flight: int) -> None:
        self._misses += 1
        if self._misses >= in_flight and not self.wait:
            self._misses = 0
            self._hold = self.clock() + min(LONGEST_PAUSE, FIRST_PAUSE * 2**self._pauses)
            self._pauses += 1


def pace(
    target: Target, level: int, concurrency: int | str, servers: Servers | None
) -> ConcurrencyLimit:
    """The pace of a map: `concurrency`, or what an account of this level may have.

    Raises InputError where that is no number.
    """
    if concurrency != "auto":
        if not isinstance(concurrency, int) or concurrency < 1:
            raise InputError(
                _("concurrency={concurrency!r} is no number of requests.").format(
                    concurrency=concurrency
                ),
                remedy=_('Give a number of 1 or more, or "auto".'),
            )
        return ConcurrencyLimit.of(concurrency)
    if target.endpoint.name == "local":
        return ConcurrencyLimit.of(PARALLEL)
    rights = target.known.in_flight(level) if target.known else None
    return ConcurrencyLimit.of(rights, len(servers) if servers else 1)

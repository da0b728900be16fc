"""Servers: several servers of one's own that answer one map, each as much as it can."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from glm_jupyter.api.endpoints import NAMES, Endpoint, resolve
from glm_jupyter.api.errors import GLMError, InputError, NetworkError
from glm_jupyter.language import _

LEFT_OUT = 15.0  # seconds for which a server that has failed is asked nothing


@dataclass(slots=True)
class _Server:
    endpoint: Endpoint
    in_flight: int = 0
    back_at: float = 0.0  # when it is asked again after a failure, by the clock
    failed: bool = False  # the last that was heard of it


class Servers:
    """The servers at a list of base URLs, which are taken to have the same model.

    Raises InputError for what is no such list. `clock` gives seconds.
    """

    def __init__(self, urls: Sequence[str], clock: Callable[[], float] = monotonic) -> None:
        found = {endpoint.base_url: endpoint for endpoint in map(_own, urls)}
        if not found:
            raise InputError(
                _("The list of endpoints is empty. Nothing was sent."),
                remedy=_("Give the base URLs of your servers."),
            )
        # Answers are kept under the name of the first: in whatever order the list comes.
        self._servers = [_Server(found[url]) for url in sorted(found)]
        self._clock = clock

    def __len__(self) -> int:
        return len(self._servers)

    @property
    def urls(self) -> tuple[str, ...]:
        """Their base URLs; the first stands for all of them."""
        return tuple(each.endpoint.base_url for each in self._servers)

    @contextmanager
    def one(self) -> Iterator[Endpoint]:
        """The server to ask now: of those that work, the one with the fewest in flight.

        One that fails is left out for a while, and then asked one thing. Where all have failed,
        it is the one that is back first. What failed is worth asking another one.
        """
        now = self._clock()
        server = min(
            self._servers,
            key=lambda each: (
                max(each.back_at, now),
                each.failed and each.in_flight > 0,
                each.in_flight,
            ),
        )
        server.in_flight += 1
        try:
            yield server.endpoint
            server.failed = False
        except GLMError as error:
            if error.retryable or isinstance(error, NetworkError):
                server.failed = True
                server.back_at = self._clock() + max(LEFT_OUT, error.retry_after or 0)
                error.retryable = True
            raise
        finally:
            server.in_flight -= 1


def _own(url: str) -> Endpoint:
    """The endpoint at a base URL. Raises InputError where that is no server of one's own."""
    if not isinstance(url, str) or "://" not in url:
        raise InputError(
            _("{url!r} is not the base URL of a server. Nothing was sent.").format(url=url),
            remedy=_(
                "A list of endpoints is for servers of your own: give each as "
                "http://host:port/v1. A service is named alone, as endpoint='zai'."
            ),
        )
    endpoint = resolve(url)
    if endpoint.name in NAMES or endpoint.currency:
        raise InputError(
            _(
                "{url} is the service {name}, and a list of endpoints is for servers of your own. "
                "Nothing was sent."
            ).format(url=endpoint.base_url, name=endpoint.name),
            remedy=_("Leave it out of the list, or give it alone."),
        )
    return endpoint

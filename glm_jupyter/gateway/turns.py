"""Turns: who is asked for next, within the account's rights for one model."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count

from .errors import Refused

# What a request is taken to last before any has ended, and how fast that follows the real ones.
FIRST_GUESS = 10.0
SMOOTHING = 0.1


class Ticket:
    """A request's place: it waits until `granted`, is in flight then, and ends with `leave`."""

    def __init__(self, user: str, number: int) -> None:
        self.user = user
        self.number = number
        self.granted = asyncio.Event()
        self.since = 0.0


class Turns:
    """The requests for one model: at most `rights` in flight, the others waiting.

    The next is of the user with the fewest in flight, then of who was served longest ago, then
    the first to arrive.
    """

    def __init__(self, model: str, rights: int, longest: int) -> None:
        self.model = model
        self.rights = rights
        self._longest = longest
        self._waiting: list[Ticket] = []
        self._in_flight: set[Ticket] = set()
        self._served: dict[str, int] = {}  # user -> when last, counted in turns
        self._numbers = count(1)
        self._lasts = FIRST_GUESS

    @property
    def in_flight(self) -> int:
        """How many requests are with the service."""
        return len(self._in_flight)

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def enter(self, user: str) -> Ticket:
        """A place for a request of `user`. Raises Refused where too many wait."""
        if self.in_flight >= self.rights and self.waiting >= self._longest:
            raise Refused(
                429,
                "1302",
                f"{self.waiting} requests wait for {self.model} at the gateway, which is all that "
                "it lets wait.",
                retry_after=self.wait(),
            )
        ticket = Ticket(user, next(self._numbers))
        self._waiting.append(ticket)
        self._grant()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """The request has ended, or does not wait any more."""
        if ticket in self._in_flight:
            self._in_flight.remove(ticket)
            lasted = asyncio.get_running_loop().time() - ticket.since
            self._lasts += SMOOTHING * (lasted - self._lasts)
        elif ticket in self._waiting:
            self._waiting.remove(ticket)
        self._grant()

    def place(self, ticket: Ticket) -> int:
        """The place of one that waits, from 1."""
        return self._order().index(ticket) + 1

    def wait(self) -> float:
        """About how many seconds a request that came now would wait."""
        return self._lasts * (self.waiting + 1) / self.rights

    def _grant(self) -> None:
        while self._waiting and self.in_flight < self.rights:
            ticket = self._order()[0]
            self._waiting.remove(ticket)
            self._in_flight.add(ticket)
            self._served[ticket.user] = next(self._numbers)
            ticket.since = asyncio.get_running_loop().time()
            ticket.granted.set()

    def _order(self) -> list[Ticket]:
        ahead = Counter(ticket.user for ticket in self._in_flight)
        keys = {}
        for ticket in self._waiting:  # in the order of arrival
            keys[ticket] = ahead[ticket.user], self._served.get(ticket.user, 0), ticket.number
            ahead[ticket.user] += 1
        return sorted(self._waiting, key=keys.__getitem__)

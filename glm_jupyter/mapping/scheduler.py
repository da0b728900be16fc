"""Scheduler: the requests of a map, from the first to the last answer."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from glm_jupyter.api import events as ev
from glm_jupyter.api.errors import AuthenticationError, BusyError, GLMError, RequestError
from glm_jupyter.exact import add
from glm_jupyter.language import _
from glm_jupyter.money.limit import BudgetError
from glm_jupyter.recordings.recorder import Asked
from glm_jupyter.schema import SchemaError, schema_of
from glm_jupyter.sessions.options import Asking

from .budget import AllowanceError, held
from .cache import Kept
from .concurrency import ConcurrencyLimit

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer
    from glm_jupyter.api.transport import Transport
    from glm_jupyter.sessions.options import AskOptions
    from glm_jupyter.sessions.session import Session
    from glm_jupyter.sessions.target import Target
    from glm_jupyter.sessions.turn import Turn

    from .budget import Hold, Purse
    from .servers import Servers

TRIES = 6
FIRST_WAIT = 0.5  # seconds before an item is asked again; doubles
LONGEST_WAIT = 20.0

# A service that asks for a longer pause is not waited for; a limit of requests a minute is.
LONGEST_ASKED = 90.0

# So many refused items before the first answered one are not the items' fault.
MOST_IN_VAIN = 20


class Mapped(NamedTuple):
    """The answer about one item, or the error in its place; `position` counts items from 0."""

    position: int
    answer: Answer | None
    error: GLMError | None = None


@dataclass(slots=True)
class _Work:
    """A distinct request: the items that wait for it, and how often it was tried."""

    prompt: str
    key: str
    positions: list[int]
    tries: int = 0
    kept: bool = False  # answered in an earlier run


@dataclass(slots=True)
class Tally:
    """What has happened so far; `total` is None where the items do not tell how many they are."""

    total: int | None = None
    recorded: bool = False  # replayed, so nothing is paid
    done: int = 0
    failed: int = 0
    cut: int = 0  # of `done`, those whose answer is not whole
    kept: int = 0  # of `done`, those answered in an earlier run
    in_flight: int = 0
    waits_until: float = 0.0  # when the next request goes out, by `monotonic`; past for now
    asked: int = 0  # requests that have ended; `paid` and `unpriced` are theirs
    paid: Decimal = Decimal(0)
    currency: str | None = None
    unpriced: int = 0
    says: str = ""  # what the service says of a batch
    begun: float = field(default_factory=monotonic)


class Scheduler:
    """Asks about every item, `pace` requests at a time, each distinct request once.

    `prompts` are what to ask, or the error in place of it, item by item; `options` are those of
    a turn, `target` is who answers. `purse` has what they may cost, `servers` are those that
    answer in place of `target`, `rights` what is shared with other maps: entered for each request.
    `stopped` is why not all were asked, if so.
    """

    def __init__(
        self,
        session: Session,
        prompts: Iterator[str | GLMError],
        options: AskOptions,
        *,
        target: Target,
        source: Transport,
        pace: ConcurrencyLimit,
        cache: Kept,
        purse: Purse | None = None,
        rights: AbstractAsyncContextManager[object] | None = None,
        servers: Servers | None = None,
    ) -> None:
        self.tally = Tally()
        self.stopped: GLMError | None = None
        self._session = session
        self._prompts = enumerate(prompts)
        self._options = options
        # Not `to_send`: kept answers need no budget, and sending checks it once more.
        self._asking = Asking(to_send=False, aside=True, target=target)
        self._source = source
        self._pace = pace
        self._cache = cache
        self._purse = purse
        self._rights = rights or nullcontext()
        self._waiting: set[str] = set()  # for the rights
        self._servers = servers
        self._in_vain = 0
        self._more = True
        self._again: list[tuple[float, int, _Work]] = []  # a heap, by the time they are due
        self._pending: dict[str, _Work] = {}
        self._flying: dict[asyncio.Task[Answer], tuple[_Work, Turn]] = {}

    @property
    def ending(self) -> bool:
        """Whether all that there is to ask is under way, or has been answered."""
        return not (self._more or self._again or self._waiting)

    async def results(self) -> AsyncGenerator[Mapped, None]:
        """The results as they come. Where it is closed, what is in flight is cancelled."""
        try:
            while True:
                async with aclosing(self._launch()) as known:
                    async for result in known:
                        yield result
                self.tally.in_flight = len(self._flying)
                if not self._flying and (self.stopped or not (self._more or self._again)):
                    break
                for work, turn, task in await self._landed():
                    for result in self._results(work, turn, task):
                        yield result
        finally:
            for task in self._flying:
                task.cancel()
            await asyncio.gather(*self._flying, return_exceptions=True)

    async def _launch(self) -> AsyncGenerator[Mapped, None]:
        """Send what may be sent now; the results that need no request."""
        while self._may_launch():
            work = self._due()
            if work is None:
                position, prompt = next(self._prompts, (None, None))
                if position is None or prompt is None:
                    self._more = False
                    continue
                if isinstance(prompt, GLMError):
                    yield self._failure(position, prompt)
                    continue
                work = _Work(prompt, "", [position])
            try:
                turn = self._session.turn(work.prompt, self._options, self._asking)
                if not work.key:
                    work.key = Asked.of(turn.opening.target.endpoint, turn.opening.request).hash()
                    if (waiting := self._pending.get(work.key)) is not None:
                        waiting.positions += work.positions
                        continue
            except GLMError as error:
                self._pending.pop(work.key, None)
                for position in work.positions:
                    yield self._failure(position, error)
                continue
            self._pending[work.key] = work
            task = asyncio.create_task(self._answer(work, turn))
            self._flying[task] = work, turn
            self.tally.in_flight = len(self._flying)
            await asyncio.sleep(0)  # others may run between two of many

    def _may_launch(self) -> bool:
        if self.stopped or self._pace.wait:
            return False
        if len(self._flying) >= self._pace.limit:
            return False
        # So many that wait to be asked again are enough.
        crowded = len(self._again) > 2 * self._pace.most
        return self._is_due() or (self._more and not crowded)

    def _is_due(self) -> bool:
        return bool(self._again) and self._again[0][0] <= monotonic()

    def _due(self) -> _Work | None:
        return heapq.heappop(self._again)[-1] if self._is_due() else None

    async def _answer(self, work: _Work, turn: Turn) -> Answer:
        """The answer that is already known, or the one that the service gives now."""
        if not work.tries and (answer := await self._known(work)):
            return answer
        self._waiting.add(work.key)
        try:
            async with self._rights:
                self._waiting.discard(work.key)
                await self._asked(turn)
        finally:
            self._waiting.discard(work.key)
        # At once: whoever takes the results may be slow, or leave.
        self._cache.put(work.key, turn.answer)
        return turn.answer

    async def _asked(self, turn: Turn) -> None:
        with (
            self._servers.one() if self._servers else nullcontext() as server,
            held(self._purse, turn) if self._purse else nullcontext() as hold,
        ):
            if server:
                turn.ask_at(server)
            try:
                if hold:
                    await hold.add(turn.opening)
                await self._drained(turn, hold)
            except BudgetError as error:
                # To ask again what has been answered in part would be to pay for it twice.
                if not error.per_request and (turn.rounds or not self._gives_back(error)):
                    self.stopped = error
                raise

    def _gives_back(self, error: BudgetError) -> bool:
        """Whether something is in flight that may give back what it holds of a budget."""
        return error.waits if isinstance(error, AllowanceError) else len(self._flying) > 1

    async def _drained(self, turn: Turn, hold: Hold | None) -> None:
        try:
            async with aclosing(turn.stream(self._source)) as events:
                async for event in events:
                    if hold and isinstance(event, ev.NextRound):
                        await hold.add(turn.current)
        finally:
            if turn.rounds:  # it went out
                self._count(turn.answer)

    async def _known(self, work: _Work) -> Answer | None:
        """The answer that an earlier run has kept, or that an equal item of this one has had."""
        if (found := await self._cache.get(work.key)) is None:
            return None
        answer, kept = found
        if (schema := self._options.schema) is not None:
            try:
                answer.parsed = schema_of(schema).parse(answer.text)
            except SchemaError:
                return None
        work.kept = kept
        return answer

    async def _landed(self) -> list[tuple[_Work, Turn, asyncio.Task[Answer]]]:
        """Wait until a request has ended, or another may go out; those that have ended."""
        pause = self._pause()
        if not self._flying:
            self.tally.waits_until = monotonic() + (pause or 0)
            await asyncio.sleep(pause or 0)
            return []
        done, _ = await asyncio.wait(
            self._flying, timeout=pause, return_when=asyncio.FIRST_COMPLETED
        )
        return [(*self._flying.pop(task), task) for task in done]

    def _pause(self) -> float | None:
        """Seconds until another request may go out though none has ended; None for never."""
        if self.stopped or len(self._flying) >= self._pace.limit:
            return None
        waits = [0.0] if self._more else []
        waits += [self._again[0][0] - monotonic()] if self._again else []
        return max(self._pace.wait, min(waits), 0.01) if waits else None

    def _results(self, work: _Work, turn: Turn, task: asyncio.Task[Answer]) -> Iterator[Mapped]:
        """What a request that has ended means for its items."""
        if task.cancelled():
            self._stop(work)
            return
        try:
            answer = task.result()
        except GLMError as error:
            yield from self._failed(work, error)
            return
        del self._pending[work.key]
        if work.kept:
            self.tally.kept += len(work.positions)
        if answer is turn.answer:
            self._pace.succeeded()
        for position in work.positions:
            yield self._success(position, answer)

    def _stop(self, work: _Work) -> None:
        """Ask nothing more: the user has stopped an answer that is under way."""
        del self._pending[work.key]
        self.stopped = GLMError(_("Its answers were stopped by the panel or by stop_running()."))
        for task in self._flying:
            task.cancel()

    def _count(self, answer: Answer) -> None:
        self.tally.asked += 1
        if answer.cost is None:
            self.tally.unpriced += 1
        else:
            self.tally.paid = add(self.tally.paid, answer.cost)
            self.tally.currency = answer.currency or self.tally.currency

    def _failed(self, work: _Work, error: GLMError) -> Iterator[Mapped]:
        if isinstance(error, BudgetError) and not error.per_request:
            self._pace.crowded()
            # What is in flight here gives back; otherwise others have to, of another partition.
            due = monotonic() + (0 if self._flying else FIRST_WAIT)
            heapq.heappush(self._again, (due, work.positions[0], work))
            return
        work.tries += 1
        if isinstance(error, BusyError) and error.retryable:
            self._pace.refused(error.retry_after)
        elif error.retryable:
            self._pace.failed()
        if self._pace.hopeless or self._is_final(error):
            self.stopped = error
        elif error.retryable and work.tries < TRIES:
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (work.tries - 1))
            due = monotonic() + max(error.retry_after or 0, wait) + random.uniform(0, FIRST_WAIT)  # noqa: S311
            heapq.heappush(self._again, (due, work.positions[0], work))
            return
        del self._pending[work.key]
        for position in work.positions:
            yield self._failure(position, error)

    def _is_final(self, error: GLMError) -> bool:
        """Whether all that would be asked after this error would meet it too."""
        if isinstance(error, AuthenticationError):
            return True
        if isinstance(error, BusyError) and not error.retryable:
            return True  # a quota is used up
        if error.retryable and (error.retry_after or 0) > LONGEST_ASKED:
            return True
        self._in_vain += isinstance(error, RequestError)
        nothing_yet = self.tally.done == self.tally.kept
        return nothing_yet and self._in_vain >= MOST_IN_VAIN

    def _success(self, position: int, answer: Answer) -> Mapped:
        self.tally.done += 1
        self.tally.cut += not answer.complete
        return Mapped(position, answer)

    def _failure(self, position: int, error: GLMError) -> Mapped:
        self.tally.failed += 1
        return Mapped(position, None, error)

"""What the workers of a Dask cluster share: the rights, the budget and the kept answers.

The rights are one `distributed.Semaphore`. Money and answers are kept by the scheduler, in a
plugin that the first worker brings there: they outlive any worker, and it needs no disk that all
machines share. A worker's calls go there many at a time.
"""

from __future__ import annotations

import asyncio
import pickle
from collections import deque
from collections.abc import Coroutine
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from distributed import Semaphore
from distributed.diagnostics.plugin import SchedulerPlugin

from glm_jupyter.answer import Answer
from glm_jupyter.api.errors import InputError
from glm_jupyter.exact import add
from glm_jupyter.language import _

from .budget import Allowance, AllowanceError
from .cache import AnswerCache, lasting, packed, restored
from .partition import Shared, servers_of

if TYPE_CHECKING:
    from .partition import Plan

NAME = "glm_jupyter"
GATHERING = 0.005  # seconds in which calls come together
MOST_WAITING = 8  # requests for the rights that a worker has at the scheduler


class Keeper(SchedulerPlugin):
    """At the scheduler: what maps have paid and hold back, and the answers they have had.

    What a worker holds back when it dies counts as spent: it may have been.
    """

    name = NAME

    def __init__(self) -> None:
        self._allowances: dict[str, Allowance] = {}
        self._held: dict[tuple[str, str], Decimal] = {}  # by worker and map

    async def start(self, scheduler: Any) -> None:
        """Listen to the workers."""
        self._answers = await asyncio.to_thread(AnswerCache)
        scheduler.handlers[NAME] = self.handle

    async def close(self) -> None:
        """Write what is not yet on the disk."""
        await asyncio.to_thread(self._answers.__exit__)

    def remove_worker(self, scheduler: Any, worker: str, **more: Any) -> None:
        """Count as spent what a worker held back."""
        for who, of in [key for key in self._held if key[0] == worker]:
            held = self._held.pop((who, of))
            self._allowances[of].settle(held, held)

    async def handle(self, worker: str, calls: list[list[Any]]) -> list[Any]:
        """Answer the calls of a worker, each a name and its arguments, in their order."""
        return [await self._call(worker, *call) for call in calls]

    async def _call(self, worker: str, name: str, *args: Any) -> Any:
        match name, args:
            case "row", (key,):
                return await self._answers.row(key)
            case "put", (key, run, answer):
                self._answers.put_row(key, run, answer)
            case "take", (of, most, currency, worst):
                allowance = self._allowances.setdefault(of, Allowance(Decimal(most), currency))
                try:
                    await allowance.take(Decimal(worst))
                except AllowanceError as error:
                    return [str(error), error.remedy, error.waits]
                held = self._held.get((worker, of), Decimal(0))
                self._held[worker, of] = add(held, Decimal(worst))
            case "settle", (of, held, cost):
                # A worker that was taken for dead holds nothing more: all of it counts as spent.
                if (mine := self._held.get((worker, of))) is not None:
                    self._held[worker, of] = add(mine, Decimal(held).copy_negate())
                    self._allowances[of].settle(Decimal(held), Decimal(cost))
        return None


class Cluster:
    """A worker's way to what is shared; one for all its partitions, used in their loop."""

    _known: tuple[Any, Self] | None = None

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._calls: list[tuple[list[Any], asyncio.Future[Any] | None]] = []
        self._rights: dict[str, Rights] = {}
        self._opening: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    def of(cls, worker: Any) -> Self:
        """The one of this worker."""
        if cls._known is None or cls._known[0] is not worker:
            cls._known = worker, cls(worker)
        return cls._known[1]

    async def shared(self, plan: Plan) -> Shared:
        """What the partitions of a map share on this cluster."""
        self._opening = self._opening or asyncio.ensure_future(self._open())
        try:
            await asyncio.shield(self._opening)
        except InputError:
            self._opening = None  # the next map tries again
            raise
        name = f"{NAME} {plan.base_url} {plan.options.model} {plan.in_flight}"
        if name not in self._rights:
            self._rights[name] = Rights(self, name, plan.in_flight)
        allowance = plan.allowance(here=False)
        purse = allowance and ClusterPurse(self, plan.id, allowance)
        kept = ClusterAnswers(self, plan.id, fresh=plan.options.fresh)
        return Shared(self._rights[name], purse, servers_of(plan.urls), kept)

    async def _open(self) -> None:
        try:
            await self.at_scheduler(
                self._worker.scheduler.register_scheduler_plugin(
                    plugin=pickle.dumps(Keeper()), name=NAME, idempotent=True
                )
            )
        except Exception as error:  # whatever the scheduler's side raises, or its want of us
            raise InputError(
                _(
                    "Dask's scheduler cannot keep budget and answers: {kind}: {error}. Nothing "
                    "was sent."
                ).format(kind=type(error).__name__, error=error),
                remedy=_(
                    "Install glm-jupyter where the scheduler runs, too, and let it take plugins "
                    "(`distributed.scheduler.pickle`)."
                ),
            ) from None

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that nobody waits for, and that nobody who leaves may stop."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def at_scheduler(self, call: Coroutine[Any, Any, Any]) -> Any:
        """What a call from the worker's own loop brings."""
        loop = self._worker.loop.asyncio_loop
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, loop))

    async def ask(self, *call: Any) -> Any:
        """What the keeper answers."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._add(list(call), answer)
        return await answer

    def tell(self, *call: Any) -> None:
        """Tell the keeper something."""
        self._add(list(call), None)

    def _add(self, call: list[Any], answer: asyncio.Future[Any] | None) -> None:
        if not self._calls:
            self.start(self._send())
        self._calls.append((call, answer))

    async def _send(self) -> None:
        await asyncio.sleep(GATHERING)
        sent, self._calls = self._calls, []
        worker = self._worker
        try:
            answers = await self.at_scheduler(
                getattr(worker.scheduler, NAME)(
                    worker=worker.address, calls=[call for call, _ in sent]
                )
            )
        except Exception as error:
            for _, waiting in sent:
                if waiting and not waiting.done():
                    waiting.set_exception(error)
            return
        for (_, waiting), answer in zip(sent, answers, strict=True):
            if waiting and not waiting.done():
                waiting.set_result(answer)


class Rights:
    """The account's rights over all workers, entered for each request.

    A worker asks for a few at a time: each one that is given back wakes all who ask.
    """

    def __init__(self, cluster: Cluster, name: str, most: int) -> None:
        self._cluster = cluster
        self._semaphore = Semaphore(max_leases=most, name=name)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._asking = 0

    async def __aenter__(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._ask()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()
            raise

    async def __aexit__(self, *exc: object) -> None:
        self._release()

    def _ask(self) -> None:
        while self._asking < min(MOST_WAITING, len(self._waiting)):
            self._asking += 1
            self._cluster.start(self._lease())

    async def _lease(self) -> None:
        failure: Exception | None = None
        try:
            await self._cluster.at_scheduler(self._acquire())
        except Exception as error:  # the scheduler is gone, for whoever waits
            failure = error
        finally:
            self._asking -= 1
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                if failure:
                    turn.set_exception(failure)
                else:
                    turn.set_result(None)
                self._ask()
                return
        if not failure:
            self._release()

    def _release(self) -> None:
        self._cluster.start(self._cluster.at_scheduler(self._give_back()))

    # In the worker's own loop, where a Semaphore is awaited.
    async def _acquire(self) -> None:
        await self._semaphore.acquire()

    async def _give_back(self) -> None:
        await self._semaphore.release()


class ClusterPurse:
    """A budget that the keeper counts."""

    def __init__(self, cluster: Cluster, of: str, allowance: Allowance) -> None:
        self._cluster = cluster
        self._of = of
        self._allowance = allowance

    async def take(self, worst: Decimal) -> None:
        """Hold back `worst`. Raises AllowanceError where that may be too much."""
        most, currency = str(self._allowance.most), self._allowance.currency
        if refused := await self._cluster.ask("take", self._of, most, currency, str(worst)):
            message, remedy, waits = refused
            raise AllowanceError(message, remedy=remedy, waits=waits)

    def settle(self, held: Decimal, cost: Decimal) -> None:
        """Spend `cost` in place of what was held back."""
        self._cluster.tell("settle", self._of, str(held), str(cost))


class ClusterAnswers:
    """The kept answers, which the keeper has."""

    def __init__(self, cluster: Cluster, run: str, *, fresh: bool) -> None:
        self._cluster = cluster
        self._run = run
        self._fresh = fresh

    async def get(self, key: str) -> tuple[Answer, bool] | None:
        """The answer kept under `key`, and whether it is from an earlier run."""
        row = await self._cluster.ask("row", key)
        return restored(row and (row[0], row[1]), self._run, fresh=self._fresh)

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer that would end so again."""
        if lasting(answer):
            self._cluster.tell("put", key, self._run, packed(answer))

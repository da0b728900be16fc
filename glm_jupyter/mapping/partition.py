"""One partition of a Dask collection, answered in whatever process Dask computes it in.

All partitions of a process are answered in one event loop, which has a thread of its own. What
they share, the account's rights, the budget and the kept answers, is in this process, or at one
place for all workers of a cluster (`cluster.py`). No key travels: each process has its own, from
its environment or keyring.
"""

from __future__ import annotations

import asyncio
import copyreg
import multiprocessing
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import MISSING, dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import uuid4

from glm_jupyter.api.client import Client
from glm_jupyter.api.errors import AuthenticationError, InputError
from glm_jupyter.language import _
from glm_jupyter.schema import schema_of
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.options import AskOptions
from glm_jupyter.sessions.session import Session
from glm_jupyter.sessions.settings import GLM
from glm_jupyter.sessions.target import Target

from .answers import Answers
from .budget import Allowance, Purse
from .cache import AnswerCache, Kept
from .concurrency import ConcurrencyLimit
from .fields import table
from .items import each, index_of, prompts
from .scheduler import Scheduler
from .servers import Servers

PROCESS = uuid4().hex

# A dataclass of the notebook's travels by value, and its fields ask whether something `is MISSING`.
copyreg.pickle(type(MISSING), lambda missing: "MISSING")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a map asks, decided when it was written; it travels to the workers and has no key.

    `process` is where it was written, whose session is used there; elsewhere one is made with the
    same `settings` and `choices`. `in_flight` are the requests the account may have at once,
    `budget` what this map may spend, `session_left` what the session may.
    """

    id: str
    process: str
    prompt: str | None
    options: AskOptions
    urls: tuple[str, ...]
    base_url: str
    in_flight: int
    budget: Decimal | None
    session_left: Decimal | None
    currency: str
    settings: dict[str, Any]
    choices: dict[str, Any]
    recording: bool

    def __dask_tokenize__(self) -> str:
        return self.id  # what is in it, such as a class of the notebook's, may have no name

    def session(self) -> Session:
        """The session to ask with. Raises InputError where what it does needs its own kernel."""
        if self.process == PROCESS:
            return sessions.current()
        if self.recording:
            raise InputError(
                _(
                    "Recordings are made and replayed in their own kernel, and Dask computes this "
                    "map in another process."
                ),
                remedy=_(
                    "Compute it with scheduler='threads', or switch the recording off before "
                    "the map is written."
                ),
            )
        session = Session(GLM(**self.settings), _session().budgets)
        for name, value in self.choices.items():
            setattr(session, name, value)
        return session

    def allowance(self, *, here: bool) -> Allowance | None:
        """What the map may spend; `here` the session itself sees to its own budget."""
        limits = [self.budget] if here else [self.budget, self.session_left]
        most = min((limit for limit in limits if limit is not None), default=None)
        return None if most is None else Allowance(most, self.currency)


def answered(items: Any, plan: Plan) -> Any:
    """The answers about the items of a partition, as `fields.table` has them.

    What has no answer is missing, with a warning that says why. Raises the GLMError that stops
    the map.
    """
    worker = _worker(plan)
    begun = threading.Event()  # all of it, or over
    listed = items if index_of(items) is not None else list(items)
    future = asyncio.run_coroutine_threadsafe(_answer(listed, plan, worker, begun.set), _loop())
    future.add_done_callback(lambda _: begun.set())
    try:
        begun.wait()
        if worker and not future.done():
            from distributed import secede

            secede()  # the next partition may begin, while the last answers of this one come
        answers = future.result()
    except BaseException:
        future.cancel()
        raise
    if answers.errors:
        _warn(answers)
    wanted = plan.options.schema
    schema = None if wanted is None else schema_of(wanted)
    return table(answers, schema, answers.index)


async def _answer(items: Any, plan: Plan, worker: Any, begun: Callable[[], None]) -> Answers:
    session = plan.session()
    options = plan.options
    target = _checked_target(plan, session)
    answers = Answers(len(items), index_of(items))
    shared = await _shared(plan, worker)
    async with AsyncExitStack() as stack:
        kept = shared.kept or stack.enter_context(
            AnswerCache(
                run=plan.id, fresh=options.fresh or plan.recording, lasting=not plan.recording
            )
        )
        dispatch = Scheduler(
            session,
            prompts(each(items), plan.prompt, {}),
            options,
            target=target,
            source=await stack.enter_async_context(Client(tries=1)),
            pace=ConcurrencyLimit.of(plan.in_flight),
            cache=kept,
            purse=shared.purse,
            rights=shared.rights,
            servers=shared.servers,
        )
        stack.enter_context(session.budgets.ledger.in_background())
        results = await stack.enter_async_context(aclosing(dispatch.results()))
        async for position, answer, error in results:
            answers.put(position, answer, error)
            if dispatch.ending:
                begun()
    if dispatch.stopped:
        raise dispatch.stopped
    return answers


def _checked_target(plan: Plan, session: Session) -> Target:
    """Who answers this process; raises where that is not who was meant, or nobody can."""
    try:
        target = session.target(plan.options)
    except AuthenticationError as error:
        if plan.process == PROCESS:
            raise
        raise AuthenticationError(
            _("A worker has no key: {error}").format(error=error),
            remedy=_(
                "Keys do not travel with a map. Set ZAI_API_KEY in the environment of the workers."
            ),
        ) from None
    if target.endpoint.base_url != plan.base_url:
        raise InputError(
            _(
                "This map was written for {written}, and {name} is {here} for this worker. "
                "Nothing was sent."
            ).format(
                written=plan.base_url,
                name=target.endpoint.name,
                here=target.endpoint.base_url,
            ),
            remedy=_("Set ZAI_BASE_URL in the environment of the workers as in the notebook's."),
        )
    return target


@dataclass(slots=True)
class Shared:
    """What the partitions of a map share; where `kept` is None, it is the user's cache."""

    rights: AbstractAsyncContextManager[Any]
    purse: Purse | None
    servers: Servers | None
    kept: Kept | None = None


@dataclass(slots=True)
class _Here:
    """What is shared in this process, by those who ask the same or spend the same money."""

    rights: dict[tuple[str, str | None, int], asyncio.Semaphore] = field(default_factory=dict)
    purses: dict[str, Allowance | None] = field(default_factory=dict)


_HERE = _Here()


async def _shared(plan: Plan, worker: Any) -> Shared:
    if worker:
        from .cluster import Cluster

        return await Cluster.of(worker).shared(plan)
    rights = _HERE.rights.setdefault(
        (plan.base_url, plan.options.model, plan.in_flight), asyncio.Semaphore(plan.in_flight)
    )
    purse = _HERE.purses.setdefault(plan.id, plan.allowance(here=plan.process == PROCESS))
    return Shared(rights, purse, servers_of(plan.urls))


@cache
def servers_of(urls: tuple[str, ...]) -> Servers | None:
    """The servers of a list, as this process sees them."""
    return Servers(urls) if urls else None


def _worker(plan: Plan) -> Any:
    """The worker of a cluster that this is, or None.

    Raises InputError in a process that shares nothing with the others.
    """
    if "distributed" in sys.modules:
        from distributed import get_worker

        try:
            return get_worker()
        except ValueError:
            pass  # no worker
    if plan.process != PROCESS and multiprocessing.parent_process() is not None:
        raise InputError(
            _(
                "Dask computes this map in several processes, which know nothing of what the "
                "others ask and spend. Nothing was sent."
            ),
            remedy=_(
                "Compute it with scheduler='threads', or on a cluster: "
                "`distributed.Client()`, also on this machine."
            ),
        )
    return None


_starting = threading.Lock()


def _loop() -> asyncio.AbstractEventLoop:
    """The event loop of all partitions."""
    with _starting:
        return _new_loop()


@cache
def _new_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="glm-jupyter-map", daemon=True).start()
    return loop


@cache
def _session() -> Session:
    """A session of this process, for its budgets: those of a day and a month."""
    return Session()


def _warn(answers: Answers) -> None:
    """Say how many have no answer, and why the first of them has none, to who computes."""
    first = answers.errors[min(answers.errors)]
    message = (
        _("{failed} of {count} items of a partition have no answer. The first: {error} {remedy}")
        .format(failed=len(answers.errors), count=len(answers), error=first, remedy=first.remedy)
        .strip()
    )
    if "distributed" in sys.modules:
        from distributed import warn

        warn(message)
    else:
        warnings.warn(message, stacklevel=2)

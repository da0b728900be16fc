"""`map` and `amap`: what users call, and who answers them, how many at a time, kept where."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping, Sized
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

from glm_jupyter import bridge
from glm_jupyter.api.client import Client
from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.language import N_, _, ngettext, sentences
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.options import AskOptions

from .answers import Answers
from .batch_draft import check as check_batch
from .batch_draft import drafted
from .batch_run import BatchRun
from .batch_state import BatchState
from .batch_state import find as find_batch
from .budget import Allowance
from .cache import AnswerCache
from .concurrency import pace
from .items import check_prompt, each, index_of, is_dask, prompts
from .progress import progress
from .scheduler import Mapped, Scheduler, Tally
from .servers import Servers
from .table import labels_of

_KEPT = N_("What is answered is kept: the same map goes on from there.")


class MapInterrupted(KeyboardInterrupt):
    """The user stopped a map; `answers` has what was answered until then."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self.answers = answers

    def _render_traceback_(self) -> list[str]:
        given = _given(self.answers)
        text = _("Stopped, without an answer.")
        if given:
            text = ngettext(
                "Stopped after {count} answer.", "Stopped after {count} answers.", given
            )
        return [sentences(text.format(count=given), _goes_on(self.answers))]


class MapStopped(GLMError):
    """A map that did not come to its end; `answers` has what was answered until then."""

    def __init__(self, error: GLMError, answers: Answers) -> None:
        given = _given(answers)
        text = _("The map was stopped, without an answer.")
        if given:
            text = ngettext(
                "The map was stopped after {count} answer.",
                "The map was stopped after {count} answers.",
                given,
            )
        super().__init__(
            sentences(text.format(count=given), str(error)),
            remedy=sentences(error.remedy, _goes_on(answers)),
            code=error.code,
            status=error.status,
            retryable=error.retryable,
            retry_after=error.retry_after,
        )
        self.answers = answers


def map(
    items: Iterable[Any],
    prompt: str | None = None,
    *,
    concurrency: int | str = "auto",
    budget: str | float | None = None,
    batch: bool = False,
    fresh: bool = False,
    **options: Any,
) -> Any:
    """Ask the same about every item of a list, a Series, or the rows of a DataFrame.

    In a `prompt` with double braces, `{{ item }}` is the item, and `{{ column }}` a column of
    the row; otherwise the item stands below the prompt. `options` are those of `ask`.

    As many requests are in flight as `c.GLM.level` allows for the model, or `concurrency`. The
    same request is asked once. Answers are kept for 30 days in the user's cache folder, so that
    the same map run again, after an interrupt or in a new kernel, pays only for what is missing;
    `fresh` asks everything anew, and asks the service while a recording is replayed. No request
    goes out that might pass `budget` ("5 RMB", or 5 in the endpoint's currency).

    `endpoint` may be a list of base URLs of your own servers, which have the same model: requests
    go to the one with the fewest in flight, and one that fails is left out for a while.

    With `batch` the service answers within a day, mostly sooner, at half the price. Whatever
    happens meanwhile, the same map goes on from where it was; what does not fit `schema` is
    asked once more in a second batch.

    Of a Bag, Series or DataFrame of Dask's nothing is asked yet: it gives a Dask Series of the
    texts, or with `schema` a Dask DataFrame of its fields, which Dask computes. Of anything else
    it gives Answers.

    An item that fails does not stop the rest: see `Answers.errors`. Raises MapStopped, which has
    the answers so far, where going on makes no sense: the budget, the key, a service out of
    reach. An interrupt raises MapInterrupted, a KeyboardInterrupt that has them too.
    """
    asked, servers = _asked(fresh=fresh, **options)
    limits: dict[str, Any] = {"concurrency": concurrency, "budget": budget, "batch": batch}
    limits["servers"] = servers
    if is_dask(items):
        from .lazy import lazily

        return lazily(items, prompt, asked, **limits)
    answers = answers_for(items)
    try:
        bridge.run(fill(answers, items, prompt, {}, asked, **limits))
    except KeyboardInterrupt:
        raise MapInterrupted(answers) from None
    return answers


async def amap(
    items: Iterable[Any],
    prompt: str | None = None,
    *,
    concurrency: int | str = "auto",
    budget: str | float | None = None,
    batch: bool = False,
    fresh: bool = False,
    **options: Any,
) -> AsyncGenerator[Mapped, None]:
    """`map` as an asynchronous iterator: `Mapped(position, answer, error)`, as they come.

    The arguments are those of `map`. Nothing is remembered of what has been given out, so
    `items` may be an iterator without end. Raises the GLMError that stops it.
    """
    asked, servers = _asked(fresh=fresh, **options)
    limits: dict[str, Any] = {"concurrency": concurrency, "budget": budget, "batch": batch}
    limits["servers"] = servers
    with bridge.short_when_stopped(sentences(_("Stopped."), _(_KEPT))):
        async with _dispatch(items, prompt, {}, asked, **limits) as dispatch:
            async with aclosing(dispatch.results()) as results:
                async for result in results:
                    yield result
            if dispatch.stopped:
                raise dispatch.stopped


def batch(id: str, *, schema: Any = None) -> Answers:
    """The answers of a batch that a map has handed in, in the order of its items.

    `id` is the service's, as `%glm tasks` lists it; for `parsed`, give the `schema` again. Waits
    until the batch has ended, and costs nothing more. Raises GLMError.
    """
    answers = Answers()
    try:
        bridge.run(fill_from_batch(answers, id, schema))
    except KeyboardInterrupt:
        raise MapInterrupted(answers) from None
    return answers


def _given(answers: Answers) -> int:
    return sum(answer is not None for answer in answers)


def _goes_on(answers: Answers) -> str:
    if answers.batches and answers.under_way:
        return _("The batch goes on: the same map waits for it again, and `%glm tasks` lists it.")
    return _(_KEPT) if any(answers) else ""


def answers_for(items: Iterable[Any]) -> Answers:
    """The Answers about `items` before anything is asked."""
    if not isinstance(items, Sized):
        return Answers()
    return Answers(len(items), index_of(items), labels_of(items))


async def fill(
    answers: Answers,
    items: Iterable[Any],
    prompt: str | None,
    namespace: Mapping[str, Any] | None,
    options: AskOptions,
    **limits: Any,
) -> None:
    """Put the answers about `items` into `answers`, showing how far it is.

    Names in the prompt's braces are looked up in `namespace` too; without one, braces are text.
    """
    async with _dispatch(items, prompt, namespace, options, **limits) as dispatch:
        await _fill(answers, dispatch)
    if len(answers.errors) == len(answers) > 0:
        raise MapStopped(answers.errors[0], answers) from answers.errors[0]


async def fill_from_batch(answers: Answers, batch: str, schema: Any = None) -> None:
    """Put the answers of a batch into `answers`, showing how far it is."""
    state = find_batch(batch)
    if state is None:
        raise InputError(
            _("There is no batch {batch} on this machine.").format(batch=batch),
            remedy=_("`%glm tasks` lists those there are."),
        )
    try:
        run, session = state.run, sessions.current()
        options = AskOptions.of(model=run.model, endpoint=run.endpoint, schema=schema)
        target = session.target(options, to_send=not state.done)
        if target.endpoint.base_url != run.base_url:
            raise InputError(
                _(
                    "The batch {batch} was handed in at {then}, and {endpoint} is now at {now}."
                ).format(
                    batch=batch,
                    then=run.base_url,
                    endpoint=run.endpoint,
                    now=target.endpoint.base_url,
                ),
                remedy=_("Set ZAI_BASE_URL as it was then, and restart the kernel."),
            )
        for position in range(state.size()):
            answers.put(position, None)
    except BaseException:
        state.close()
        raise

    async def opened(tally: Tally) -> BatchState:
        return state

    with AnswerCache() as cache, bridge.awake():
        dispatch = BatchRun(session, options, target=target, cache=cache, opened=opened)
        dispatch.tally.total = len(answers)
        await _fill(answers, dispatch)


async def _fill(answers: Answers, dispatch: Scheduler | BatchRun) -> None:
    with progress(dispatch.tally):
        if isinstance(dispatch, BatchRun):
            answers.batches, answers.under_way = dispatch.batches, True
        async with aclosing(dispatch.results()) as results:
            async for position, answer, error in results:
                answers.put(position, answer, error)
    if isinstance(dispatch, BatchRun):
        answers.under_way = dispatch.under_way
    if dispatch.stopped:
        raise MapStopped(dispatch.stopped, answers) from dispatch.stopped


@asynccontextmanager
async def _dispatch(
    items: Iterable[Any],
    prompt: str | None,
    namespace: Mapping[str, Any] | None,
    options: AskOptions,
    *,
    concurrency: int | str = "auto",
    budget: str | float | None = None,
    batch: bool = False,
    servers: Servers | None = None,
) -> AsyncGenerator[Scheduler | BatchRun, None]:
    check_prompt(prompt)
    if batch and servers:
        raise InputError(
            _("Servers of your own take no batches. Nothing was sent."),
            remedy=_("Leave out batch=True, or the list of endpoints."),
        )
    listed = each(items)
    session = sessions.current()
    # Checks the key too, before anything is sent.
    target = session.target(options)
    replayed = session.replayer is not None and not options.fresh
    if batch and not replayed:
        check_batch(options, target)
    free = replayed or target.endpoint.name == "local"
    limit = pace(target, session.settings.level, concurrency, servers)
    purse = None if budget is None or free else Allowance.of(budget, target)
    async with AsyncExitStack() as stack:
        # A recording must get every answer, also those that an earlier run has brought; what is
        # replayed was not paid for, and is not to be taken for a service's answer later.
        anew = options.fresh or session.recorder is not None
        cache = stack.enter_context(AnswerCache(fresh=anew, lasting=not replayed))
        asked_for = prompts(listed, prompt, namespace)
        dispatch: Scheduler | BatchRun
        if batch and not replayed:
            asked = prompt or _("the items alone")

            def opened(tally: Tally) -> Awaitable[BatchState]:
                more: dict[str, Any] = {"target": target, "cache": cache, "tally": tally}
                return drafted(session, asked_for, options, asked=asked, **more)

            dispatch = BatchRun(
                session,
                options,
                target=target,
                cache=cache,
                opened=opened,
                budget=budget,
                again=True,
                recorder=session.recorder,
            )
        else:
            dispatch = Scheduler(
                session,
                asked_for,
                options,
                target=target,
                source=await stack.enter_async_context(Client(tries=1)),
                pace=limit,
                cache=cache,
                purse=purse,
                servers=None if replayed else servers,
            )
        dispatch.tally.total = len(items) if isinstance(items, Sized) else None
        dispatch.tally.recorded = replayed
        stack.enter_context(session.budgets.ledger.in_background())
        stack.enter_context(bridge.awake())
        yield dispatch


def _asked(endpoint: Any = None, **options: Any) -> tuple[AskOptions, Servers | None]:
    """The options of a map, and the servers that answer it, where `endpoint` is a list of them."""
    if not isinstance(endpoint, list | tuple):
        return AskOptions.of(endpoint=endpoint, **options), None
    servers = Servers(endpoint)
    return AskOptions.of(endpoint=servers.urls[0], **options), servers

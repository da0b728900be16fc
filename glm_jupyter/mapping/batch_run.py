"""A map by the service's Batch API: handed in, watched, and fetched, whatever comes between.

Each step is written down before it is taken, so that the same map goes on from there in another
kernel, on another day, and pays for nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, suppress
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from glm_jupyter import bridge
from glm_jupyter.answer import Answer
from glm_jupyter.api import batches, files
from glm_jupyter.api import events as ev
from glm_jupyter.api.errors import GLMError, IncompleteError, InputError, NetworkError, RequestError
from glm_jupyter.api.http import Http
from glm_jupyter.api.request import ChatRequest
from glm_jupyter.exact import add
from glm_jupyter.language import N_, _, sentences
from glm_jupyter.money.amounts import total
from glm_jupyter.money.ledger import Job
from glm_jupyter.money.quote import Quote
from glm_jupyter.recordings.recorder import Asked, Recorded
from glm_jupyter.schema import SchemaError, schema_of
from glm_jupyter.sessions.notebook import notebook_path
from glm_jupyter.sessions.turn import repair

from .batch_draft import AT_ONCE, fitting, half
from .batch_state import BatchState, Sent, Shard, on_disk
from .budget import Allowance
from .cache import packed, unpacked
from .scheduler import Mapped, Tally

if TYPE_CHECKING:
    from glm_jupyter.recordings.recorder import Recorder
    from glm_jupyter.sessions.options import AskOptions
    from glm_jupyter.sessions.session import Session
    from glm_jupyter.sessions.target import Target

    from .cache import AnswerCache

T = TypeVar("T")

# Seconds between two questions about a batch.
FIRST_WAIT = 3.0
LONGEST_WAIT = 60.0
GROWTH = 1.25
TRIES = 6  # to hand a file in
# What the service says of a batch that has not ended.
STATES = {
    "validating": N_("validating"),
    "in_progress": N_("in progress"),
    "finalizing": N_("finalizing"),
    "cancelling": N_("cancelling"),
}


class BatchRun:
    """Carries a batch to its end. `opened` gives its state; `budget` is what it may cost.

    With `again`, what does not fit the schema is asked once more, in a second batch. `recorder`
    gets all that is answered.
    """

    def __init__(
        self,
        session: Session,
        options: AskOptions,
        *,
        target: Target,
        cache: AnswerCache,
        opened: Callable[[Tally], Awaitable[BatchState]],
        budget: str | float | None = None,
        again: bool = False,
        recorder: Recorder | None = None,
    ) -> None:
        self.tally = Tally()
        self.stopped: GLMError | None = None
        self.batches: list[str] = []  # their ids at the service
        self.under_way = True  # some of them, there
        self._session = session
        self._options = options
        self._target = target
        self._endpoint = target.endpoint
        self._cache = cache
        self._opened = opened
        self._budget = budget
        self._again = again
        self._recorder = recorder
        self._http = Http()

    async def results(self) -> AsyncGenerator[Mapped, None]:
        """The results as they come. Where it is closed, the batch goes on at the service."""
        with on_disk():
            state = await self._opened(self.tally)
            first = [shard for shard in state.shards() if not shard.second]
            try:
                self._check_recording(state)
                await self._check(first)
                try:
                    async with self._http, aclosing(self._carried(state, first)) as carried:
                        async for result in carried:
                            yield result
                except GLMError as error:
                    self.stopped = error
                    self.under_way = any(s.batch and not s.booked for s in state.shards())
                    return
                self.under_way = False
                state.finish()
            finally:
                shards = state.shards()
                for shard in shards:
                    if shard.attempt:
                        self._session.budgets.leave(shard.attempt)
                if not any(shard.attempt for shard in shards):
                    state.remove()  # nothing is paid, and the prompts need not stay
                else:
                    state.close()

    async def _carried(self, state: BatchState, first: list[Shard]) -> AsyncGenerator[Mapped, None]:
        async with aclosing(self._known(state)) as known:
            async for result in known:
                yield result
        async with aclosing(self._answered(state, first)) as answered:
            async for result in answered:
                yield result
        if self._again:
            await bridge.in_thread(state.ask_again, self._second_lines(state))  # may be thousands
            for sent in state.misfits():
                answer = _misfit(sent)
                for result in self._mapped(state, sent.number, answer, self._valued(answer)):
                    yield result
        second = [shard for shard in state.shards() if shard.second]
        await self._check(second)
        async with aclosing(self._answered(state, second)) as answered:
            async for result in answered:
                yield result

    async def _answered(
        self, state: BatchState, shards: list[Shard]
    ) -> AsyncGenerator[Mapped, None]:
        for shard in shards:
            if not shard.batch:
                await self._hand_in(state, shard)
            self.batches.append(shard.batch)
        async with aclosing(self._watched(state, shards)) as watched:
            async for result in watched:
                yield result

    def _second_lines(self, state: BatchState) -> Iterator[tuple[int, bytes, int, Decimal | None]]:
        """What asks again for the values of answers that were none."""
        for sent in state.misfits():
            answer = _misfit(sent)
            misfit = self._valued(answer)
            if not isinstance(misfit, SchemaError):
                continue
            line = state.line(sent.shard, sent.place)
            body = line["body"]
            body["messages"] += repair(answer, self._target.known, misfit)
            request = ChatRequest(
                body["model"], tuple(body["messages"]), max_tokens=body.get("max_tokens")
            )
            with suppress(InputError):  # no room for it in the model's context
                quote = Quote.of(request, self._endpoint, self._target.known, Decimal(0))
                yield (
                    sent.number,
                    batches.written(line),
                    quote.prompt_tokens,
                    half(quote.worst),
                )

    def _check_recording(self, state: BatchState) -> None:
        """Raise InputError where some answers are not the service's, which alone are recorded."""
        if self._recorder and any(state.kept()):
            raise InputError(
                _(
                    "This batch was begun without a recording, and some of its answers are from "
                    "earlier maps: these cannot be recorded. Nothing was sent."
                ),
                remedy=_(
                    "`%glm record off`, and run the map to its end; recorded afterwards, "
                    "everything is asked anew."
                ),
            )

    async def _check(self, shards: list[Shard]) -> None:
        """Raise GLMError where what is not yet handed in may cost more than is left."""
        waiting = [shard for shard in shards if not shard.batch]
        if not waiting:
            return
        whole = self._quote(waiting)
        if self._budget is not None:
            allowance = Allowance.of(self._budget, self._target)
            if whole.worst is None:
                raise InputError(
                    _(
                        "How long an answer of {model} can be is not known, so a budget "
                        "cannot be kept. Nothing was sent."
                    ).format(model=self._target.model),
                    remedy=_("Give max_tokens."),
                )
            handed_in = total(shard.most for shard in shards if shard.batch) or Decimal(0)
            allowance.paid = add(self.tally.paid, handed_in)
            allowance.check(whole.worst)
        if not any(shard.attempt for shard in waiting):
            await bridge.in_thread(self._session.budgets.check, whole)

    async def _known(self, state: BatchState) -> AsyncGenerator[Mapped, None]:
        """The results that need no request."""
        for position, error in state.failed():
            yield self._failure(position, error)
        requests = state.kept()
        while some := list(islice(requests, AT_ONCE)):
            kept = await fitting(self._cache, (key for _, key in some), self._options)
            for number, key in some:
                answer = kept.get(key)
                for position in state.positions(number):
                    if answer is None:
                        yield self._failure(position, _gone())
                    else:
                        self.tally.kept += 1
                        yield self._success(position, answer)

    async def _hand_in(self, state: BatchState, shard: Shard) -> None:
        """Have the service take a file of requests, once."""
        if shard.attempt and (batch := await self._lost(shard)):
            # A kernel that was killed may not have written down what it held back.
            await self._hold(shard, anyway=True)
            self._adopt(state, shard, batch)
            return
        if not shard.file:
            self.tally.says = _("sending {count:,} requests").format(count=shard.lines)
            path = state.requests(shard)
            upload = partial(batches.uploaded, self._http, self._endpoint, path)
            shard.file = await self._patiently(upload, TRIES)
            state.note(shard)
        batch = await self._patiently(partial(self._create, state, shard), TRIES)
        self._adopt(state, shard, batch)

    async def _create(self, state: BatchState, shard: Shard) -> batches.Batch:
        if shard.attempt:
            self._void(shard)
        shard.attempt = uuid4().hex
        state.note(shard)
        try:
            await self._hold(shard)
        except GLMError:
            shard.attempt = ""
            state.note(shard)
            raise
        try:
            return await batches.created(self._http, self._endpoint, shard.file, shard.attempt)
        except NetworkError as error:
            # Only the reply may be lost.
            if error.sent and (batch := await self._lost(shard)):
                return batch
            raise
        except GLMError as error:
            self._void(shard)
            shard.attempt = ""
            if not error.retryable:
                with suppress(GLMError):
                    await files.delete(self._http, self._endpoint, shard.file)
                shard.file = ""
            state.note(shard)
            raise

    async def _lost(self, shard: Shard) -> batches.Batch | None:
        """The batch whose id never came to be written down, where the service has taken it."""
        find = partial(batches.found, self._http, self._endpoint, shard.file, shard.attempt)
        return await self._patiently(find)

    def _adopt(self, state: BatchState, shard: Shard, batch: batches.Batch) -> None:
        """Write down what the service has taken: from here on it is found by its id."""
        shard.batch = batch.id
        state.note(shard)
        self._remember(state, shard)

    def _remember(self, state: BatchState, shard: Shard) -> None:
        run = state.run
        self._session.budgets.ledger.add_job(
            Job(
                id=shard.batch,
                base_url=run.base_url,
                request=shard.attempt,
                kind="batch",
                endpoint=run.endpoint,
                model=run.model,
                asked=f"{shard.lines:,} × {run.asked}",
                notebook=notebook_path(),
            )
        )

    async def _watched(
        self, state: BatchState, shards: list[Shard]
    ) -> AsyncGenerator[Mapped, None]:
        """Ask about the batches until all have ended; their results as they come."""
        for shard in shards:
            if shard.booked:
                async with aclosing(self._collected(state, shard)) as collected:
                    async for result in collected:
                        yield result
            else:
                self._remember(state, shard)  # a kernel may have been killed just before
        waiting = [shard for shard in shards if not shard.booked]
        seen: dict[int, batches.Batch] = {}
        wait = FIRST_WAIT
        while waiting:
            for shard in list(waiting):
                ask = partial(batches.retrieved, self._http, self._endpoint, shard.batch)
                batch = await self._patiently(ask)
                seen[shard.number] = batch
                self.tally.says = _says(list(seen.values()), waiting)
                if not batch.ended:
                    continue
                await self._fetch(state, shard, batch)
                async with aclosing(self._collected(state, shard)) as collected:
                    async for result in collected:
                        yield result
                waiting.remove(shard)
                seen.pop(shard.number)
            if waiting:
                await asyncio.sleep(wait)
                wait = min(wait * GROWTH, LONGEST_WAIT)
        self.tally.says = ""

    async def _fetch(self, state: BatchState, shard: Shard, batch: batches.Batch) -> None:
        """Bring the results of a batch that has ended to disk."""
        ids = (batch.output_file, batch.error_file)
        for file, path in zip(ids, state.results(shard), strict=True):
            if file and not path.exists():
                save = partial(batches.saved, self._http, self._endpoint, file, path)
                await self._patiently(save)
        shard.state, shard.reason = batch.status, batch.reason
        state.note(shard)

    async def _collected(self, state: BatchState, shard: Shard) -> AsyncGenerator[Mapped, None]:
        """The results of a batch from its files on disk; its cost is booked at the end."""
        sums = Answer(self._target.model, self._endpoint.name)
        usage = ev.Usage()
        cost: Decimal | None = Decimal(0)
        seen: set[int] = set()
        lines = self._lines(state, shard, seen)
        while some := list(islice(lines, AT_ONCE)):
            kept: dict[str, Answer] = {}
            mapped: list[Mapped] = []
            for sent, result in some:
                answer = self._read(result)
                if result.events:
                    usage += answer.usage
                    known = cost is not None and answer.cost is not None
                    cost = add(cost, answer.cost) if known else None  # type: ignore[arg-type]
                if shard.second:
                    answer = _joined(_misfit(sent), result.events, answer)
                error = result.error or self._valued(answer)
                if error is None:
                    kept[sent.hash] = answer
                asks_again = self._again and not shard.second and isinstance(error, SchemaError)
                if asks_again:
                    state.add_misfit(sent.number, packed(answer))
                error = self._unrecorded(state, shard, sent, result) or error
                if shard.second or not (asks_again or sent.second is not None):
                    mapped += self._mapped(state, sent.number, answer, error)
            await self._cache.put_all(kept)
            for each in mapped:
                yield each
        for number in state.numbers(shard):
            if number not in seen:
                for each in self._mapped(state, number, None, _missing(shard)):
                    yield each
        sums.apply(ev.UsageReport(usage))
        sums.cost, sums.currency = cost, self._currency
        self.tally.asked += len(seen)
        if cost is None:
            self.tally.unpriced += len(seen)
        else:
            self.tally.paid, self.tally.currency = add(self.tally.paid, cost), self._currency
        if not shard.booked:
            self._book(state, shard, sums)

    def _lines(
        self, state: BatchState, shard: Shard, seen: set[int]
    ) -> Iterator[tuple[Sent, batches.Result]]:
        """The results in the files of a shard, each request's once; those go into `seen`."""
        for path in state.results(shard):
            for result in batches.results(path, self._endpoint) if path.exists() else ():
                sent = state.sent(result.number, shard)
                if sent is not None and result.number not in seen:
                    seen.add(result.number)
                    yield sent, result

    def _book(self, state: BatchState, shard: Shard, sums: Answer) -> None:
        """Count what a batch has cost, in place of what was held back for it."""
        sums.id, sums.kind = shard.attempt, "batch"
        self._session.budgets.settle(sums, shard.state)
        self._session.budgets.ledger.end_job(shard.batch, self._endpoint.base_url, shard.state)
        shard.booked = True
        state.note(shard)

    def _unrecorded(
        self, state: BatchState, shard: Shard, sent: Sent, result: batches.Result
    ) -> GLMError | None:
        """Record an answer that came to its end, as if at once; why it is not, where it is not."""
        if not (self._recorder and result.events and isinstance(result.events[-1], ev.Finish)):
            return None
        place = sent.second_place if shard.second else sent.place
        asked = Asked.of_body(self._endpoint, state.line(shard.number, place or 0)["body"])
        try:
            self._recorder.add(Recorded(asked, tuple((0, event) for event in result.events)))
        except GLMError as error:
            return error
        return None

    def _read(self, result: batches.Result) -> Answer:
        """The answer of one line, priced."""
        answer = Answer(self._target.model, self._endpoint.name)
        for event in result.events:
            answer.apply(event)
        # Nobody has seen when it began.
        answer.seconds = answer.first_token_seconds = answer.thinking_seconds = None
        answer.notes.append(_("from a batch"))
        model = self._target.known
        if model is not None:
            counted = answer.usage.total_tokens > 0
            answer.cost = half(model.cost(answer.usage)) if counted else None
            answer.currency = model.currency
        return answer

    def _valued(self, answer: Answer) -> GLMError | None:
        """Give an answer its value; why it has none, where it has none."""
        if self._options.schema is None:
            return None
        if not answer.complete:
            return IncompleteError(
                _("The answer was cut off before its value was whole."),
                remedy=_("Give a higher max_tokens."),
            )
        try:
            answer.parsed = schema_of(self._options.schema).parse(answer.text)
        except SchemaError as misfit:
            return misfit
        return None

    def _mapped(
        self, state: BatchState, number: int, answer: Answer | None, error: GLMError | None
    ) -> Iterator[Mapped]:
        for position in state.positions(number):
            if error is not None:
                yield self._failure(position, error)
            elif answer is not None:
                yield self._success(position, answer)

    def _success(self, position: int, answer: Answer) -> Mapped:
        self.tally.done += 1
        self.tally.cut += not answer.complete
        return Mapped(position, answer)

    def _failure(self, position: int, error: GLMError) -> Mapped:
        self.tally.failed += 1
        return Mapped(position, None, error)

    @property
    def _currency(self) -> str | None:
        model = self._target.known
        return model.currency if model else self._endpoint.currency

    def _quote(self, shards: list[Shard]) -> Quote:
        """What files of requests may cost."""
        known = [shard.most for shard in shards if shard.most is not None]
        request = batches.BatchRequest(
            model=self._target.model,
            lines=sum(shard.lines for shard in shards),
            tokens=sum(shard.tokens for shard in shards),
            most=add(*known) if len(known) == len(shards) else None,
        )
        return Quote.of(request, self._endpoint, self._target.known, Decimal(0))

    async def _hold(self, shard: Shard, *, anyway: bool = False) -> None:
        """Hold back what a file of requests may cost, where the budgets allow it."""
        held = Answer(self._target.model, self._endpoint.name)
        held.id, held.kind = shard.attempt, "batch"
        budgets, quote, notebook = self._session.budgets, self._quote([shard]), notebook_path()
        if anyway:
            most: dict[str, Any] = {"most": quote.worst, "currency": quote.currency}
            await bridge.in_thread(budgets.ledger.begin, held, notebook=notebook, **most)
        else:
            await bridge.in_thread(budgets.reserve, quote, held, None, notebook)

    def _void(self, shard: Shard) -> None:
        """Note that an attempt has cost nothing: the service did not take it."""
        none = Answer(self._target.model, self._endpoint.name)
        none.id, none.kind = shard.attempt, "batch"
        none.cost, none.currency = Decimal(0), self._currency
        self._session.budgets.settle(none, "refused")

    async def _patiently(self, ask: Callable[[], Awaitable[T]], tries: int = 0) -> T:
        """Ask until there is a reply, where what fails may pass; at most `tries` times, if any."""
        wait, tried = FIRST_WAIT, 0
        while True:
            try:
                return await ask()
            except GLMError as error:
                tried += 1
                if not error.retryable or tried == tries:
                    raise
                pause = min(max(wait, error.retry_after or 0.0), LONGEST_WAIT)
                text = _("not reached, asking again in {seconds:.0f} s")
                self.tally.says = text.format(seconds=pause)
            await asyncio.sleep(pause)
            wait = min(wait * GROWTH, LONGEST_WAIT)


def _misfit(sent: Sent) -> Answer:
    """The answer that did not fit, of a request that is asked again."""
    return unpacked(sent.misfit or "")


def _joined(misfit: Answer, events: Iterable[ev.Event], second: Answer) -> Answer:
    """The answer that took two requests: their sums, and what the second has said."""
    misfit.apply(ev.NextRound(keeps_text=False))
    for event in events:
        misfit.apply(event)
    known = misfit.cost is not None and second.cost is not None
    misfit.cost = add(misfit.cost, second.cost) if known else None  # type: ignore[arg-type]
    misfit.seconds = misfit.first_token_seconds = misfit.thinking_seconds = None
    return misfit


def _says(seen: list[batches.Batch], waiting: list[Shard]) -> str:
    """How far the service is, in a few words."""
    lines = sum(shard.lines for shard in waiting)
    answered = sum(batch.completed for batch in seen)
    failed = sum(batch.failed for batch in seen)
    state = seen[0].status
    text = _("batch {state}: {answered:,} of {lines:,}")
    if failed:
        text = _("batch {state}: {answered:,} of {lines:,}, {failed:,} failed")
    return text.format(
        state=_(STATES[state]) if state in STATES else state or _("under way"),
        answered=answered,
        lines=lines,
        failed=failed,
    )


def _missing(shard: Shard) -> GLMError:
    """Why there is no result of a request."""
    remedy = _("The same map asks again for what is missing.")
    if shard.state == "failed":
        failed = _("The service could not run the batch {batch}.").format(batch=shard.batch)
        if shard.reason:
            failed = sentences(failed, _("It says: {text}").format(text=shard.reason))
        return RequestError(failed)
    text = _("The results of the batch {batch} do not tell of this item.")
    if shard.state == "cancelled":
        text = _("The batch {batch} was cancelled before this was answered.")
    elif shard.state == "expired":
        text = _("The batch {batch} has expired before this was answered.")
    return RequestError(text.format(batch=shard.batch), remedy=remedy)


def _gone() -> GLMError:
    return RequestError(
        _("The answer that was kept for this item is gone."),
        remedy=_("The same map asks for it again."),
    )

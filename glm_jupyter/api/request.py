"""ChatRequest: what is asked of a model, and the JSON body each dialect of the API wants."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from glm_jupyter.language import _

from .errors import InputError
from .making import MakingRequest

if TYPE_CHECKING:
    from . import events as ev
    from .endpoints import Endpoint
    from .http import Http

Dialect = Literal["glm", "openai"]

# Beyond what any service takes; a model's own, narrower range is in the catalogue.
HIGHEST_TEMPERATURE = 2.0


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request for an answer. What is None or empty is left to the service.

    `max_tokens` counts tokens of the answer, reasoning included. `thinking` switches reasoning
    on or off, `reasoning_effort` is one of the words of the models that have it. `tools` and
    `response_format` are as the API names them. The messages are never changed.
    """

    model: str
    messages: tuple[dict[str, Any], ...]
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    thinking: bool | None = None
    reasoning_effort: str | None = None
    tools: tuple[dict[str, Any], ...] = ()
    response_format: dict[str, Any] | None = None

    @property
    def images(self) -> tuple[str, ...]:
        """The images in the messages: their URLs, which may hold the image itself (`data:`)."""
        contents = [message.get("content") for message in self.messages]
        parts = [part for content in contents if isinstance(content, list) for part in content]
        return tuple(
            str(part["image_url"]["url"])
            for part in parts
            if isinstance(part, dict) and part.get("type") == "image_url"
        )

    @property
    def sounds(self) -> tuple[str, ...]:
        """The recordings in the messages, in base64."""
        contents = [message.get("content") for message in self.messages]
        parts = [part for content in contents if isinstance(content, list) for part in content]
        return tuple(
            str(part["input_audio"]["data"])
            for part in parts
            if isinstance(part, dict) and part.get("type") == "input_audio"
        )

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """The JSON body for a service that speaks `dialect`; it always asks for a stream.

        `glm` is the hosted services' own; `openai` is what self-hosted servers share.
        Raises InputError for values that no model takes.
        """
        self._check()
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [_bare(m) if dialect == "glm" else dict(m) for m in self.messages],
            "stream": True,
        }
        if self.temperature is not None:
            body["temperature"] = self.temperature
        if self.top_p is not None:
            body["top_p"] = self.top_p
        if self.max_tokens is not None:
            body["max_tokens"] = self.max_tokens
        if self.stop:
            body["stop"] = list(self.stop)
        if self.reasoning_effort is not None:
            body["reasoning_effort"] = self.reasoning_effort
        if self.tools:
            body["tools"] = [dict(tool) for tool in self.tools]
        if self.response_format is not None:
            body["response_format"] = dict(self.response_format)
        return body | (self._glm() if dialect == "glm" else self._openai())

    def events(self, http: Http, endpoint: Endpoint) -> AsyncGenerator[ev.Event, None]:
        """Send it once, and yield the events of its answer."""
        from .chat import answer

        return answer(http, endpoint, self)

    def _check(self) -> None:
        if not self.messages:
            raise InputError(_("There is nothing to send."), remedy=_("Write a question."))
        _within("temperature", self.temperature, 0.0, HIGHEST_TEMPERATURE)
        _within("top-p", self.top_p, 0.0, 1.0)
        _within("max-tokens", self.max_tokens, 1, math.inf)
        if not all(self.stop):
            raise InputError(_("An empty stop word stops nothing."), remedy=_("Leave out --stop."))

    def _glm(self) -> dict[str, Any]:
        own: dict[str, Any] = {}
        if self.thinking is not None:
            own["thinking"] = {"type": "enabled" if self.thinking else "disabled"}
        if self.temperature == 0:
            own["do_sample"] = False  # the service's way to say "always the likeliest token"
        return own

    def _openai(self) -> dict[str, Any]:
        own: dict[str, Any] = {"stream_options": {"include_usage": True}}
        if self.thinking is not None:
            own["chat_template_kwargs"] = {"enable_thinking": self.thinking}
        return own


# What can be asked of a model.
Request: TypeAlias = ChatRequest | MakingRequest


def _bare(message: dict[str, Any]) -> dict[str, Any]:
    """The message with images as bare base64, which is how the services' own client sends them."""
    content = message.get("content")
    if not isinstance(content, list):
        return dict(message)
    return {**message, "content": [_bare_part(part) for part in content]}


def _bare_part(part: dict[str, Any]) -> dict[str, Any]:
    if part.get("type") != "image_url":
        return part
    url = part["image_url"]["url"]
    head, mark, encoded = url.partition("base64,")
    return {**part, "image_url": {"url": encoded if mark and head.startswith("data:") else url}}


def _within(name: str, value: float | None, lowest: float, highest: float) -> None:
    # "not within" rather than "outside", so that NaN is refused too.
    if value is not None and not lowest <= value <= highest:
        remedy = _("Give a --{option} of {low:g} or more.")
        if highest < math.inf:
            remedy = _("Give a --{option} from {low:g} to {high:g}.")
        raise InputError(
            _("--{option} {value:g} cannot be sent; nothing was sent.").format(
                option=name, value=value
            ),
            remedy=remedy.format(option=name, low=lowest, high=highest),
        )

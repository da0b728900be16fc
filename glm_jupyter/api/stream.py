"""StreamDecoder: the data of server-sent events -> the events of an answer, in every dialect."""

from __future__ import annotations

import json
from codecs import getincrementaldecoder
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from glm_jupyter.language import N_, _

from . import events as ev
from .errors import GLMError, IncompleteError, NetworkError, RequestError, clean, refusal
from .thinking import ThinkingSplitter

if TYPE_CHECKING:
    from .sound import Spoken

# finish_reasons that are failures: the service sends no error object during inference.
FAILURES: dict[str, tuple[type[GLMError], str, str]] = {
    "network_error": (
        IncompleteError,
        N_("The answer broke off inside the service ({reason})."),
        N_("Run the cell again; what had arrived is kept."),
    ),
    **{
        reason: (
            RequestError,
            N_("The service's safety filter stopped the answer ({reason})."),
            N_("Put the question in other words. What had arrived may not be fit to show around."),
        )
        for reason in ("sensitive", "content_filter")
    },
}
# What stands for the finish_reason of an answer that is the model's refusal to give one.
REFUSAL = "refusal"


DONE = "[DONE]"  # the last event of a stream
MOST_TOKENS = 10**12  # more than any answer has: a count above is a mistake


class StreamDecoder:
    """Decodes one answer, frame by frame; keeps only what telling the frames apart needs.

    `decode` takes the data of one server-sent event. When the stream has ended, for whatever
    reason, `flush` yields the rest; it raises where the answer is not whole. Errors name the host
    of `base_url`.
    """

    def __init__(self, base_url: str = "") -> None:
        self._base_url = base_url
        self.done = False  # the service said that nothing follows
        self._reason: str | None = None
        self._refused = False
        self._started = False
        self._usage = ev.Usage()
        self._thinking = ThinkingSplitter()
        self._content, self._reasoned = _Surrogates(), _Surrogates()
        self._calls: list[_Call] = []
        self._indices: dict[int, int] = {}  # the service's index of a call -> ours
        self._sources: set[tuple[str, str]] = set()
        self._spoken: Spoken | None = None

    @property
    def ended(self) -> bool:
        """Whether the answer itself is over, though usage may follow."""
        return self.done or self._reason is not None

    def decode(self, data: str) -> list[ev.Event]:
        """The events in one frame. Raises GLMError where the frame is an error."""
        if self.done or not data.strip():
            return []
        if data.strip() == DONE:
            self.done = True
            return []
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            raise NetworkError(
                _("The service sent something that is not JSON: {data}").format(
                    data=clean(data, 80)
                ),
                remedy=_("Run the cell again; check the base URL if it happens each time."),
            ) from None
        return self._chunk(chunk) if isinstance(chunk, dict) else []

    def rest(self) -> list[ev.Event]:
        """What was held back because it might have become a tag, and what was spoken, whole."""
        spoken = self._spoken.flush() if self._spoken else []
        return [*self._thinking.decode(self._content.flush()), *self._thinking.flush(), *spoken]

    def flush(self) -> Iterator[ev.Event]:
        """What was held back, then Finish.

        Raises IncompleteError where the stream broke off, or, after Finish, what its
        finish_reason stands for.
        """
        yield from self.rest()
        if self.ended:
            ended_by_itself = self._reason in (None, "stop")
            yield ev.Finish(REFUSAL if self._refused and ended_by_itself else self._reason)
        if self._reason in FAILURES:
            kind, message, remedy = FAILURES[self._reason]
            retryable = kind is IncompleteError
            raise kind(
                _(message).format(reason=self._reason),
                remedy=_(remedy),
                code=self._reason,
                retryable=retryable,
            )
        if not self._started:
            raise IncompleteError(
                _("No answer came: the connection ended before the service had sent anything."),
                remedy=_("Run the cell again; check the base URL if it happens each time."),
                retryable=True,
            )
        if not self.ended:
            raise IncompleteError(
                _(
                    "The answer broke off: the connection ended before the service said that the "
                    "answer is finished."
                ),
                remedy=_("Run the cell again; what had arrived is kept."),
                retryable=True,
            )

    def _chunk(self, chunk: dict[str, Any]) -> list[ev.Event]:
        choices = chunk.get("choices")
        if chunk.get("error") or (choices is None and "code" in chunk):
            raise refusal(chunk, base_url=self._base_url)
        events: list[ev.Event] = []
        if not self._started:
            self._started = True
            request_id = _text(chunk.get("request_id")) or _text(chunk.get("id"))
            events.append(ev.Started(request_id or None, _text(chunk.get("model")) or None))
        events += self._searched(chunk.get("web_search"))
        for choice in choices if isinstance(choices, list) else []:
            if isinstance(choice, dict):
                events += self._choice(choice)
        events += self._counted(chunk.get("usage"))
        return events

    def _choice(self, choice: dict[str, Any]) -> list[ev.Event]:
        # A server that does not stream sends one whole message.
        delta = choice.get("delta") or choice.get("message")
        events: list[ev.Event] = []
        if isinstance(delta, dict):
            reasoning = _parts(delta.get("reasoning_content")) or _parts(delta.get("reasoning"))
            if reasoning := self._reasoned.decode(reasoning):
                events += self._thinking.settle()
                events.append(ev.ReasoningDelta(reasoning))
            events += self._thinking.decode(self._content.decode(_parts(delta.get("content"))))
            if refused := _parts(delta.get("refusal")):
                self._refused = True
                events += self._thinking.decode(self._content.decode(refused))
            events += self._said(delta.get("audio"))
            calls = delta.get("tool_calls")
            for call in calls if isinstance(calls, list) else []:
                if isinstance(call, dict):
                    events += self._called(call)
        self._reason = _text(choice.get("finish_reason")) or self._reason
        return events

    def _said(self, audio: Any) -> list[ev.Event]:
        data = audio.get("data") if isinstance(audio, dict) else None
        if not isinstance(data, str) or not data:
            return []
        if self._spoken is None:
            from .sound import Spoken

            self._spoken = Spoken()
        return self._spoken.decode(data)

    def _called(self, call: dict[str, Any]) -> list[ev.Event]:
        function = call.get("function")
        if not isinstance(function, dict):
            return []
        call_id, name = _text(call.get("id")) or None, _text(function.get("name")) or None
        arguments = function.get("arguments")
        if isinstance(arguments, dict | list):
            arguments = json.dumps(arguments, ensure_ascii=False)
        written = _text(arguments)
        place = self._place(call.get("index"), call_id, name)
        begun = self._calls[place]
        begun.id, begun.name = begun.id or call_id, begun.name or name
        begun.arguments.append(written)
        return [ev.ToolCallDelta(place, begun.id, name, written)]

    def _place(self, index: Any, call_id: str | None, name: str | None) -> int:
        """Which call of this answer a delta belongs to; one that begins here is added.

        The service's index may be no help, and some gateways give each piece an id of its own.
        """
        known = (place for place, call in enumerate(self._calls) if call.id == call_id)
        if call_id is not None and (found := next(known, None)) is not None:
            return found
        counted = isinstance(index, int) and index >= 0
        last = self._indices.get(index, -1) if counted else len(self._calls) - 1
        if last < 0:
            begins = True
        elif counted:
            call = self._calls[last]
            begins = call_id is not None and call.id is not None and not call.goes_on(name)
        else:
            begins = name is not None or (call_id is not None and self._calls[last].id is None)
        if begins:
            self._calls.append(_Call())
            last = len(self._calls) - 1
        if counted:
            self._indices[index] = last
        return last

    def _counted(self, usage: Any) -> list[ev.Event]:
        if not isinstance(usage, dict):
            return []
        asked, given = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
        counted = ev.Usage(
            prompt_tokens=asked,
            completion_tokens=given,
            total_tokens=_count(usage, "total_tokens") or asked + given,
            cached_tokens=_count(usage.get("prompt_tokens_details"), "cached_tokens"),
            reasoning_tokens=_count(usage.get("completion_tokens_details"), "reasoning_tokens"),
        )
        if counted == self._usage:
            return []
        self._usage = counted
        return [ev.UsageReport(counted)]

    def _searched(self, results: Any) -> list[ev.Event]:
        fresh = []
        for result in results if isinstance(results, list) else []:
            if not isinstance(result, dict):
                continue
            page = (_text(result.get("link")), _text(result.get("title")))
            if page not in self._sources:
                self._sources.add(page)
                sound = {name: _text(v) if isinstance(v, str) else v for name, v in result.items()}
                fresh.append({**sound, "link": page[0], "title": page[1]})
        return [ev.Sources(tuple(fresh))] if fresh else []


@dataclass(slots=True)
class _Call:
    """What of a function call has arrived."""

    id: str | None = None
    name: str | None = None
    arguments: list[str] = field(default_factory=list)

    def goes_on(self, name: str | None) -> bool:
        """Whether a piece with another id is one of this call: it names no other function, and
        the arguments are not whole yet.
        """
        if name is None:
            return True
        if not "".join(self.arguments[-1:]).rstrip().endswith("}"):
            return name == self.name
        try:
            json.loads("".join(self.arguments))
        except (ValueError, RecursionError):
            return name == self.name
        return False


class _Surrogates:
    """Joins the halves of a character that two deltas share.

    JSON may hold half a surrogate pair, which no output and no file can. A half that stays alone
    becomes U+FFFD.
    """

    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-16-le")("replace")

    def decode(self, text: str) -> str:
        return self._decoder.decode(text.encode("utf-16-le", "surrogatepass"))

    def flush(self) -> str:
        return self._decoder.decode(b"", final=True)


def _text(value: Any) -> str:
    """`value` as a string without halves of characters; empty where it is none."""
    return _parts(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _parts(value: Any) -> str:
    """Content is a string, null, or a list of parts of which some are text."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_parts(part.get("text")) for part in value if isinstance(part, dict))
    return ""


def _count(counts: Any, name: str) -> int:
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if type(value) is int and 0 < value <= MOST_TOKENS else 0

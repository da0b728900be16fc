"""Answer: one reply as it grows; pure data."""

from __future__ import annotations

import time
from decimal import Decimal
from threading import Lock
from typing import Any
from uuid import uuid4

from .api import events as ev
from .media import Made

# Reasons to stop that mean the model came to its end, in the words of the servers that say more
# than "stop". Any other leaves the answer unfinished: limits, filters, and what nobody knows yet.
WHOLE = frozenset(
    {None, "stop", "tool_calls", "function_call", "eos", "eos_token", "end_turn", "stop_sequence"}
)


class Answer:
    """A model's reply: its text, its reasoning, and what it took.

    It grows while it streams. `complete` is False until the service has said that the answer
    is finished, and stays False where it was cut off. `seconds` and `first_token_seconds`
    count from the moment the request was sent.

    An answer may take several requests: function calls and their results, a repair. `usage` and
    `cost` are their sums; `tool_calls` are the calls in order, each with its `result`, `seconds`
    and `failed` once it was made.

    `images`, `videos` and `audio` are what was made, `pages` those of a document, as markdown.
    `quantity` is what was billed by something else than tokens, `task` the service's id of what
    it works on for a while, `kind` what the model is for, as the catalogue names it.
    """

    # A map may hold a million of them: without these, each is twice as large.
    __slots__ = (
        "_begun",
        "_calls_before",
        "_reasoning",
        "_reasoning_before",
        "_round_begun",
        "_text",
        "_text_before",
        "_thought_before",
        "_usage_before",
        "cost",
        "currency",
        "endpoint",
        "finish_reason",
        "finished",
        "first_token_seconds",
        "id",
        "kind",
        "media",
        "model",
        "notes",
        "pages",
        "parsed",
        "quantity",
        "request_id",
        "seconds",
        "sources",
        "stopped",
        "task",
        "thinking_seconds",
        "tool_calls",
        "usage",
    )

    def __init__(self, model: str, endpoint: str) -> None:
        self.id = uuid4().hex
        self.model = model
        self.endpoint = endpoint
        self.usage = ev.Usage()
        self.cost: Decimal | None = None
        self.currency: str | None = None
        self.finish_reason: str | None = None
        self.request_id: str | None = None
        self.tool_calls: list[dict[str, Any]] = []
        self.sources: list[dict[str, Any]] = []
        self.parsed: Any = None
        self.notes: list[str] = []
        self.media: list[Made] = []
        self.pages: list[str] = []
        self.quantity: int | None = None
        self.task: str | None = None
        self.kind = "chat"
        self.finished = False
        self.stopped = False
        self.seconds: float | None = None
        self.first_token_seconds: float | None = None
        self.thinking_seconds: float | None = None
        self._text = _Growing()
        self._reasoning = _Growing()
        # What earlier requests for this answer brought.
        self._text_before = ""
        self._reasoning_before = ""
        self._usage_before = ev.Usage()
        self._calls_before = 0
        self._begun = time.monotonic()
        self._round_begun = 0.0  # seconds after that
        self._thought_before = 0.0

    @property
    def text(self) -> str:
        """The answer so far, exactly as the model sent it."""
        return _paragraphs(self._text_before, self._text.whole())

    @property
    def reasoning(self) -> str:
        """The reasoning trace so far, exactly as the model sent it."""
        return _paragraphs(self._reasoning_before, self._reasoning.whole())

    @property
    def images(self) -> list[Made]:
        """The pictures that were made."""
        return [made for made in self.media if made.kind == "image"]

    @property
    def videos(self) -> list[Made]:
        """The videos that were made."""
        return [made for made in self.media if made.kind == "video"]

    @property
    def audio(self) -> Made | None:
        """What was spoken; None where nothing was."""
        return next((made for made in self.media if made.kind == "audio"), None)

    @property
    def complete(self) -> bool:
        """Whether the model came to the end of its answer."""
        return self.finished and self.finish_reason in WHOLE

    @property
    def begun(self) -> bool:
        """Whether there is anything of it to show."""
        texts = self._text or self._reasoning or self._text_before
        return bool(texts or self.tool_calls or self.media)

    def begin(self) -> None:
        """Start the clock: the request goes out now."""
        self._begun = time.monotonic()

    def stop(self, note: str) -> None:
        """Take it that nothing more will come; the note says why, in the user's language."""
        self.stopped = True
        self.notes.append(note)

    def apply(self, event: ev.Event) -> None:
        """Grow by one event."""
        match event:
            case ev.TextDelta(text):
                self._first_token()
                self._end_thinking()
                self._text.add(text)
            case ev.ReasoningDelta(text):
                self._first_token()
                self._reasoning.add(text)
            case ev.TextWasReasoning():
                self._reasoning.add(self._text.whole())
                self._text = _Growing()
                self._end_thinking()
            case ev.ToolCallDelta(index, call_id, name, arguments):
                self._first_token()
                self._end_thinking()
                self._grow_call(self._calls_before + index, call_id, name, arguments)
            case ev.ToolResult(index, text, seconds, failed):
                self.tool_calls[self._calls_before + index].update(
                    result=text, seconds=seconds, failed=failed
                )
            case ev.NextRound(keeps_text):
                self._next_round(keeps_text)
            case ev.UsageReport(usage):
                self.usage = self._usage_before + usage
            case ev.Page(text=text):
                self.pages.append(text)
            case ev.Billed(quantity):
                self.quantity = (self.quantity or 0) + quantity
            case ev.TaskStarted(task):
                self.task = task
            case ev.Media() | ev.AudioDelta():
                self._first_token()
            case ev.Sources(items):
                self.sources.extend(items)
            case ev.Started(request_id, _):
                self.request_id = request_id
            case ev.Finish(reason):
                self.finish_reason = reason
                self.finished = True
            case ev.Retrying() | ev.Queued() | ev.TaskState() | ev.Vectors() | ev.Scores():
                pass

    def stop_clock(self) -> None:
        """The last event has come, or none will."""
        self.seconds = self._elapsed()

    def to_json(self) -> dict[str, Any]:
        """The `application/vnd.glm-jupyter.answer+json` form, version 1."""
        usage = {
            "prompt_tokens": self.usage.prompt_tokens,
            "completion_tokens": self.usage.completion_tokens,
            "total_tokens": self.usage.total_tokens,
            "cached_tokens": self.usage.cached_tokens,
            "reasoning_tokens": self.usage.reasoning_tokens,
            "estimated": self.usage.estimated,
        }
        return {
            "version": 1,
            "id": self.id,
            "model": self.model,
            "endpoint": self.endpoint,
            "text": self.text,
            "reasoning": self.reasoning,
            "usage": usage,
            # A string, because JSON numbers are binary fractions and money is not.
            "cost": None if self.cost is None else format(self.cost, "f"),
            "currency": self.currency,
            "finish_reason": self.finish_reason,
            "complete": self.complete,
            "request_id": self.request_id,
            "seconds": self.seconds,
            "first_token_seconds": self.first_token_seconds,
            "thinking_seconds": self.thinking_seconds,
            "sources": self.sources,
            "tool_calls": self.tool_calls,
            "notes": self.notes,
            "media": [made.to_json() for made in self.media],
        }

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        state = "complete" if self.complete else "incomplete"
        return f"<Answer of {self.endpoint}/{self.model}: {len(self.text)} characters, {state}>"

    def _repr_markdown_(self) -> str:
        """What Jupyter and marimo show of an answer that is the value of a cell."""
        from .render.markdown import markdown

        return markdown(self)

    def _elapsed(self) -> float:
        return time.monotonic() - self._begun

    def _first_token(self) -> None:
        if self.first_token_seconds is None:
            self.first_token_seconds = self._elapsed()

    def _end_thinking(self) -> None:
        """With the first text or call behind reasoning, the model has thought."""
        if self._reasoning and not self._text and len(self.tool_calls) == self._calls_before:
            self.thinking_seconds = self._thought_before + self._elapsed() - self._round_begun

    def _next_round(self, keeps_text: bool) -> None:
        self._round_begun = self._elapsed()
        self._thought_before = self.thinking_seconds or 0.0
        self._text_before = self.text if keeps_text else ""
        self._reasoning_before = self.reasoning
        self._text = _Growing()
        self._reasoning = _Growing()
        self._usage_before = self.usage
        self._calls_before = len(self.tool_calls)
        self.finished, self.finish_reason = False, None

    def _grow_call(self, index: int, call_id: str | None, name: str | None, args: str) -> None:
        while len(self.tool_calls) <= index:
            self.tool_calls.append(
                {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
            )
        call = self.tool_calls[index]
        call["id"] = call_id or call["id"]
        call["function"]["name"] = name or call["function"]["name"]
        call["function"]["arguments"] += args


def _paragraphs(before: str, text: str) -> str:
    return f"{before}\n\n{text}" if before and text else before or text


class _Growing:
    """A text that grows in one thread and may be read in others."""

    __slots__ = ("_lock", "_parts", "_whole")

    def __init__(self, whole: str = "") -> None:
        self._whole = whole
        self._parts: list[str] = []
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[_Growing], tuple[str]]:
        return _Growing, (self.whole(),)  # a lock cannot be pickled

    def __bool__(self) -> bool:
        return bool(self._whole or self._parts)

    def add(self, part: str) -> None:
        """Grow by `part`."""
        with self._lock:
            self._parts.append(part)

    def whole(self) -> str:
        """All of it so far."""
        with self._lock:
            if self._parts:
                # A string that only one local name refers to grows in place: reading after each
                # part stays linear, where a join would copy all of it each time.
                whole, self._whole = self._whole, ""
                whole += "".join(self._parts)
                self._whole = whole
                self._parts.clear()
            return self._whole

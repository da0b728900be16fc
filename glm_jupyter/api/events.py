"""What a streamed answer consists of, one small frozen class per kind of event."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request, as the service counts them (`estimated` where it sent none).

    `cached_tokens` are part of `prompt_tokens`, `reasoning_tokens` part of `completion_tokens`.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        """The tokens of two requests together."""
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            estimated=self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class Started:
    """The service accepted the request; `model` is the name it answers under."""

    request_id: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A further piece of the reasoning trace."""

    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A further piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class TextWasReasoning:
    """All text so far was reasoning: a `</think>` came whose opening tag was in the prompt."""


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A further piece of a function call; `index` counts the calls of this answer from 0."""

    index: int
    id: str | None
    name: str | None
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the function call with this index brought, in `seconds`; `failed` if it was no result.

    The text is what goes back to the model.
    """

    index: int
    text: str
    seconds: float
    failed: bool = False


@dataclass(frozen=True, slots=True)
class NextRound:
    """A further request goes out for the same answer, which keeps its text so far, or does not."""

    keeps_text: bool = True


@dataclass(frozen=True, slots=True)
class Sources:
    """Web pages the service consulted, each with at least `title` and `link`."""

    items: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """The service works on a task whose result comes later; `id` is how to ask for it."""

    id: str


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task is still under way; `state` is the service's word for it."""

    state: str


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, a video or a piece of sound that was made, whole.

    Its bytes are in `data`, or in the temporary `file`, which is whose it is that gets the event.
    `width` and `height` are in pixels, `rate` in samples a second; `cover` is a video's picture.
    """

    kind: Literal["image", "video", "audio"]
    mime: str
    data: bytes = b""
    file: Path | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    rate: int | None = None
    cover: bytes = b""


@dataclass(frozen=True, slots=True)
class AudioDelta:
    """A further piece of sound: 16-bit samples of one channel, `rate` of them a second."""

    data: bytes
    rate: int


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a document, as markdown; `number` counts from 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Vectors:
    """A vector for each text of a request, in their order."""

    rows: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """How well the texts of a request fit its question: pairs of position and score."""

    pairs: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Billed:
    """What is billed by something else than tokens: so many of the model's units."""

    quantity: int


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The usage so far; the last report of a stream is the one that counts."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Retrying:
    """The service was busy or out of reach; the request goes out again in `seconds`."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits at a gateway; `place` is its place in the queue, from 1."""

    place: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The answer ended; `reason` is the service's finish_reason, None where it gave none."""

    reason: str | None


Event: TypeAlias = (
    Started
    | ReasoningDelta
    | TextDelta
    | TextWasReasoning
    | ToolCallDelta
    | ToolResult
    | NextRound
    | Sources
    | TaskStarted
    | TaskState
    | Media
    | AudioDelta
    | Page
    | Vectors
    | Scores
    | Billed
    | UsageReport
    | Retrying
    | Queued
    | Finish
)

# What shows something of the answer, or says that it is paid: nothing is retried after it.
OUTPUT = (
    Billed,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    TaskStarted,
    Media,
    AudioDelta,
    Page,
    Vectors,
    Scores,
)

"""Recordings: answers kept in a JSONL file, one a line, with the request and the timing.

A line is `{"version": 1, "endpoint", "request", "events"}`: the request as it was sent, without
any header or key, each image in it replaced by its SHA-256; what was made is in files beside it,
named by theirs; the events as `[milliseconds since
the request, kind, value]`. No date and no request id: recorded again, only what differs differs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import IO, Any

from glm_jupyter import bridge
from glm_jupyter.api import events as ev
from glm_jupyter.api.endpoints import Endpoint
from glm_jupyter.api.errors import GLMError, InputError, clean
from glm_jupyter.api.request import Request
from glm_jupyter.api.transport import Transport
from glm_jupyter.language import _
from glm_jupyter.prompt.secrets import leaked

from .media import RecordedMedia, kept

VERSION = 1
BEGINNING = b'{"version":'  # of every line
MOST_CALLS = 1000  # function calls in an answer: more is no answer

# Every request has these, and they say nothing about what is asked.
_TRANSPORT = ("stream", "stream_options")

Timed = tuple[int, ev.Event | RecordedMedia]  # milliseconds since the request went out


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of whom, in the form that is kept and compared."""

    endpoint: str
    body: dict[str, Any]

    @classmethod
    def of(cls, endpoint: Endpoint, request: Request) -> Asked:
        """What `request` asks of `endpoint`."""
        return cls.of_body(endpoint, request.body(endpoint.dialect))

    @classmethod
    def of_body(cls, endpoint: Endpoint, body: dict[str, Any]) -> Asked:
        """What a request with this body asks of `endpoint`."""
        kept = {name: body[name] for name in sorted(body) if name not in _TRANSPORT}
        return cls(endpoint.name, _without_data(kept))

    @property
    def model(self) -> str:
        """The model that was asked."""
        return str(self.body.get("model", ""))

    def hash(self) -> str:
        """The same for equal requests, in every process."""
        text = json.dumps([self.endpoint, _numbers_alike(self.body)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded answer."""

    asked: Asked
    events: tuple[Timed, ...]

    def line(self) -> bytes:
        """The line of the file, with its end."""
        record = {
            "version": VERSION,
            "endpoint": self.asked.endpoint,
            "request": self.asked.body,
            "events": [[at, *_encoded(event)] for at, event in self.events],
        }
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "surrogatepass") + b"\n"

    @classmethod
    def of(cls, line: bytes) -> Recorded:
        """The answer in a line of the file. Raises ValueError where it holds none."""
        try:
            match json.loads(line):
                case {"version": int(version)} if version > VERSION:
                    raise ValueError(_("a newer version of glm-jupyter wrote it"))
                case {
                    "endpoint": str(endpoint),
                    "request": dict(request),
                    "events": list(events),
                } if _is_request(request):
                    return cls(Asked(endpoint, request), tuple(map(_timed, events)))
        except (TypeError, RecursionError):
            pass
        raise ValueError(_("it is no recorded answer"))


class Recorder:
    """Adds the answers that pass through it to the file at `path`.

    A file that is there must be a recording; `before` is the number of answers in it. Raises
    InputError where it is not, or cannot be written. Only answers that came to their end are kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.count = 0
        try:
            with self.path.open("a+b") as file:
                file.seek(0)
                content = file.read()
        except OSError as error:
            raise InputError(
                _("Cannot record into {path}: {error}.").format(
                    path=path, error=error.strerror or type(error).__name__
                ),
                remedy=_("Name a file in a folder that exists and can be written."),
            ) from None
        try:
            self.before = sum(1 for _ in read(content, self.path.name, []))
        except InputError as error:
            raise InputError(
                _("Cannot record into {path}: {error}").format(path=path, error=error),
                remedy=_("Name another file: a new one, or a recording to go on with."),
            ) from None

    def around(self, source: Transport) -> Transport:
        """The same source, whose answers are recorded."""
        return _Recording(self, source)

    async def keep(self, event: ev.Media) -> RecordedMedia:
        """Keep what was made beside the file. Raises GLMError where that is not possible."""
        try:
            return await bridge.in_thread(kept, event, self.path.parent)
        except OSError as error:
            raise GLMError(
                _("What was made is here, but it was not recorded beside {file}: {error}.").format(
                    file=self.path.name, error=error.strerror or type(error).__name__
                ),
                remedy=_("Make room or rights for it, or stop recording: `%glm record off`."),
            ) from None

    def add(self, recorded: Recorded) -> None:
        """Write one answer at the end of the file, whole or not at all.

        Raises GLMError where that is not possible, or where it would keep a secret.
        """
        line = recorded.line()
        if name := leaked(line.decode(errors="replace")):
            raise GLMError(
                _(
                    "The answer is here, but it was not recorded: it or its question holds the "
                    "value of the environment variable {name}, which looks like a secret."
                ).format(name=name),
                remedy=_("Ask without it."),
            )
        try:
            with self.path.open("a+b") as file:
                _mend(file)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise GLMError(
                _("The answer is here, but it was not recorded into {file}: {error}.").format(
                    file=self.path.name, error=error.strerror or type(error).__name__
                ),
                remedy=_(
                    "Make room or rights for the file and run the cell again, or stop "
                    "recording: `%glm record off`."
                ),
            ) from None
        self.count += 1


class _Recording:
    def __init__(self, recorder: Recorder, source: Transport) -> None:
        self._recorder = recorder
        self._source = source
        self.models = source.models

    async def stream(self, endpoint: Endpoint, request: Request) -> AsyncGenerator[ev.Event, None]:
        begun = monotonic()
        events: list[Timed] = []
        async with aclosing(self._source.stream(endpoint, request)) as live:
            async for event in live:
                # Waiting for a busy service is not part of the lesson.
                if isinstance(event, ev.Retrying):
                    begun = monotonic() + event.seconds
                elif isinstance(event, ev.Queued | ev.TaskStarted | ev.TaskState):
                    begun = monotonic()
                elif not isinstance(event, ev.AudioDelta):  # the whole sound comes at the end
                    at = max(0, round((monotonic() - begun) * 1000))
                    # A file is moved by whoever gets the event.
                    if isinstance(event, ev.Media):
                        events.append((at, await self._recorder.keep(event)))
                    else:
                        events.append((at, event))
                yield event
        if events and isinstance(events[-1][1], ev.Finish):
            self._recorder.add(Recorded(Asked.of(endpoint, request), tuple(events)))


def read(content: bytes, name: str, complaints: list[str]) -> Iterator[Recorded]:
    """The answers in a recording; a last line that was cut off goes into `complaints`.

    Raises InputError, naming the line, for content that is no recording.
    """
    lines = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield Recorded.of(line)
        except ValueError as error:
            if number == len(lines) and _begun(line):
                complaints.append(
                    _("The last line of {file} is cut off; it is left out.").format(file=name)
                )
                return
            broken = isinstance(error, json.JSONDecodeError)
            reason = _("it is not JSON") if broken else error
            raise InputError(
                _("{name} is not a recording: line {number} cannot be used, {reason}.").format(
                    name=name, number=number, reason=reason
                ),
                remedy=_(
                    "`%glm record FILE` makes recordings. Take the line out if the rest is one."
                ),
            ) from None


def _mend(file: IO[bytes]) -> None:
    """End the last line: a crash may have cut it off, an editor may have left out its end."""
    end = position = file.seek(0, os.SEEK_END)
    tail = b""
    while position and b"\n" not in tail:
        start = max(0, position - 65536)
        file.seek(start)
        tail = file.read(position - start) + tail
        position = start
    tail = tail.rpartition(b"\n")[2]
    if not tail:
        return
    try:
        Recorded.of(tail)
    except ValueError:
        if _begun(tail):
            file.truncate(end - len(tail))
            return
    file.write(b"\n")


def _begun(line: bytes) -> bool:
    """Whether it can be the beginning of a recorded answer."""
    return line.startswith(BEGINNING[: len(line)])


def _without_data(value: Any) -> Any:
    """The value with each picture, sound or file that is in it as data replaced by its digest."""
    match value:
        case {"url": str(url)}:
            return {**value, "url": _digest(url)}
        case {"data": str(data), "format": _}:
            return {**value, "data": _digest(data)}
        case dict():
            return {name: _without_data(part) for name, part in value.items()}
        case list() | tuple():
            return [_without_data(part) for part in value]
        case str() if value.startswith("data:"):
            return _digest(value)
    return value


def _is_request(request: dict[str, Any]) -> bool:
    messages = request.get("messages", [])
    if not isinstance(request.get("model"), str):
        return False
    return isinstance(messages, list) and all(isinstance(message, dict) for message in messages)


def _numbers_alike(value: Any) -> Any:
    """The value with numbers that are equal written alike: 0 and 0.0 are the same wish."""
    if isinstance(value, dict):
        return {name: _numbers_alike(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_numbers_alike(part) for part in value]
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return value


def _digest(url: str) -> str:
    """A URL as it is, and the SHA-256 of an image in base64."""
    if "://" in url:
        return url
    return f"sha256:{hashlib.sha256(url.rpartition('base64,')[2].encode()).hexdigest()}"


def _encoded(event: ev.Event | RecordedMedia) -> tuple[str, Any]:
    match event:
        case ev.Started(_, model):
            return "started", model
        case ev.ReasoningDelta(text):
            return "reasoning", text
        case ev.TextDelta(text):
            return "text", text
        case ev.TextWasReasoning():
            return "text was reasoning", None
        case ev.ToolCallDelta():
            return "tool call", asdict(event)
        case ev.Sources(items):
            return "sources", list(items)
        case ev.UsageReport(usage):
            return "usage", {name: value for name, value in asdict(usage).items() if value}
        case ev.Finish(reason):
            return "finish", reason
        case RecordedMedia():
            told = {name: value for name, value in asdict(event).items() if value is not None}
            return "media", told
        case ev.Vectors(rows):
            return "vectors", rows
        case ev.Scores(pairs):
            return "scores", pairs
        case ev.Billed(quantity):
            return "billed", quantity
        case ev.Page(number, text):
            return "page", [number, text]
    raise TypeError(f"{type(event).__name__} does not come from a service")


def _timed(event: Any) -> Timed:
    match event:
        case [int(at), str(kind), value] if at >= 0:
            return at, _decoded(kind, value)
    raise ValueError(_("it holds an event without a time"))


def _decoded(kind: str, value: Any) -> ev.Event | RecordedMedia:
    """The event, if it is one: the file may come from anybody."""
    match kind, value:
        case "started", str() | None:
            return ev.Started(None, value)
        case "reasoning", str():
            return ev.ReasoningDelta(value)
        case "text", str():
            return ev.TextDelta(value)
        case "text was reasoning", None:
            return ev.TextWasReasoning()
        case "tool call", {"index": int(index)} if 0 <= index < MOST_CALLS:
            texts = [value.get(name) for name in ("id", "name", "arguments")]
            if all(isinstance(text, str | None) for text in texts):
                return ev.ToolCallDelta(index, texts[0], texts[1], texts[2] or "")
        case "sources", list() if all(isinstance(source, dict) for source in value):
            return ev.Sources(tuple(value))
        case "usage", dict() if all(isinstance(n, int) and n >= 0 for n in value.values()):
            return ev.UsageReport(ev.Usage(**value))
        case "media", dict():
            return RecordedMedia.of(value)
        case "vectors", list():
            return ev.Vectors(tuple(tuple(map(float, row)) for row in value))
        case "scores", list():
            return ev.Scores(tuple((int(place), float(score)) for place, score in value))
        case "billed", int() if not isinstance(value, bool) and value >= 0:
            return ev.Billed(value)
        case "page", [int(number), str(text)]:
            return ev.Page(number, text)
        case "finish", str() | None:
            return ev.Finish(value)
    raise ValueError(_("it holds an event that is none, {kind}").format(kind=clean(kind, 40)))

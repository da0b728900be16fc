"""Transcription: has a recording written down, a long one cut at its pauses, side by side."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import httpx
from httpx_sse import EventSource

from . import events as ev
from .errors import BusyError, GLMError, IncompleteError, InputError, NetworkError, refusal
from .http import refused, whole
from .making import MakingRequest, without_none
from .redact import hidden
from .sound import Sound

if TYPE_CHECKING:
    from .catalogue import Model
    from .endpoints import Endpoint
    from .http import Http
    from .request import Dialect

PATH = "/audio/transcriptions"
# By the prices of z.ai for a token and for a minute (docs.z.ai, 2026-07-31); rounded up.
TOKENS_A_SECOND = 1334
MOST_HOTWORDS = 100  # docs.bigmodel.cn, OpenAPI of 2026-07-11
TRIES = 3
PAUSE = 1.0  # seconds before a piece is asked again; doubles


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRequest(MakingRequest):
    """A request to write down a recording; `prompt` is what was said before it.

    `data` is the file, of type `mime`; `sound` what is in it, where that could be read. Up to
    `in_flight` pieces of at most `longest` seconds are asked at once.
    """

    data: bytes = field(repr=False)
    mime: str
    sound: Sound | None = field(default=None, repr=False)
    hotwords: tuple[str, ...] = ()
    longest: float = 30.0
    in_flight: int = 3

    @property
    def seconds(self) -> float:
        """How long the recording is, or may be: a short MP3 is not measured."""
        return self.longest if self.sound is None else self.sound.seconds

    @property
    def prompt_tokens(self) -> int:
        """The tokens that the recording has, about."""
        return math.ceil(self.seconds * TOKENS_A_SECOND)

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """The fields of the form, and the file as a data URL."""
        encoded = base64.b64encode(self.data).decode()
        return without_none(
            model=self.model,
            prompt=self.prompt.strip() or None,
            hotwords=list(self.hotwords) or None,
            file=f"data:{self.mime};base64,{encoded}",
        )

    def checked(self, model: Model) -> TranscriptionRequest:
        """The request as the model takes it."""
        longest = model.max_seconds or self.longest
        if model.max_characters is not None and len(self.prompt) > model.max_characters:
            raise InputError(
                f"{model.name} takes at most {model.max_characters:,} characters of what was said "
                "before. Nothing was sent.",
                remedy="Shorten the cell.",
            )
        if len(self.hotwords) > MOST_HOTWORDS:
            raise InputError(
                f"{model.name} takes at most {MOST_HOTWORDS} hot words, not {len(self.hotwords)}. "
                "Nothing was sent.",
                remedy="Give fewer --hotwords.",
            )
        in_flight = model.in_flight(0) or self.in_flight
        return replace(self, longest=longest, in_flight=min(in_flight, self.in_flight))

    def worst(self, model: Model) -> Decimal | None:
        """What it costs at most, by its length."""
        return model.worst_cost(self.prompt_tokens, 1)

    async def events(self, http: Http, endpoint: Endpoint) -> AsyncGenerator[ev.Event, None]:
        """Have it written down; pieces come in order, and one that fails keeps the others."""
        pieces = self.sound.pieces(self.longest) if self.sound else []
        if len(pieces) <= 1:
            async with aclosing(_streamed(http, endpoint, self)) as events:
                async for event in events:
                    yield event
        else:
            async with aclosing(self._side_by_side(http, endpoint, pieces)) as events:
                async for event in events:
                    yield event
        usage = ev.Usage(
            prompt_tokens=self.prompt_tokens, total_tokens=self.prompt_tokens, estimated=True
        )
        yield ev.UsageReport(usage)
        yield ev.Finish("stop")

    async def _side_by_side(
        self, http: Http, endpoint: Endpoint, pieces: Sequence[Sound]
    ) -> AsyncGenerator[ev.Event, None]:
        """The pieces asked a few at a time, each given out when all before it have come."""
        free = asyncio.Semaphore(self.in_flight)

        async def ask(piece: Sound) -> str:
            part = replace(self, data=piece.wav(), mime="audio/wav", sound=piece)
            async with free:
                return await _written(http, endpoint, part)

        tasks = [asyncio.create_task(ask(piece)) for piece in pieces]
        failed: list[str] = []
        last: GLMError | None = None
        begun, at = False, 0.0
        try:
            for task, piece in zip(tasks, pieces, strict=True):
                span = f"{_clock(at)} to {_clock(at + piece.seconds)}"
                at += piece.seconds
                try:
                    text = (await task).strip()
                except GLMError as error:
                    failed.append(span)
                    last, text = error, f"[{span} is missing]"
                else:
                    if not begun:
                        yield ev.Started(None, self.model)
                        begun = True
                if text:
                    yield ev.TextDelta(_spaced(text) if at > piece.seconds else text)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if last and len(failed) == len(pieces):
            raise last
        if last:
            raise IncompleteError(
                f"{len(failed)} of {len(pieces)} pieces were not written down: "
                f"{', '.join(failed)}. {last}",
                remedy=f"{last.remedy} The others are kept.",
            )


async def _streamed(
    http: Http, endpoint: Endpoint, request: TranscriptionRequest
) -> AsyncGenerator[ev.Event, None]:
    async with http.response(endpoint, "POST", PATH, **_form(request, stream=True)) as response:
        kind = response.headers.get("content-type", "")
        if response.status_code != 200 or "text/event-stream" not in kind:
            text = _text(endpoint, response, await whole(response))
            yield ev.Started(None, request.model)
            yield ev.TextDelta(text)
            return
        yield ev.Started(response.headers.get("x-request-id"), request.model)
        async for event in EventSource(response).aiter_sse():
            if event.data == "[DONE]":
                return
            try:
                frame = json.loads(hidden(event.data, endpoint.key))
            except ValueError:
                continue
            if isinstance(frame, dict) and "error" in frame:
                raise refusal(frame, base_url=endpoint.base_url)
            if isinstance(frame, dict) and isinstance(delta := frame.get("delta"), str) and delta:
                yield ev.TextDelta(delta)


async def _written(http: Http, endpoint: Endpoint, request: TranscriptionRequest) -> str:
    """The text of one piece; what may pass is tried again, for the others are paid."""
    for attempt in range(TRIES):
        try:
            async with http.response(endpoint, "POST", PATH, **_form(request)) as response:
                return _text(endpoint, response, await whole(response))
        except (BusyError, NetworkError) as error:
            if attempt == TRIES - 1 or not error.retryable:
                raise
            await asyncio.sleep(error.retry_after or PAUSE * 2**attempt)
    raise AssertionError  # the last try returns or raises


def _text(endpoint: Endpoint, response: httpx.Response, body: bytes) -> str:
    if response.status_code == 200:
        try:
            return str(
                cast(dict[str, Any], json.loads(hidden(body.decode(), endpoint.key)))["text"]
            )
        except (ValueError, LookupError, TypeError):
            pass
    raise refused(endpoint, response, body)


def _form(request: TranscriptionRequest, *, stream: bool = False) -> dict[str, Any]:
    """The multipart form. How the service wants several hot words is not documented: as fields of
    the same name, which is what its own client sends for other lists.
    """
    ending = "wav" if request.mime == "audio/wav" else "mp3"
    fields: dict[str, Any] = {"model": request.model, "stream": "true" if stream else "false"}
    if request.prompt.strip():
        fields["prompt"] = request.prompt.strip()
    if request.hotwords:
        fields["hotwords"] = list(request.hotwords)
    return {"data": fields, "files": {"file": (f"audio.{ending}", request.data, request.mime)}}


def _spaced(text: str) -> str:
    """The text of a further piece: Chinese and its like have no space between sentences."""
    return text if ord(text[0]) > 0x2E80 else f" {text}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"

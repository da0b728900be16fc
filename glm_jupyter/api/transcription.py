"""Transcription: writes down what was said; a long recording in pieces, cut where it is quiet."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx_sse

from glm_jupyter import bridge
from glm_jupyter.language import _

from . import events as ev
from .errors import GLMError, IncompleteError, InputError, NetworkError, not_the_api, refusal
from .http import refused, whole
from .making import MakingRequest, perhaps_billed, without_none
from .redact import hidden
from .retries import retrying

if TYPE_CHECKING:
    from decimal import Decimal

    from .catalogue import Model
    from .endpoints import Endpoint
    from .http import Http
    from .request import Dialect

LONGEST = 30.0  # seconds of one request
MOST_HOTWORDS = 100
TOKENS_A_SECOND = 1334  # what a second is billed as, by the prices in USD
IN_FLIGHT = 3
ENDINGS = {"audio/wav": "wav", "audio/mpeg": "mp3"}
_QUIET = 0.1  # seconds that must be quiet where a recording is cut
_FIRST_CJK = "\u2e80"  # from here on, scripts that put no space between words


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a recording, from second `start` to `end`."""

    data: bytes
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRequest(MakingRequest):
    """A request to write down what `audio` holds; `prompt` is what was said before it.

    `mime` is audio/wav or audio/mpeg, `seconds` how long it is, None where that is not known.
    `hotwords` are words that it is likely to hold. At most `in_flight` pieces of a long recording
    are on the way at a time.
    """

    audio: bytes
    mime: str = "audio/wav"
    seconds: float | None = None
    hotwords: tuple[str, ...] = ()
    in_flight: int = IN_FLIGHT

    @property
    def prompt_tokens(self) -> int:
        """About how many tokens it is billed as."""
        return math.ceil((self.seconds or 0) * TOKENS_A_SECOND)

    @property
    def given(self) -> dict[str, Any]:
        """What was chosen beside the recording."""
        return without_none(hotwords=list(self.hotwords) or None)

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """What is sent as a form, as JSON: the recording is a data URL."""
        encoded = base64.b64encode(self.audio).decode()
        return without_none(
            model=self.model,
            file=f"data:{self.mime};base64,{encoded}",
            prompt=self.prompt.strip() or None,
            hotwords=list(self.hotwords) or None,
            stream=True,
        )

    def checked(self, model: Model) -> TranscriptionRequest:
        """The request as the model takes it."""
        if not self.audio:
            raise InputError(
                _("There is no recording to write down. Nothing was sent."),
                remedy=_("Give one with --audio: a path or a variable."),
            )
        if len(self.hotwords) > MOST_HOTWORDS:
            raise InputError(
                _("{model} takes at most {most} --hotwords, not {given}. Nothing was sent.").format(
                    model=model.name, most=MOST_HOTWORDS, given=len(self.hotwords)
                ),
                remedy=_("Give those that are rare elsewhere."),
            )
        if model.max_characters is not None and len(self.prompt) > model.max_characters:
            raise InputError(
                _(
                    "{model} takes at most {most:,} characters of what was said before; the cell "
                    "has {count:,}. Nothing was sent."
                ).format(model=model.name, most=model.max_characters, count=len(self.prompt)),
                remedy=_("Keep the last sentences."),
            )
        if self.mime == "audio/wav":
            return self  # which can be cut
        longest = model.max_seconds or LONGEST
        if self.mime not in ENDINGS or (self.seconds or 0) > longest:
            raise InputError(
                _(
                    "{model} takes WAV, and MP3 of at most {longest:g} seconds. Nothing was sent."
                ).format(model=model.name, longest=longest),
                remedy=_(
                    "`pip install soundfile`, or install ffmpeg, and it is converted and cut."
                ),
            )
        if model.max_bytes is not None and len(self.audio) > model.max_bytes:
            raise InputError(
                _(
                    "{model} takes at most {most} MB; this recording has {size:.1f} MB. Nothing "
                    "was sent."
                ).format(
                    model=model.name, most=model.max_bytes >> 20, size=len(self.audio) / (1 << 20)
                ),
                remedy=_("Give it with a lower bit rate, or in parts."),
            )
        return self

    def worst(self, model: Model) -> Decimal | None:
        """What so many seconds cost; None where it is not known how many they are."""
        if self.seconds is None and not model.free:
            return None
        return model.worst_cost(self.prompt_tokens, 1)

    async def events(self, http: Http, endpoint: Endpoint) -> AsyncGenerator[ev.Event, None]:
        """Have it written down.

        Where a piece of several fails, the others are kept, and IncompleteError says which
        seconds are missing.
        """
        parts = await bridge.in_thread(cut, self.audio) if self.mime == "audio/wav" else []
        if len(parts) < 2:
            async for event in self._piece(http, endpoint, self.audio):
                yield event
        else:
            async for event in self._pieces(http, endpoint, parts):
                yield event
        yield ev.Finish("stop")

    async def _pieces(
        self, http: Http, endpoint: Endpoint, parts: list[Piece]
    ) -> AsyncGenerator[ev.Event, None]:
        turns = asyncio.Semaphore(self.in_flight)

        async def written(part: Piece) -> str:
            async with turns:
                return await self._written(http, endpoint, part.data)

        tasks = [asyncio.create_task(written(part)) for part in parts]
        missing: list[Piece] = []
        failure: GLMError | None = None
        last, seconds = "", 0.0
        try:
            for part, task in zip(parts, tasks, strict=True):
                try:
                    text = await task
                except GLMError as error:
                    failure = failure or error
                    missing.append(part)
                    continue
                if not seconds:
                    yield ev.Started(None, self.model)
                seconds += part.end - part.start
                if text:
                    yield ev.TextDelta(_between(last, text) + text)
                    last = text
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if failure is not None and not seconds:
            raise failure
        yield _usage(seconds)
        if failure is not None:
            span = _("{start:.0f} to {end:.0f}")
            spans = ", ".join(span.format(start=part.start, end=part.end) for part in missing)
            raise IncompleteError(
                _(
                    "Seconds {spans} of the recording are missing from the transcript. {failure}"
                ).format(spans=spans, failure=failure),
                remedy=_("Run the cell again, or give those seconds alone; the rest is kept."),
                retryable=failure.retryable,
            )

    async def _written(self, http: Http, endpoint: Endpoint, audio: bytes) -> str:
        """The text of one piece of several; what may pass is tried again."""
        async for attempt in retrying():
            with attempt:
                events = self._piece(http, endpoint, audio)
                text = [event.text async for event in events if isinstance(event, ev.TextDelta)]
        return "".join(text).strip()

    async def _piece(
        self, http: Http, endpoint: Endpoint, audio: bytes
    ) -> AsyncGenerator[ev.Event, None]:
        form = without_none(
            model=self.model,
            prompt=self.prompt.strip() or None,
            # As OpenAPI has lists in forms: one field each. The service's pages do not say.
            hotwords=list(self.hotwords) or None,
            stream="true",
        )
        file = (f"audio.{ENDINGS[self.mime]}", audio, self.mime)
        begun = done = False
        try:
            async with http.response(
                endpoint, "POST", "/audio/transcriptions", data=form, files={"file": file}
            ) as response:
                kind = response.headers.get("content-type", "")
                if response.status_code != 200 or "text/event-stream" not in kind:
                    text = _whole_text(endpoint, response, await whole(response))
                    yield ev.Started(None, self.model)
                    yield ev.TextDelta(text)
                    begun = done = True
                else:
                    yield ev.Started(None, self.model)
                    async for event in httpx_sse.EventSource(response).aiter_sse():
                        told = hidden(event.data, endpoint.key)
                        if told.strip() == "[DONE]":
                            done = True
                            break
                        delta, ended = _decoded(told, endpoint)
                        done = done or ended
                        if delta:
                            begun = True
                            yield ev.TextDelta(delta)
        except NetworkError as error:
            if not begun:
                raise perhaps_billed(error, _("transcript")) from None
            if not done:
                raise _broke_off(str(error)) from None
        if not done:
            raise _broke_off(_("The connection ended before the service said that it is whole."))
        if self.seconds is not None and audio is self.audio:
            yield _usage(self.seconds)


def cut(audio: bytes, longest: float = LONGEST) -> list[Piece]:
    """A WAV file in pieces that the service takes, each ending where it is quietest.

    One that is short enough, or cannot be read here, is one piece, as it is.
    """
    from .sound import from_wav, wav

    try:
        samples, rate = from_wav(audio)
    except ValueError:
        return [Piece(audio, 0.0, 0.0)]
    most = int(longest * rate)
    if len(samples) <= most:
        return [Piece(audio, 0.0, len(samples) / rate)]
    pieces, start = [], 0
    while start < len(samples):
        end = len(samples)
        if end - start > most:
            earliest = start + most * 6 // 10
            end = earliest + _quietest(samples[earliest : start + most], rate)
        data = wav(samples[start:end].tobytes(), rate)
        pieces.append(Piece(data, start / rate, end / rate))
        start = end
    return pieces


def _quietest(samples: Any, rate: int) -> int:
    """The middle of the quietest moment."""
    import numpy as np

    width = max(1, int(_QUIET * rate))
    loudness = np.concatenate(([0.0], np.cumsum(samples.astype(np.float64) ** 2)))
    if len(samples) <= width:
        return max(1, len(samples))
    return int(np.argmin(loudness[width:] - loudness[:-width])) + width // 2


def _between(before: str, after: str) -> str:
    """What stands between the texts of two pieces."""
    return " " if before and max(before[-1], after[0]) < _FIRST_CJK else ""


def _usage(seconds: float) -> ev.UsageReport:
    count = math.ceil(seconds * TOKENS_A_SECOND)
    return ev.UsageReport(ev.Usage(prompt_tokens=count, total_tokens=count, estimated=True))


def _decoded(data: str, endpoint: Endpoint) -> tuple[str, bool]:
    """The text in a frame, and whether it is the last. Raises GLMError where it is an error."""
    try:
        frame = json.loads(data)
    except (ValueError, RecursionError):
        raise not_the_api(endpoint.base_url, _("a text that is not JSON")) from None
    if not isinstance(frame, dict):
        return "", False
    if frame.get("error"):
        raise refusal(frame, base_url=endpoint.base_url)
    delta = frame.get("delta")
    return (delta if isinstance(delta, str) else ""), frame.get("type") == "transcript.text.done"


def _whole_text(endpoint: Endpoint, response: Any, body: bytes) -> str:
    """The transcript of a service that does not stream."""
    try:
        reply = json.loads(hidden(body.decode("utf-8-sig"), endpoint.key))
    except (ValueError, RecursionError):
        reply = None
    text = reply.get("text") if isinstance(reply, dict) else None
    if response.status_code != 200 or not isinstance(text, str):
        raise refused(endpoint, response, body)
    return text


def _broke_off(why: str) -> IncompleteError:
    return IncompleteError(
        _("The transcript broke off. {why}").format(why=why),
        remedy=_("Run the cell again; what had arrived is kept."),
        retryable=False,
    )

"""Speech: has a text spoken, a long one sentence by sentence, joined into one sound."""

from __future__ import annotations

import difflib
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from . import events as ev
from .errors import GLMError, IncompleteError, InputError, NetworkError, RequestError, clean
from .http import refused, whole
from .making import MakingRequest, perhaps_billed, within, without_none
from .sound import Sound, joined

if TYPE_CHECKING:
    from .catalogue import Model
    from .endpoints import Endpoint
    from .http import Http
    from .request import Dialect

PATH = "/audio/speech"
CLONED = "voice_clone"  # how the ids of cloned voices begin
RATE = 24_000  # of samples without a header (docs.bigmodel.cn, OpenAPI of 2026-07-11)
# The end of a sentence in Chinese, Japanese and the languages with a full stop.
_ENDS = re.compile(
    r"(?<=[。！？…；!?;])(?![”’」』\"'）)])|(?<=[.!?]['\")\]])\s+|(?<=[.!?;:])\s+|\n+"
)
_HALTS = re.compile(r"(?<=[，、：,])|\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest(MakingRequest):
    """A request to speak `prompt`. A text of more than `longest` characters is asked in pieces."""

    voice: str | None = None
    speed: float | None = None
    volume: float | None = None
    longest: int = 1024

    @property
    def quantity(self) -> int:
        """The characters, which are billed."""
        return len(self.prompt)

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """The JSON body; of a long text, that of its first piece has the beginning only."""
        return without_none(
            model=self.model,
            input=self.prompt,
            voice=self.voice,
            speed=self.speed,
            volume=self.volume,
            response_format="wav",
        )

    def checked(self, model: Model) -> SpeechRequest:
        """The request as the model takes it; a voice of its own it knows by any case."""
        within("speed", self.speed, model.speed_range, model.name)
        within("volume", self.volume, model.volume_range, model.name)
        voice = self.voice or next(iter(model.voices), None)
        known = {name.lower(): name for name in model.voices}
        if voice and voice.lower() in known:
            voice = known[voice.lower()]
        elif voice and (near := difflib.get_close_matches(voice.lower(), known, n=1, cutoff=0.75)):
            raise InputError(
                f"{model.name} has no voice {clean(voice, 40)}. Nothing was sent.",
                remedy=f"Did you mean {near[0]}? Its voices: {', '.join(model.voices)}; one that "
                "you have cloned goes by its name, too.",
            )
        return replace(self, voice=voice, longest=model.max_characters or self.longest)

    async def events(self, http: Http, endpoint: Endpoint) -> AsyncGenerator[ev.Event, None]:
        """Have it spoken. Where a piece fails, what was spoken until then is given."""
        voice = await _voice(http, endpoint, self.voice)
        parts = split(self.prompt, self.longest)
        spoken: list[Sound] = []
        for number, part in enumerate(parts):
            piece = replace(self, prompt=part, voice=voice)
            try:
                sound = await _spoken(http, endpoint, piece)
            except GLMError as error:
                if not spoken:
                    raise
                yield _media(spoken)
                raise IncompleteError(
                    f"Only {number} of {len(parts)} pieces of the text were spoken. {error}",
                    remedy=error.remedy,
                ) from None
            if not spoken:
                yield ev.Started(None, self.model)
            yield ev.Billed(len(part))
            yield ev.AudioDelta(sound.samples, sound.rate)
            spoken.append(sound)
        yield _media(spoken)
        yield ev.Finish("stop")


def split(text: str, longest: int) -> list[str]:
    """The text in pieces of at most `longest` characters, cut at the ends of sentences.

    A sentence that is longer is cut at a comma or a space, or where it must be.
    """
    found: list[str] = []
    for sentence in _cut(text.strip(), _ENDS):
        parts = [sentence] if len(sentence) <= longest else _halted(sentence, longest)
        for part in parts:
            if found and len(found[-1]) + len(part) <= longest:
                found[-1] += part
            else:
                found.append(part)
    return [stripped for piece in found if (stripped := piece.strip())]


def _halted(sentence: str, longest: int) -> list[str]:
    found = []
    for part in _cut(sentence, _HALTS):
        found += [part[start : start + longest] for start in range(0, len(part), longest)]
    return found


def _cut(text: str, ends: re.Pattern[str]) -> list[str]:
    """The text cut behind each match, of which nothing is lost."""
    places = [0, *(match.end() for match in ends.finditer(text)), len(text)]
    return [text[begin:end] for begin, end in pairwise(places) if end > begin]


async def _spoken(http: Http, endpoint: Endpoint, piece: SpeechRequest) -> Sound:
    try:
        async with http.response(
            endpoint, "POST", PATH, json=piece.body(endpoint.dialect)
        ) as response:
            data = await whole(response)
            # An error may come with the status of a success.
            if response.status_code != 200 or data.lstrip()[:1] in (b"{", b"<", b""):
                raise refused(endpoint, response, data)
    except NetworkError as error:
        raise perhaps_billed(error, "speech") from None
    if data.startswith(b"RIFF"):
        try:
            return Sound.of_wav(data)
        except ValueError as error:
            raise RequestError(
                f"What the service gave is no sound: {error}.", remedy="Run the cell again."
            ) from None
    return Sound(data[: len(data) // 2 * 2], RATE)


async def _voice(http: Http, endpoint: Endpoint, name: str | None) -> str | None:
    """The id of a voice that was cloned, where `name` is the one that was given to it."""
    from .catalogue import models

    own = {voice for model in models("speech", endpoint.name) for voice in model.voices}
    if name is None or name in own or name.startswith(CLONED):
        return name
    try:
        reply = await http.call(
            endpoint, "GET", "/voice/list", params={"voiceType": "PRIVATE", "voiceName": name}
        )
        known = {str(row["voice_name"]): str(row["voice"]) for row in reply["voice_list"]}
    except (GLMError, LookupError, TypeError):
        return name  # a server of one's own has its own voices
    if name in known:
        return known[name]
    voices = ", ".join([*sorted(own), *sorted(map(clean, known))])
    raise InputError(
        f"There is no voice {clean(name, 40)}. Nothing was spoken.", remedy=f"Voices: {voices}."
    )


def _media(spoken: list[Sound]) -> ev.Media:
    sound = joined(spoken)
    return ev.Media("audio", "audio/wav", data=sound.wav(), seconds=sound.seconds, rate=sound.rate)

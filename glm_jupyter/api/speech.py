"""Speech: reads a text aloud; a long one in pieces that end where sentences do."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from glm_jupyter.language import _

from . import events as ev
from .errors import GLMError, IncompleteError, InputError, NetworkError, clean, not_the_api
from .http import refused, whole
from .making import MakingRequest, perhaps_billed, within, without_none
from .retries import retrying

if TYPE_CHECKING:
    from .catalogue import Model
    from .endpoints import Endpoint
    from .http import Http
    from .request import Dialect

MOST_CHARACTERS = 1024  # of one request
RATE = 24_000  # samples a second of sound that comes without a header
FADE = 0.005  # seconds at both ends of a piece, so that none begins or ends with a click
AHEAD = 2  # pieces in flight, once the first has come
NEAR = 0.75  # a name that is no nearer is one of the user's own voices
CLONED = "voice_clone_"  # how the names of an account's own voices begin

# Where a text may be cut, the best places first: after a paragraph, a sentence, a part of one, a
# word. Marks of Latin script count before a space only: 3.14 is no end.
_ENDS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\n\s*",
        r"""[。！？…]+[”’」』）]*|[.!?؟।]+["')\]”’]*\s+""",
        r"[，；：、]|[,;:]\s+",
        r"\s+",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest(MakingRequest):
    """A request to read `prompt` aloud. `speed` and `volume` are 1 as a rule."""

    voice: str | None = None
    speed: float | None = None
    volume: float | None = None

    @property
    def quantity(self) -> int:
        """Its characters."""
        return sum(map(len, pieces(self.prompt)))

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """The JSON body; of a long text, each piece is sent as one."""
        return without_none(
            model=self.model,
            input=self.prompt,
            voice=self.voice,
            speed=self.speed,
            volume=self.volume,
            response_format="wav",
        )

    def checked(self, model: Model) -> SpeechRequest:
        """The request as the model takes it; the service wants a voice to be named."""
        if not self.prompt.strip():
            raise _nothing()
        voice = self.voice or next(iter(model.voices), None)
        known = {name.lower(): name for name in model.voices}
        if voice and voice.lower() in known:
            voice = known[voice.lower()]
        elif voice and (near := get_close_matches(voice.lower(), known, n=1, cutoff=NEAR)):
            raise InputError(
                _("{model} has no voice {voice}. Nothing was sent.").format(
                    model=model.name, voice=clean(voice, 40)
                ),
                remedy=_(
                    "Did you mean {near}? Its voices: {voices}; one that you have cloned goes by "
                    "its name, too."
                ).format(near=near[0], voices=", ".join(model.voices)),
            )
        within("speed", self.speed, model.speed_range, model.name)
        within("volume", self.volume, model.volume_range, model.name)
        return replace(self, voice=voice)

    async def events(self, http: Http, endpoint: Endpoint) -> AsyncGenerator[ev.Event, None]:
        """Have each piece read, and join them.

        Where a later piece fails, what was read before is kept, and IncompleteError says from
        where on it is missing.
        """
        texts = pieces(self.prompt)
        if not texts:
            raise _nothing()
        voice = await _voice(http, endpoint, self.voice)
        body = without_none(**{**self.body(endpoint.dialect), "voice": voice})
        rate, samples = await _spoken(http, endpoint, {**body, "input": texts[0]})
        yield ev.Started(None, self.model)
        sound = [samples]
        yield ev.Billed(len(texts[0]))
        yield ev.AudioDelta(samples, rate)
        failure: GLMError | None = None
        waiting: list[asyncio.Task[tuple[int, bytes]]] = []
        try:
            for number in range(1, len(texts)):
                for text in texts[number + len(waiting) : number + AHEAD]:
                    again = _spoken_after_all(http, endpoint, {**body, "input": text})
                    waiting.append(asyncio.create_task(again))
                try:
                    its, samples = await waiting[0]
                    if its != rate:
                        raise not_the_api(endpoint.base_url, _("pieces of sound that do not fit"))
                except GLMError as error:
                    failure = error
                    break
                waiting.pop(0)
                sound.append(samples)
                yield ev.Billed(len(texts[number]))
                yield ev.AudioDelta(samples, rate)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        yield _media(sound, rate)
        if failure is not None:
            rest = texts[len(sound)]
            raise IncompleteError(
                _("The rest of the text was not read, from {rest!r} on. {failure}").format(
                    rest=clean(rest, 40), failure=failure
                ),
                remedy=_("Run a cell with the rest; what was read is kept."),
                retryable=failure.retryable,
            )
        yield ev.Finish("stop")


def pieces(text: str, most: int = MOST_CHARACTERS) -> list[str]:
    """The text in pieces of at most `most` characters, cut where a reader would pause."""
    return [piece for piece in map(str.strip, _cut(text, most)) if piece]


def _nothing() -> InputError:
    return InputError(
        _("There is nothing to read aloud. Nothing was sent."),
        remedy=_("Write the text below the %%glm line."),
    )


def _cut(text: str, most: int) -> Iterator[str]:
    while len(text) > most:
        place = _end(text[:most])
        yield text[:place]
        text = text[place:].lstrip()
    yield text


def _end(text: str) -> int:
    """The best place in `text` to end a piece, not so early that the piece is short."""
    for pattern in _ENDS:
        places = [found.end() for found in pattern.finditer(text)]
        if places and places[-1] > len(text) // 2:
            return places[-1]
    return len(text)


async def _spoken_after_all(http: Http, endpoint: Endpoint, body: Any) -> tuple[int, bytes]:
    """A later piece: what may pass is tried again here, as the client tries only the first."""
    async for attempt in retrying():
        with attempt:
            spoken = await _spoken(http, endpoint, body)
    return spoken


async def _spoken(http: Http, endpoint: Endpoint, body: Any) -> tuple[int, bytes]:
    """The rate and the samples of one piece, faded in and out."""
    import numpy as np

    from .sound import from_wav

    try:
        async with http.response(endpoint, "POST", "/audio/speech", json=body) as response:
            data = await whole(response)
            if response.status_code != 200 or _is_json(data):
                raise refused(endpoint, response, data)
            kind = response.headers.get("content-type", "")
    except NetworkError as error:
        raise perhaps_billed(error, _("speech")) from None
    if data.startswith(b"RIFF"):
        try:
            samples, rate = from_wav(data)
        except ValueError:
            raise not_the_api(endpoint.base_url, _("sound that cannot be read")) from None
    elif len(data) > 1 and not kind.startswith("text/"):
        samples, rate = np.frombuffer(data[: len(data) // 2 * 2], "<i2"), RATE
    else:
        raise not_the_api(endpoint.base_url, _("no sound"))
    return rate, _faded(samples, rate)


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
        _("There is no voice {name}. Nothing was spoken.").format(name=clean(name, 40)),
        remedy=_("Voices: {voices}.").format(voices=voices),
    )


def _is_json(data: bytes) -> bool:
    if not data.lstrip().startswith(b"{"):
        return False
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _faded(sound: Any, rate: int) -> bytes:
    import numpy as np

    sound = sound.astype(np.float32)
    length = min(int(FADE * rate), len(sound) // 2)
    ramp = np.linspace(0, 1, length, endpoint=False, dtype=np.float32)
    sound[:length] *= ramp
    sound[len(sound) - length :] *= ramp[::-1]
    return bytes(sound.astype("<i2").tobytes())


def _media(sound: list[bytes], rate: int) -> ev.Media:
    from .sound import wav

    samples = b"".join(sound)
    seconds = len(samples) / 2 / rate
    return ev.Media("audio", "audio/wav", data=wav(samples, rate), seconds=seconds, rate=rate)

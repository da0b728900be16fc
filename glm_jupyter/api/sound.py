"""Sound: WAV files and their samples, cut at pauses and joined without a click."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# At a seam the sound fades out and in for so long, which takes the click away.
FADE_SECONDS = 0.005
# How loud it is, is measured over so long a time.
WINDOW_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Sound:
    """16-bit samples of one channel, `rate` of them a second."""

    samples: bytes
    rate: int

    @classmethod
    def of_wav(cls, data: bytes) -> Sound:
        """The sound of a WAV file, its channels mixed. Raises ValueError where it is none."""
        try:
            with wave.open(io.BytesIO(data)) as file:
                width, channels, rate = (
                    file.getsampwidth(),
                    file.getnchannels(),
                    file.getframerate(),
                )
                frames = file.readframes(file.getnframes())
        except (wave.Error, EOFError) as error:
            raise ValueError(str(error) or "it is cut off") from None
        return cls.of_array(_decoded(frames, width).reshape(-1, channels), rate)

    @classmethod
    def of_array(cls, values: Any, rate: int) -> Sound:
        """The sound of an array: samples, or samples x channels; floats are from -1 to 1.

        Raises ValueError for what is no sound.
        """
        array = np.asarray(values)
        if array.ndim == 2:
            if array.shape[0] < array.shape[1] <= array.shape[0] * 10**6 and array.shape[0] <= 2:
                array = array.T  # channels x samples, as some libraries give them
            array = array.mean(axis=1) if array.dtype.kind == "f" else array.mean(axis=1).round()
        if array.ndim != 1 or not array.size or rate <= 0:
            raise ValueError(f"an array of shape {np.shape(values)} is no sound")
        if array.dtype.kind == "f" and np.asarray(values).dtype.kind == "f":
            array = np.nan_to_num(array).clip(-1, 1) * 32767
        return cls(np.clip(array, -32768, 32767).astype("<i2").tobytes(), int(rate))

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / 2 / self.rate

    def wav(self) -> bytes:
        """The sound as a WAV file."""
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(self.rate)
            out.writeframes(self.samples)
        return file.getvalue()

    def pieces(self, longest: float) -> list[Sound]:
        """The sound in pieces of at most `longest` seconds, cut where it is quietest.

        Each cut is sought in the last third of its piece.
        """
        samples = np.frombuffer(self.samples, "<i2")
        most, window = int(longest * self.rate), max(1, int(WINDOW_SECONDS * self.rate))
        found, begin = [], 0
        while len(samples) - begin > most:
            cut = begin + _quietest(samples[begin : begin + most], most * 2 // 3, window)
            found.append(Sound(samples[begin:cut].tobytes(), self.rate))
            begin = cut
        return [*found, Sound(samples[begin:].tobytes(), self.rate)]


def joined(sounds: Sequence[Sound]) -> Sound:
    """The sounds one after the other; each seam fades out and in."""
    if len(sounds) == 1:
        return sounds[0]
    rate = sounds[0].rate
    fade = max(1, int(FADE_SECONDS * rate))
    parts = []
    for number, sound in enumerate(sounds):
        samples = np.frombuffer(sound.samples, "<i2").astype(float)
        ramp = np.linspace(0, 1, min(fade, len(samples)))
        if number:
            samples[: len(ramp)] *= ramp
        if number < len(sounds) - 1:
            samples[len(samples) - len(ramp) :] *= ramp[::-1]
        parts.append(samples.round().astype("<i2"))
    return Sound(np.concatenate(parts).tobytes(), rate)


def _quietest(samples: Any, after: int, window: int) -> int:
    """The middle of the quietest window that begins at `after` or later."""
    power = np.concatenate([[0.0], np.cumsum(samples[after:].astype(float) ** 2)])
    if len(power) <= window:
        return len(samples)
    energy = power[window:] - power[:-window]
    return after + int(np.argmin(energy)) + window // 2


def _decoded(frames: bytes, width: int) -> Any:
    """Samples of 1 to 4 bytes as 16-bit numbers."""
    if width == 1:
        return (np.frombuffer(frames, "u1").astype(int) - 128) << 8
    if width == 2:
        return np.frombuffer(frames, "<i2")
    if width == 4:
        return np.frombuffer(frames, "<i4") >> 16
    if width == 3:
        triples = np.frombuffer(frames[: len(frames) // 3 * 3], "u1").reshape(-1, 3)
        return (triples[:, 1:].copy().view("<i2")).reshape(-1)
    raise ValueError(f"samples of {width} bytes")

"""Sound: WAV files from samples and samples from them, and the sound in an answer."""

from __future__ import annotations

import base64
import binascii
import io
import wave
from typing import Any

import numpy as np

from . import events as ev

RATE = 24_000  # samples a second of the services' sound where it has no header


def wav(samples: bytes, rate: int) -> bytes:
    """A WAV file of 16-bit samples of one channel."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples)
    return file.getvalue()


def from_wav(data: bytes) -> tuple[Any, int]:
    """The samples of a WAV file, as 16-bit integers of one channel, and their rate.

    Raises ValueError for what is no WAV file of integers, or is empty.
    """
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(str(error)) from None
    size = channels * width
    frames = frames[: len(frames) // size * size] if size else b""
    if not frames or not rate or width not in (1, 2, 3, 4):
        raise ValueError("no sound")
    # The two most significant bytes of each sample; 8-bit ones have no sign, and one byte.
    octets = np.frombuffer(frames, np.uint8).reshape(-1, width)
    if width == 1:
        samples = (octets[:, 0].astype(np.int16) - 128) * 256
    else:
        samples = np.ascontiguousarray(octets[:, -2:]).view("<i2")[:, 0]
    if channels > 1:
        samples = samples.reshape(-1, channels).mean(axis=1)
    return samples.astype("<i2"), rate


class Spoken:
    """Gathers the sound of an answer, which comes at once or in pieces.

    A piece is a WAV or MP3 file, or samples alone, which go on what came before.
    """

    def __init__(self) -> None:
        self._samples = bytearray()
        self._mp3 = bytearray()
        self._rate = RATE

    def decode(self, encoded: str) -> list[ev.Event]:
        """What a piece in base64 brings; nothing where it is none."""
        try:
            data = base64.b64decode(encoded)
        except (binascii.Error, ValueError):
            return []
        if self._mp3 or (not self._samples and is_mp3(data)):
            self._mp3 += data
            return []
        if data.startswith(b"RIFF"):
            try:
                samples, self._rate = from_wav(data)
            except ValueError:
                return []
            data = samples.tobytes()
        done = len(self._samples) // 2 * 2
        self._samples += data
        fresh = bytes(self._samples[done : len(self._samples) // 2 * 2])
        return [ev.AudioDelta(fresh, self._rate)] if fresh else []

    def flush(self) -> list[ev.Event]:
        """The whole, where there is any."""
        if self._mp3:
            return [ev.Media("audio", "audio/mpeg", data=bytes(self._mp3))]
        samples = bytes(self._samples[: len(self._samples) // 2 * 2])
        if not samples:
            return []
        seconds = len(samples) / 2 / self._rate
        data = wav(samples, self._rate)
        return [ev.Media("audio", "audio/wav", data=data, seconds=seconds, rate=self._rate)]


def is_mp3(data: bytes) -> bool:
    """Whether it begins as an MP3 file does: with a tag, or the head of a frame."""
    if data.startswith(b"ID3"):
        return True
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE6 != 0xE2:
        return False
    return data[2] >> 4 not in (0, 15) and data[2] >> 2 & 3 != 3  # the bit rate and the rate

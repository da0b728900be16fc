"""Sound: WAV files from samples and samples from them, whatever their width and channels."""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np


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

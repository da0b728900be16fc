"""Sound for models that listen: from files, bytes and arrays to WAV or MP3."""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glm_jupyter.api.errors import InputError
from glm_jupyter.api.sound import Sound

# Bytes of an MP3 that surely is short enough to be sent as it is: 25 s at 64 kbit/s.
SHORT_MP3 = 200_000
LONGEST_CONVERSION = 120.0  # seconds
RATE = 16_000  # samples a second of what is converted: enough for speech
_MP3 = (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xfa", b"\xff\xe3")


@dataclass(frozen=True, slots=True)
class Recording:
    """What was said: an encoded file, and the sound in it where that could be read."""

    data: bytes
    mime: str
    sound: Sound | None = None


def recording_of(source: Any) -> Recording:
    """The recording that `source` is: a path, the bytes of a file, or `(array, rate)`.

    WAV and MP3 stay what they are; other formats are converted by soundfile or ffmpeg, where one
    of them is there. Raises InputError for anything else.
    """
    if isinstance(source, tuple) and len(source) == 2:
        try:
            sound = Sound.of_array(source[0], int(source[1]))
        except (ValueError, TypeError) as error:
            raise InputError(
                f"The array cannot be heard: {error}. Nothing was sent.",
                remedy="Give (array, rate): samples, or samples x channels, and their rate.",
            ) from None
        return Recording(sound.wav(), "audio/wav", sound)
    if isinstance(source, str) and "://" in source:
        raise InputError(
            "A recording is not fetched from a URL. Nothing was sent.",
            remedy="Download it, and give --audio its path.",
        )
    if isinstance(source, str | Path):
        data = _read(Path(source).expanduser())
    elif isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    else:
        raise InputError(
            f"A value of type {type(source).__name__} is no recording. Nothing was sent.",
            remedy="Give a path, the bytes of a file, or (array, rate).",
        )
    return _of_file(data)


def _of_file(data: bytes) -> Recording:
    if data.startswith(b"RIFF"):
        try:
            return Recording(data, "audio/wav", Sound.of_wav(data))
        except ValueError:  # of a kind that the wave module does not read
            sound = _converted(data)
            return Recording(sound.wav(), "audio/wav", sound)
    if data.startswith(_MP3):
        if len(data) <= SHORT_MP3:
            return Recording(data, "audio/mpeg")
        return Recording(data, "audio/mpeg", _converted(data))
    sound = _converted(data)
    return Recording(sound.wav(), "audio/wav", sound)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Cannot read the recording {path}: {error.strerror}. Nothing was sent.",
            remedy=f"Paths are relative to {Path.cwd()}.",
        ) from None


def _converted(data: bytes) -> Sound:
    if not data:
        raise InputError("The recording is empty. Nothing was sent.", remedy="Record it again.")
    sound = _by_soundfile(data) or _by_ffmpeg(data)
    if sound is None:
        raise InputError(
            "The recording is neither WAV nor MP3 (or is a long MP3), and nothing here can "
            "convert it. Nothing was sent.",
            remedy="`pip install soundfile`, or install ffmpeg; or give a WAV file.",
        )
    return sound


def _by_soundfile(data: bytes) -> Sound | None:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError where its library is missing
        return None
    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float64", always_2d=True)
        return Sound.of_array(samples, rate)
    except (RuntimeError, ValueError):
        return None


def _by_ffmpeg(data: bytes) -> Sound | None:
    program = shutil.which("ffmpeg")
    if program is None:
        return None
    # Only its standard input is read (kept, so that it can be wound back): a playlist cannot name
    # other files.
    command = [
        program,
        "-v",
        "error",
        "-protocol_whitelist",
        "cache,pipe",
        "-i",
        "cache:pipe:0",
        "-vn",
    ]
    command += ["-vn", "-ac", "1", "-ar", str(RATE), "-f", "s16le", "pipe:1"]
    try:
        done = subprocess.run(
            command, input=data, capture_output=True, timeout=LONGEST_CONVERSION, check=False
        )
        return Sound(done.stdout, RATE) if done.returncode == 0 and done.stdout else None
    except (OSError, subprocess.SubprocessError):
        return None

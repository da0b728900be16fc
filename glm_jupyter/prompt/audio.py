"""Audio for models that listen: from files, bytes and arrays to WAV or MP3."""

from __future__ import annotations

import base64
import binascii
import io
import shutil
import subprocess
import tempfile
import wave
from pathlib import Path
from typing import Any

from glm_jupyter.api.errors import InputError, clean
from glm_jupyter.language import _

RATE = 16_000  # samples a second of what has to be converted: enough for speech
LONGEST_WHOLE = 30.0  # seconds; a longer MP3 becomes a WAV, which can be cut
LONGEST_SPOKEN = 600.0  # seconds in a chat (docs.bigmodel.cn, the page of glm-4-voice, 2025-12)
LONGEST_WAIT = 300  # seconds for a conversion

Audio = tuple[bytes, str, float | None]


def audio_of(source: Any) -> Audio:
    """What was said, as WAV or MP3: its bytes, their type, and how many seconds it lasts.

    `source` is a path, bytes, a data URL, or an array of samples and their rate: integers, or
    numbers from -1 to 1. Other kinds of files are converted by soundfile or ffmpeg. The seconds
    are None where nothing here can tell. Raises InputError.
    """
    from glm_jupyter.api.sound import is_mp3

    if isinstance(source, tuple):
        return _from_array(source)
    data = _bytes(source)
    if not data:
        raise InputError(
            _("The recording is empty. Nothing was sent."), remedy=_("Give another one.")
        )
    if data.startswith(b"RIFF") and (seconds := _seconds(data)) is not None:
        return data, "audio/wav", seconds
    converted = _converted(data)
    if not is_mp3(data):
        if converted is None:
            raise InputError(
                _(
                    "The recording is neither WAV nor MP3, and cannot be converted here. "
                    "Nothing was sent."
                ),
                remedy=_(
                    "`pip install soundfile`, or install ffmpeg for M4A, WebM and others; "
                    "or give a WAV or MP3 file."
                ),
            )
        return converted, "audio/wav", _seconds(converted)
    seconds = _seconds(converted) if converted is not None else None
    if converted is not None and seconds is not None and seconds > LONGEST_WHOLE:
        return converted, "audio/wav", seconds
    return data, "audio/mpeg", seconds


def audio_part(source: Any) -> dict[str, Any]:
    """The part of a message that a recording makes, for models that listen in a chat."""
    data, mime, seconds = audio_of(source)
    if seconds is not None and seconds > LONGEST_SPOKEN:
        raise InputError(
            _(
                "The recording lasts {minutes:.0f} minutes; a chat takes at most {most:.0f}. "
                "Nothing was sent."
            ).format(minutes=seconds / 60, most=LONGEST_SPOKEN / 60),
            remedy=_("Give a part of it, or have it written down by glm-asr-2512."),
        )
    kind = "wav" if mime == "audio/wav" else "mp3"
    encoded = base64.b64encode(data).decode()
    return {"type": "input_audio", "input_audio": {"data": encoded, "format": kind}}


def _bytes(source: Any) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str) and source.startswith("data:"):
        try:
            return base64.b64decode(source.partition("base64,")[2], validate=True)
        except binascii.Error:
            raise InputError(
                _("The data URL holds no sound in base64. Nothing was sent."),
                remedy=_("It begins with data:audio/wav;base64, or data:audio/mpeg;base64,."),
            ) from None
    if isinstance(source, str | Path):
        path = Path(source).expanduser()
        try:
            return path.read_bytes()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise InputError(
                _("Cannot read the recording {path}: {why}. Nothing was sent.").format(
                    path=clean(path), why=why
                ),
                remedy=_("Paths are relative to {folder}.").format(folder=Path.cwd()),
            ) from None
    raise InputError(
        _("A value of type {kind} is no recording. Nothing was sent.").format(
            kind=type(source).__name__
        ),
        remedy=_("Give a path, bytes, or a tuple of an array and its rate."),
    )


def _from_array(source: tuple[Any, ...]) -> Audio:
    import numpy as np

    from glm_jupyter.api.sound import wav

    try:
        values, rate = source
        samples, rate = np.asarray(values), int(rate)
        if samples.ndim == 2:  # the channels are the fewer
            samples = samples.mean(axis=int(np.argmin(samples.shape))).astype(samples.dtype)
        if samples.ndim != 1 or not samples.size or samples.dtype.kind not in "if" or rate <= 0:
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(
            _("The tuple is no recording. Nothing was sent."),
            remedy=_(
                "Give an array of samples (integers, or numbers from -1 to 1) and how many "
                "there are in a second: (samples, 16000)."
            ),
        ) from None
    if samples.dtype.kind == "f":
        samples = np.clip(np.nan_to_num(samples.astype(np.float64)), -1, 1) * 32767
    elif samples.dtype.itemsize <= 4:
        samples = samples.astype(np.int64) * 32768 >> (8 * samples.dtype.itemsize - 1)
    else:  # where a calculation has left 16-bit samples
        samples = np.clip(samples, -32768, 32767)
    return wav(samples.astype("<i2").tobytes(), rate), "audio/wav", len(samples) / rate


def _seconds(data: bytes) -> float | None:
    """How long a WAV file lasts; None for one that only others can read."""
    from glm_jupyter.api.sound import from_wav

    try:
        samples, rate = from_wav(data)
    except (ValueError, wave.Error):
        return None
    return len(samples) / rate


def _converted(data: bytes) -> bytes | None:
    """Sound of another kind as WAV; None where nothing here can read it."""
    return _by_soundfile(data) or _by_ffmpeg(data)


def _by_soundfile(data: bytes) -> bytes | None:
    from glm_jupyter.api.sound import wav

    try:
        import soundfile
    except (ImportError, OSError):  # OSError: its library is missing
        return None
    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    except (RuntimeError, TypeError):  # what it raises for what it cannot read
        return None
    return wav(samples.mean(axis=1).astype("<i2").tobytes(), rate) if len(samples) else None


def _by_ffmpeg(data: bytes) -> bytes | None:
    from glm_jupyter.api.sound import wav

    program = shutil.which("ffmpeg")
    if program is None:
        return None
    with tempfile.TemporaryDirectory(prefix="glm-") as folder:
        # A file, as M4A can only be read by jumping in it. A playlist may fetch nothing.
        file = Path(folder, "recording")
        file.write_bytes(data)
        options = ["-f", "s16le", "-ac", "1", "-ar", str(RATE), "-vn", "pipe:1"]
        command = [program, "-v", "error", "-nostdin", "-protocol_whitelist", "file"]
        try:
            ended = subprocess.run(
                [*command, "-i", str(file), "-protocol_whitelist", "pipe", *options],
                capture_output=True,
                timeout=LONGEST_WAIT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    return wav(ended.stdout, RATE) if ended.returncode == 0 and ended.stdout else None

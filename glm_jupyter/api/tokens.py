"""Estimates how many tokens a text has, without a tokenizer."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

# A text has at least this share of the tokens it is estimated at. See `estimate` for how sure.
SURE = 0.7
# And at most this multiple of it.
MOST = 1.85

_PIECES = re.compile(
    r"(?P<cjk>[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\u3000-\u303f\uff00-\uffef])"
    r"|(?P<word>[A-Za-z]+)|(?P<digits>[0-9]+)|(?P<line>\s*\n\s*)|(?P<spaces>[ \t]{2,})|\s"
    r"|(?P<other>[^\x00-\x7f])|(?P<signs>[^\w\s]+|_+)"
)
# Tokens of a piece: for its first characters, for each further one, and how many are first.
_WEIGHTS = {
    "cjk": (0.68, 0.0, 1),
    "word": (0.92, 0.2, 6),
    "line": (0.85, 0.0, 1),
    "spaces": (0.8, 0.0, 1),
    "other": (1.0, 0.0, 1),
    "signs": (0.85, 0.1, 1),
}
_SPOKEN = 12.5  # a second
_MP3_SECOND = 4_000  # bytes
_LONGEST_SPOKEN = 600.0  # seconds
_PER_MESSAGE = 4  # the marks of its role
_PER_REQUEST = 3  # the marks before the first and for the answer


def estimate(content: str | Iterable[Mapping[str, Any]]) -> int:
    """About how many tokens a text has, or the messages of a request, without their images.

    The weights were fitted to vocabularies of GLM's kind and size (100,000 to 200,000 byte pairs:
    Qwen's, cl100k, o200k), GLM's own not being at hand. On other pieces of 1,500 characters the
    true count over the estimate was, mean and range: English 1.02 (0.89 to 1.13), code 1.02
    (0.86 to 1.28), LaTeX 1.00 (0.91 to 1.11), Chinese 1.06 (0.80 to 1.32, by Qwen's and o200k;
    cl100k knows little Chinese), tables of numbers 1.05, but up to 1.83 where each digit is a
    token.
    """
    if isinstance(content, str):
        return ceil(_tokens(content))
    counts = [_PER_MESSAGE + sum(map(_tokens, _texts(message))) for message in content]
    return ceil(_PER_REQUEST + sum(counts)) if counts else 0


def spoken_tokens(encoded: str) -> int:
    """The tokens of a recording in base64: 12.5 for a second.

    A WAV file says how long it is; an MP3 is taken for one of 32 kbit/s, of ten minutes at most
    (docs.bigmodel.cn, the page of glm-4-voice, 2025-12).
    """
    head = b64decode(encoded[:64])
    size = len(encoded) * 3 // 4
    second = int.from_bytes(head[28:32], "little") if head.startswith(b"RIFF") else 0
    seconds = size / second if second else min(size / _MP3_SECOND, _LONGEST_SPOKEN)
    return ceil(seconds * _SPOKEN)


def at_least(estimated: int) -> int:
    """The tokens that a text estimated at so many has beyond reasonable doubt."""
    return int(estimated * SURE)


def at_most(estimated: int) -> int:
    """The tokens that a text estimated at so many can have in the worst case measured."""
    return ceil(estimated * MOST)


def _tokens(text: str) -> float:
    total = 0.0
    for piece in _PIECES.finditer(text):
        kind, length = piece.lastgroup, piece.end() - piece.start()
        if kind == "digits":
            total += ceil(length / 3)
        elif kind is not None:
            first, further, covered = _WEIGHTS[kind]
            total += first + further * max(0, length - covered)
    return total


def _texts(message: Mapping[str, Any]) -> list[str]:
    content = message.get("content") or ""
    texts = [content] if isinstance(content, str) else [str(p.get("text") or "") for p in content]
    for call in message.get("tool_calls") or ():
        texts += [str(call["function"]["name"]), str(call["function"]["arguments"])]
    return [*texts, str(message.get("reasoning_content") or "")]

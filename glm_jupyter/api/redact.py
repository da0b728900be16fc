"""Keeps the key out of what comes back: a server may quote what it was sent, even in pieces."""

from __future__ import annotations

import logging
import re
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar, TypeAlias

from . import events as ev
from .endpoints import Secret
from .errors import GLMError

# Own servers take "EMPTY" and the like, which is no secret and may be a word of the answer.
SHORTEST_KEY = 12
INSTEAD = "(the key)"

Piece: TypeAlias = ev.TextDelta | ev.ReasoningDelta | ev.ToolCallDelta

# The end of a text that may be half of an escaped character.
_HALF_ESCAPE = re.compile(r"(?:\\{1,8}(?:u[0-9a-f]{0,3})?|%(?:25){0,3}[0-9a-f]?)\Z", re.IGNORECASE)
# Those that say what is sent and what comes back.
_LOGGERS = ("httpcore.http11", "httpcore.proxy", "websockets.client")
_LONGEST_ESCAPE = 8  # characters; what is escaped more than twice is not looked for in pieces


def hidden(text: str, key: Secret) -> str:
    """`text` without the key, as it is, escaped as in JSON, or percent-encoded."""
    if len(key.reveal()) < SHORTEST_KEY:
        return text
    return _pattern(key.reveal()).sub(INSTEAD, text)


def hidden_whole(text: str, key: Secret) -> str:
    """`hidden` for a text that does not go on: where it has only begun to quote the key, too."""
    text = hidden(text, key)
    if len(key.reveal()) < SHORTEST_KEY:
        return text
    first = _characters(key.reveal())[0]
    parts, passed = [], 0
    while opening := first.search(text, passed):
        count, end = _matched(text, opening.start(), key)
        begun = count >= SHORTEST_KEY
        parts.append(text[passed : opening.start() if begun else opening.end()])
        parts.append(INSTEAD if begun else "")
        passed = end if begun else opening.end()
    return "".join([*parts, text[passed:]])


def hide_in_logs(key: Secret) -> None:
    """Keep the key out of what the libraries below log at level DEBUG: headers, for example."""
    if key.reveal() not in [known.reveal() for known in _Quiet.keys]:
        _Quiet.keys.append(key)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _Quiet) for known in logger.filters):
            logger.addFilter(_Quiet())


def unframed(error: Exception) -> Exception:
    """A fault that nobody has foreseen, without the frames that it came through.

    Those of libraries have the key in their variables, and `%xmode Verbose` shows them.
    """
    return error.with_traceback(None)


class _Quiet(logging.Filter):
    """Takes the keys in use out of a message."""

    keys: ClassVar[list[Secret]] = []

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        for key in self.keys:
            said = hidden(said, key)
        record.msg, record.args = said, None
        return True


def beginning(text: str, key: Secret) -> int:
    """Where the longest end of `text` with which the key may begin starts."""
    if len(key.reveal()) < SHORTEST_KEY:
        return len(text)
    characters = _characters(key.reveal())
    start = max(0, len(text) - _LONGEST_ESCAPE * len(characters))
    for opening in characters[0].finditer(text, start):
        _, place = _matched(text, opening.start(), key)
        if place == len(text) or _HALF_ESCAPE.match(text, place):
            return opening.start()
    half = _HALF_ESCAPE.search(text, start)
    return half.start() if half else len(text)


def _matched(text: str, place: int, key: Secret) -> tuple[int, int]:
    """How many characters of the key stand at `place`, and where they end."""
    count = 0
    for character in _characters(key.reveal()):
        if not (found := character.match(text, place)):
            break
        count, place = count + 1, found.end()
    return count, place


async def hidden_in(
    events: AsyncGenerator[ev.Event, None], key: Secret
) -> AsyncGenerator[ev.Event, None]:
    """The events of an answer without the key, wherever it is cut."""
    hider = _Hider(key)
    async with aclosing(events):
        try:
            async for event in events:
                for shown in hider.decode(event):
                    yield shown
        except (GLMError, CancelledError):
            for shown in hider.flush():
                yield shown
            raise
    for shown in hider.flush():
        yield shown


class _Hider:
    """Holds back the end of a piece that may be the beginning of the key."""

    def __init__(self, key: Secret) -> None:
        self._key = key
        self._last: Piece | None = None
        self._held = ""

    def decode(self, event: ev.Event) -> Iterator[ev.Event]:
        if isinstance(event, ev.AudioDelta):  # comes between pieces of what it says
            yield event
            return
        if not isinstance(event, Piece):
            yield from self.flush()
            yield event
            return
        if not (self._last and _place(self._last) == _place(event)):
            yield from self.flush()
        text = hidden(self._held + _text(event), self._key)
        place = beginning(text, self._key)
        self._last, self._held = event, text[place:]
        head = text[:place]
        if head or isinstance(event, ev.ToolCallDelta):  # which brings a name, too
            yield _with(event, head)

    def flush(self) -> Iterator[ev.Event]:
        if self._last and self._held:
            yield _with(self._last, hidden_whole(self._held, self._key))
        self._last, self._held = None, ""


@lru_cache(maxsize=8)
def _pattern(key: str) -> re.Pattern[str]:
    return re.compile("".join(map(_spellings, key)))


@lru_cache(maxsize=8)
def _characters(key: str) -> list[re.Pattern[str]]:
    return [re.compile(_spellings(character)) for character in key]


def _spellings(character: str) -> str:
    """A pattern for a character of the key as it is, and escaped a few times over."""
    code = f"{ord(character):02x}"
    plain = re.escape(character) if character.isalnum() else rf"\\{{0,8}}{re.escape(character)}"
    return rf"(?:{plain}|\\{{1,8}}(?i:u00{code})|%(?:25){{0,3}}(?i:{code}))"


def _place(piece: Piece) -> tuple[type[Piece], int]:
    return type(piece), piece.index if isinstance(piece, ev.ToolCallDelta) else 0


def _text(piece: Piece) -> str:
    return piece.arguments if isinstance(piece, ev.ToolCallDelta) else piece.text


def _with(piece: Piece, text: str) -> Piece:
    if isinstance(piece, ev.ToolCallDelta):
        return replace(piece, arguments=text)
    return replace(piece, text=text)

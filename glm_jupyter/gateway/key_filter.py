"""KeyFilter: takes the gateway's key out of a stream of the service, wherever it is cut."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from glm_jupyter.api.endpoints import Secret
from glm_jupyter.api.redact import beginning, hidden, hidden_whole

# The end of a server-sent event.
FRAME_END = re.compile(rb"(?:\r\n|\n|\r)(?:\r\n|\n|\r)")
_DATA = re.compile(rb"^data:[ ]?(.*)$", re.MULTILINE)

# Which text of an answer a piece goes on with: of which choice or call, and of which field.
Name: TypeAlias = tuple[int, str]


@dataclass(slots=True)
class _Text:
    """A text in a piece of an answer; and what of it waits, with the piece that it came in."""

    name: Name
    place: dict[str, Any]
    held: str = ""
    chunk: dict[str, Any] = field(default_factory=dict)

    @property
    def here(self) -> str:
        """The text as it is in the piece."""
        return str(self.place[self.name[1]])

    @here.setter
    def here(self, text: str) -> None:
        self.place[self.name[1]] = text


class KeyFilter:
    """Passes on what the service sends, event by event, without the key.

    A server that quotes the key may do so in several pieces of a text: the end of a piece that may
    be the beginning of the key waits for the next one.
    """

    def __init__(self, key: Secret) -> None:
        self._key = key
        self._rest = b""
        self._held: dict[Name, _Text] = {}

    @property
    def waiting(self) -> int:
        """How many bytes wait for the end of their event."""
        return len(self._rest)

    def pass_on(self, piece: bytes) -> bytes:
        """What goes on to the user, now that `piece` has come."""
        whole = self._rest + piece
        passed, start = [], 0
        for end in FRAME_END.finditer(whole):
            passed.append(self._without_key(whole[start : end.end()]))
            start = end.end()
        self._rest = whole[start:]
        return b"".join(passed)

    def flush(self) -> bytes:
        """What was held back at the end of the stream."""
        rest, self._rest = self._rest, b""
        return self._let_go(()) + self._hidden(rest)

    def _without_key(self, frame: bytes) -> bytes:
        frame = self._hidden(frame)
        if not (data := b"\n".join(_DATA.findall(frame.replace(b"\r", b"\n")))):
            return frame  # a comment, which is no part of the answer
        try:
            chunk = json.loads(data.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return self._let_go(()) + frame
        texts = _texts(chunk)
        before = self._let_go({text.name for text in texts})
        changed = False
        for text in texts:
            waiting = self._held.pop(text.name, None)
            whole = hidden((waiting.held if waiting else "") + text.here, self._key)
            start = beginning(whole, self._key)
            changed = changed or whole[:start] != text.here
            text.here = whole[:start]
            if whole[start:]:
                text.held, text.chunk = whole[start:], chunk
                self._held[text.name] = text
        return before + (_event(chunk) if changed else frame)

    def _let_go(self, going_on: Collection[Name]) -> bytes:
        """What was held back of the texts that do not go on, in pieces like those it came in."""
        events = []
        for name in [name for name in self._held if name not in going_on]:
            waiting = self._held.pop(name)
            for other in _texts(waiting.chunk):
                other.here = ""
            waiting.here = hidden_whole(waiting.held, self._key)
            events.append(_event(waiting.chunk))
        return b"".join(events)

    def _hidden(self, data: bytes) -> bytes:
        text = data.decode("utf-8", "surrogateescape")
        return hidden(text, self._key).encode("utf-8", "surrogateescape")


def _texts(chunk: Any) -> list[_Text]:
    """The texts in a piece of an answer."""
    found: list[_Text] = []
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    for number, choice in enumerate(choices if isinstance(choices, list) else ()):
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if not isinstance(delta, dict):
            continue
        for name in ("content", "reasoning_content", "reasoning"):
            if delta.get(name) and isinstance(delta[name], str):
                found.append(_Text((number, name), delta))
        calls = delta.get("tool_calls")
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(function.get("arguments"), str):
                index = call.get("index")
                which = index if isinstance(index, int) else place
                found.append(_Text((which, "arguments"), function))
    return found


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"

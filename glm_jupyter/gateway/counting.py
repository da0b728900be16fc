"""Counting what flows past: the usage in a stream, which may have to be hidden."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from glm_jupyter.api import events as ev
from glm_jupyter.api import tokens
from glm_jupyter.api.errors import GLMError
from glm_jupyter.api.stream import StreamDecoder

from .asked import Asked
from .key_filter import FRAME_END

# What is read at once; the rest is text, which counts only where the service gives no usage.
_TELLING = re.compile(rb'"usage":\s*\{|"finish_reason":\s*"|\[DONE\]|"error"|"web_search"|"code"')
_DATA = re.compile(rb"^data:[ ]?(.*)$", re.MULTILINE)


class Counter:
    """Reads an answer while it is passed on, and tells what it has cost."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._decoder = StreamDecoder()
        self._usage = ev.Usage()
        self._text: list[str] = []
        self._unread: list[str] = []
        self._searched = False
        self._rest = b""
        self.broken = False  # an error came within the stream

    @property
    def ended(self) -> bool:
        """Whether the answer itself is whole."""
        return self._decoder.ended

    @property
    def done(self) -> bool:
        """Whether the service has said that nothing follows."""
        return self._decoder.done

    def pass_on(self, piece: bytes) -> bytes:
        """What of the stream goes on to the user, now that `piece` has come."""
        frames = FRAME_END.split(held := self._rest + piece)
        ends = [match.end() for match in FRAME_END.finditer(held)]
        start, passed = 0, []
        for frame, end in zip(frames, ends, strict=False):
            if not (self._count(frame) and self._asked.hides_usage):
                passed.append(held[start:end])
            start = end
        before, self._rest = len(self._rest), held[start:]
        if self._asked.hides_usage:
            return b"".join(passed)
        return held[before:]

    def flush(self) -> bytes:
        """What was held back at the end of the stream."""
        rest, self._rest = self._rest, b""
        hidden = self._count(rest) and self._asked.hides_usage
        return rest if self._asked.hides_usage and not hidden else b""

    def whole(self, body: bytes) -> None:
        """Count an answer that came in one piece."""
        self._decode(body.decode("utf-8", "replace"))

    def usage(self) -> ev.Usage:
        """The service's usage; where it gave none, what came, estimated."""
        if self._usage.prompt_tokens or self._usage.completion_tokens:
            if self.ended:
                return self._usage
            counted = self._usage.completion_tokens
        else:
            counted = 0
        self._read_text()
        came = max(counted, tokens.estimate("".join(self._text)))
        asked = self._usage.prompt_tokens or self._asked.prompt_tokens
        return ev.Usage(
            prompt_tokens=asked,
            completion_tokens=came,
            total_tokens=asked + came,
            cached_tokens=self._usage.cached_tokens,
            estimated=True,
        )

    def cost(self, usage: ev.Usage) -> Decimal | None:
        """What the service bills for that usage, and for a search."""
        cost = self._asked.model.cost(usage)
        return cost if cost is None or not self._searched else cost + self._asked.search_price

    def _count(self, frame: bytes) -> bool:
        """Count one event; whether it holds nothing but the usage."""
        data = b"\n".join(_DATA.findall(frame.removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"\n")))
        if not data:
            return False
        text = data.decode("utf-8", "replace")
        if not _TELLING.search(data):
            self._unread.append(text)
            return False
        self._decode(text)
        return b'"usage"' in data and _only_usage(text)

    def _read_text(self) -> None:
        """Read what was put off; what of it ends an answer has been seen."""
        reader = StreamDecoder()
        for text in self._unread:
            self._decode(text, reader)
        self._unread.clear()

    def _decode(self, text: str, decoder: StreamDecoder | None = None) -> None:
        if self.broken:
            return
        try:
            events = (decoder or self._decoder).decode(text)
        except GLMError:
            self.broken = True
            return
        for event in events:
            match event:
                case ev.UsageReport(usage):
                    self._usage = usage
                case ev.TextDelta(text) | ev.ReasoningDelta(text):
                    self._text.append(text)
                case ev.ToolCallDelta():
                    self._text.append((event.name or "") + event.arguments)
                case ev.Sources():
                    self._searched = True


def _only_usage(data: str) -> bool:
    try:
        chunk: Any = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(chunk, dict) and chunk.get("choices") == [] and bool(chunk.get("usage"))

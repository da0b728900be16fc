"""Counting what flows past: what an answer has cost, by the usage in it or by the request."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Protocol

from glm_jupyter.api import events as ev
from glm_jupyter.api import tokens
from glm_jupyter.api.catalogue import Model
from glm_jupyter.api.errors import GLMError
from glm_jupyter.api.making import MakingRequest
from glm_jupyter.api.stream import StreamDecoder

from .key_filter import FRAME_END

# What is read at once; the rest is text, which counts only where the service gives no usage.
_TELLING = re.compile(rb'"usage":\s*\{|"finish_reason":\s*"|\[DONE\]|"error"|"web_search"|"code"')
_DATA = re.compile(rb"^data:[ ]?(.*)$", re.MULTILINE)


class Counter(Protocol):
    """Reads an answer while it is passed on, and tells what it has cost."""

    @property
    def ended(self) -> bool:
        """Whether the answer itself is whole."""

    @property
    def done(self) -> bool:
        """Whether the service has said that nothing follows."""

    @property
    def broken(self) -> bool:
        """Whether an error came within the answer."""

    def pass_on(self, piece: bytes) -> bytes:
        """What of the stream goes on to the user, now that `piece` has come."""

    def flush(self) -> bytes:
        """What was held back at the end of the stream."""

    def whole(self, body: bytes) -> None:
        """Count an answer that came in one piece."""

    def usage(self) -> ev.Usage:
        """The service's usage; where it gave none, an estimate."""

    def cost(self, usage: ev.Usage) -> Decimal | None:
        """What the service bills for that usage; None where that is not known."""


class ReplyCounter:
    """Counts a reply that is not a chat's: by its usage, or else by what was asked."""

    def __init__(self, model: Model, request: MakingRequest) -> None:
        self._model = model
        self._request = request
        self._usage: ev.Usage | None = None
        self.ended = False
        self.done = False
        self.broken = False

    def pass_on(self, piece: bytes) -> bytes:
        """All of the stream goes on."""
        return piece

    def flush(self) -> bytes:
        """Nothing was held back."""
        self.ended = True
        return b""

    def whole(self, body: bytes) -> None:
        """Count a reply that came in one piece."""
        self.ended = True
        try:
            usage = json.loads(body)["usage"]
            prompt, completion, total = (
                int(usage.get(f"{name}_tokens") or 0) for name in ("prompt", "completion", "total")
            )
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return
        prompt = prompt or total  # as a rerank may report
        if prompt:
            self._usage = ev.Usage(prompt, completion, prompt + completion)

    def usage(self) -> ev.Usage:
        """The service's usage; where it gave none, an estimate if it bills tokens."""
        if self._model.unit != "token":
            return self._usage or ev.Usage()
        count = self._request.prompt_tokens
        return self._usage or ev.Usage(prompt_tokens=count, total_tokens=count, estimated=True)

    def cost(self, usage: ev.Usage) -> Decimal | None:
        """What the service bills, at most where it does not say."""
        if self._model.unit == "token" and self._usage:
            return self._model.cost(usage)
        return self._request.worst(self._model)


class ChatCounter:
    """Reads the answer of a chat, whose usage may have to be hidden."""

    def __init__(
        self, model: Model, prompt_tokens: int, *, search_price: Decimal, hides_usage: bool
    ) -> None:
        self._model = model
        self._prompt_tokens = prompt_tokens  # estimated
        self._search_price = search_price
        # The user has not asked for the usage that the gateway asks for.
        self._hides_usage = hides_usage
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
            if not (self._count(frame) and self._hides_usage):
                passed.append(held[start:end])
            start = end
        before, self._rest = len(self._rest), held[start:]
        if self._hides_usage:
            return b"".join(passed)
        return held[before:]

    def flush(self) -> bytes:
        """What was held back at the end of the stream."""
        rest, self._rest = self._rest, b""
        hidden = self._count(rest) and self._hides_usage
        return rest if self._hides_usage and not hidden else b""

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
        asked = self._usage.prompt_tokens or self._prompt_tokens
        return ev.Usage(
            prompt_tokens=asked,
            completion_tokens=came,
            total_tokens=asked + came,
            cached_tokens=self._usage.cached_tokens,
            estimated=True,
        )

    def cost(self, usage: ev.Usage) -> Decimal | None:
        """What the service bills for that usage, and for a search."""
        cost = self._model.cost(usage)
        return cost if cost is None or not self._searched else cost + self._search_price

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

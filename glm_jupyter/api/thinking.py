"""Where reasoning comes inside the text: tells it apart by its tags, whatever the chunks."""

from __future__ import annotations

from . import events as ev

OPEN, CLOSE = "<think>", "</think>"


class ThinkingSplitter:
    """Splits streamed text into answer and reasoning.

    Reasoning is what stands in `<think>...</think>` at the head of the text. A `</think>` that
    nothing in the text has opened closes reasoning whose opening tag was in the prompt: all
    text before it was reasoning. A tag right behind a backtick is one that is talked about.
    """

    def __init__(self) -> None:
        self._held = ""  # the start of what may become a tag
        self._last = ""  # the character before it
        self._quoted = 0  # opening tags that are part of the answer
        self._at_head = True
        self._thinking = False
        self._lone = True  # a closing tag that nothing opened has a meaning
        self._settled = False  # no tag has

    def settle(self) -> list[ev.Event]:
        """Reasoning came in a field of its own: a lone closing tag is text like any other."""
        self._lone = False
        if self._at_head or self._thinking:
            return []
        self._settled = True
        return self.flush()

    def decode(self, text: str) -> list[ev.Event]:
        """The events that a further piece of text brings."""
        if self._settled:
            return _delta(text, thinking=False)
        text = self._held + text
        self._held = ""
        if self._at_head:
            head = text.lstrip()
            if OPEN.startswith(head) and head != OPEN:
                self._held = text
                return []
            self._at_head = False
            self._thinking = head.startswith(OPEN)
            self._settled = not (self._thinking or self._lone)
            if self._thinking:
                text = head[len(OPEN) :]
        return self._scan(text)

    def flush(self) -> list[ev.Event]:
        """What was held back, as what it now turns out to be."""
        held, self._held = self._held, ""
        return _delta(held, thinking=self._thinking)

    def _scan(self, text: str) -> list[ev.Event]:
        events: list[ev.Event] = []
        passed = 0  # how far the text has been given out
        at = text.find("<")
        while at >= 0 and not self._settled:
            before = text[at - 1] if at else self._last
            if text.startswith(CLOSE, at):
                if before != "`" and not self._quoted:
                    events += _delta(text[passed:at], thinking=self._thinking)
                    if not self._thinking:
                        events.append(ev.TextWasReasoning())
                    self._thinking = False
                    self._settled = True
                    passed = at + len(CLOSE)
                    break
                self._quoted = max(self._quoted - 1, 0)
            elif text.startswith(OPEN, at):
                self._quoted += not self._thinking
            elif OPEN.startswith(text[at:]) or CLOSE.startswith(text[at:]):
                self._held = text[at:]
                break
            at = text.find("<", at + 1)
        rest = text[passed : len(text) - len(self._held)]
        self._last = rest[-1:] or self._last
        return events + _delta(rest, thinking=self._thinking)


def _delta(text: str, *, thinking: bool) -> list[ev.Event]:
    if not text:
        return []
    return [ev.ReasoningDelta(text) if thinking else ev.TextDelta(text)]

"""A conversation for reading: markdown for notebooks and files, text for terminals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .escape import clean
from .fences import fenced

WHO = {"system": "System", "user": "You", "assistant": "Model", "tool": "Result"}


def transcript(messages: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The messages as a MIME bundle; what the model said is typeset, and harmless."""
    from .safety import harmless

    seen: set[str] = set()
    shown, plain = [], []
    for message in messages:
        who = WHO.get(message["role"], message["role"])
        text = "\n\n".join(_texts(message))
        by_model = message["role"] == "assistant" and not message.get("tool_calls")
        body = harmless(clean(text), seen) if by_model else fenced(clean(text))
        shown.append(f"**{who}**\n\n{body}")
        plain.append(f"{who}:\n{clean(text)}")
    return {"text/markdown": "\n\n".join(shown), "text/plain": "\n\n".join(plain)}


def _texts(message: dict[str, Any]) -> Iterator[str]:
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    for part in parts:
        if text := part.get("text", "[image]"):
            yield text
    for call in message.get("tool_calls") or ():
        yield f"{call['function']['name']}({call['function']['arguments']})"

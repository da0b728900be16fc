"""A conversation for reading: markdown for notebooks and files, text for terminals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glm_jupyter.language import N_, _
from glm_jupyter.text import clean

from .fences import fenced

WHO = {
    "system": N_("System"),
    "user": N_("You"),
    "assistant": N_("Model"),
    "tool": N_("Result"),
}


def transcript(messages: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The messages as a MIME bundle; what the model said is typeset, and harmless."""
    from .reader import read
    from .references import References

    references = References()
    shown, plain = [], []
    for message in messages:
        who = _(WHO.get(message["role"], message["role"]))
        text = said(message)
        by_model = message["role"] == "assistant" and not message.get("tool_calls")
        body = read(text, references).markdown if by_model else fenced(clean(text))
        shown.append(f"**{who}**\n\n{body}")
        plain.append(f"{who}:\n{clean(text)}")
    return {"text/markdown": "\n\n".join(shown), "text/plain": "\n\n".join(plain)}


def said(message: dict[str, Any]) -> str:
    """All of a message in words: its texts, its images by kind and size, the calls it asks for."""
    content = message.get("content")
    parts: list[Any] = (
        content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    )
    texts = [_part(part) for part in parts]
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    texts += [f"{call['name']}({call['arguments']})" for call in calls]
    return "\n\n".join(filter(None, texts))


def _part(part: dict[str, Any]) -> str:
    match part:
        case {"text": str(text)}:
            return text
        case {"image_url": {"url": str(url)}}:
            return _image(url)
        case {"file": dict(file)}:
            held = file.get("file_data")
            name = file.get("filename") or _("a file")
            if not isinstance(held, str):
                return _("[file, {name}]").format(name=name)
            return _("[file, {name}, {size}]").format(name=name, size=_size(held))
        case {"input_audio": {"data": str(data), "format": kind}}:
            return _("[sound, {kind}, {size}]").format(kind=kind, size=_size(data))
    return f"[{part.get('type', 'something')}]"


def _image(url: str) -> str:
    """The address of an image, or kind and size of one that is in the URL itself."""
    head, mark, encoded = url.partition(";base64,")
    if not mark or not head.startswith("data:"):
        return _("[image at {url}]").format(url=url)
    kind = head.removeprefix("data:")
    return _("[image, {kind}, {size}]").format(kind=kind, size=_size(encoded))


def _size(encoded: str) -> str:
    """How much a text in base64 stands for."""
    return f"{len(encoded) * 3 // 4 / 1000:,.0f} KB"

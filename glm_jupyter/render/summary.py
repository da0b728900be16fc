"""What is said about an answer besides its text: thinking, tokens, cost, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glm_jupyter.money.words import amount

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer
    from glm_jupyter.api.events import Usage
    from glm_jupyter.media import Made

_ENDINGS = {
    "length": "cut off at the token limit",
    "model_context_window_exceeded": "cut off: the model's context window is full",
    "sensitive": "stopped by the service's content filter",
    "content_filter": "stopped by the service's content filter",
    "refusal": "the model refused to answer",
    "network_error": "broke off inside the service",
}


def thinking(answer: Answer) -> bool:
    """Whether the model is still reasoning."""
    return answer.seconds is None and not answer.text and not answer.finished


def thought(answer: Answer) -> str:
    """The title of the reasoning, such as "Thought for 12 s, 530 tokens"."""
    if thinking(answer):
        return "Thinking…"
    # Where the answer broke off before any text, the model thought until the end.
    took = answer.thinking_seconds if answer.thinking_seconds is not None else answer.seconds
    parts = ["Thought" if took is None else f"Thought for {seconds(took)}"]
    if answer.usage.reasoning_tokens:
        parts.append(f"{answer.usage.reasoning_tokens} tokens")
    return ", ".join(parts)


def line(answer: Answer) -> str:
    """The last small line: model, tokens in and out, cost, seconds, and what is to be known."""
    if answer.seconds is None:
        return f"{answer.model} · answering…"
    parts = [answer.model]
    usage = answer.usage
    if usage.total_tokens or usage.prompt_tokens or usage.completion_tokens:
        about = "about " if usage.estimated else ""
        parts.append(f"{about}{usage.prompt_tokens} tokens in, {usage.completion_tokens} out")
    if answer.quantity and answer.media:
        parts += filter(None, map(_measure, answer.media))
    if answer.quantity != 0:  # billed when it was handed in
        parts.append(cost(answer))
    parts.append(seconds(answer.seconds))
    return " · ".join([*parts, *answer.notes])


def cost(answer: Answer) -> str:
    """What the answer cost, in the currency of its endpoint."""
    if _nothing_came(answer) and (answer.cost == 0 or answer.endpoint == "local"):
        return "no cost"
    price = amount(answer.cost, answer.currency)
    return f"at least {price}" if answer.cost and answer.usage.estimated else price


def ending(answer: Answer) -> str:
    """How an answer came to its end, where that is to be said; empty while it grows."""
    if answer.seconds is None:
        return ""
    if answer.finish_reason in _ENDINGS:
        return _ENDINGS[answer.finish_reason]
    if any(note.startswith(("stopped", "broke off")) for note in answer.notes):
        return ""
    if answer.complete:
        sent = answer.text.strip() or answer.tool_calls or answer.media
        return "" if sent else "the model sent no text"
    if answer.finished:
        return "cut off by the service"
    return "no answer came" if _nothing_came(answer) else "broke off"


def details(answer: Answer) -> list[tuple[str, str]]:
    """What is behind the last line, as names and values."""
    usage = answer.usage
    rows = [
        ("Model", f"{answer.model} ({answer.endpoint})"),
        *([] if answer.quantity is not None else _tokens(usage)),
        ("Cost", cost(answer)),
        ("First token after", "" if answer.quantity is not None else _first_token(answer)),
        ("Took", _seconds_or_nothing(answer.seconds)),
        ("Finish reason", answer.finish_reason or ""),
        *(("Asked for", " ".join(made.asked.split())) for made in answer.media[:1] if made.asked),
        *(("Kept in", made.path.as_posix()) for made in answer.media if made.path),
        ("Task", answer.task or ""),
        ("Request id", answer.request_id or ""),
    ]
    return [(name, text) for name, text in rows if text]


def _tokens(usage: Usage) -> list[tuple[str, str]]:
    return [
        ("Input tokens", f"{usage.prompt_tokens:,}"),
        ("of them cached", f"{usage.cached_tokens:,}"),
        ("Output tokens", f"{usage.completion_tokens:,}"),
        ("of them reasoning", f"{usage.reasoning_tokens:,}"),
    ]


def _measure(made: Made) -> str:
    """The size of a picture, the length of a sound or video."""
    if made.seconds is not None:
        return seconds(made.seconds) + (" of sound" if made.kind == "audio" else "")
    return f"{made.width} x {made.height}" if made.width else ""


def _first_token(answer: Answer) -> str:
    return _seconds_or_nothing(answer.first_token_seconds)


def _seconds_or_nothing(value: float | None) -> str:
    return "" if value is None else seconds(value)


def _nothing_came(answer: Answer) -> bool:
    return not (answer.complete or answer.begun)


def seconds(value: float) -> str:
    """A duration for people: "0.4 s", "12 s", "2 min 5 s"."""
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"

"""What is said about an answer besides its text: thinking, tokens, cost, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glm_jupyter.language import N_, _
from glm_jupyter.money.words import amount

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer
    from glm_jupyter.api.events import Usage
    from glm_jupyter.media import Made

_ENDINGS = {
    "length": N_("Cut off at the token limit."),
    "model_context_window_exceeded": N_("Cut off: the model's context window is full."),
    "sensitive": N_("Stopped by the service's content filter."),
    "content_filter": N_("Stopped by the service's content filter."),
    "refusal": N_("The model refused to answer."),
    "network_error": N_("Broke off inside the service."),
}


def thinking(answer: Answer) -> bool:
    """Whether the model is still reasoning."""
    return answer.seconds is None and not answer.text and not answer.finished


def thought(answer: Answer) -> str:
    """The title of the reasoning, such as "Thought for 12 s, 530 tokens"."""
    if thinking(answer):
        return _("Thinking…")
    # Where the answer broke off before any text, the model thought until the end.
    took = answer.thinking_seconds if answer.thinking_seconds is not None else answer.seconds
    thought = _("Thought") if took is None else _("Thought for {time}").format(time=seconds(took))
    if not (count := answer.usage.reasoning_tokens):
        return thought
    return _("{thought}, {count} tokens").format(thought=thought, count=count)


def line(answer: Answer) -> str:
    """The last small line: model, tokens in and out, cost, seconds, and what is to be known."""
    if answer.seconds is None:
        return _("{model} · answering…").format(model=answer.model)
    parts = [answer.model]
    usage = answer.usage
    if usage.total_tokens or usage.prompt_tokens or usage.completion_tokens:
        text = _("{tokens:,} tokens in, {out:,} out")
        if usage.estimated:
            text = _("about {tokens:,} tokens in, {out:,} out")
        parts.append(text.format(tokens=usage.prompt_tokens, out=usage.completion_tokens))
    if answer.quantity and answer.media:
        parts += filter(None, map(_measure, answer.media))
    if answer.quantity != 0:  # billed when it was handed in
        parts.append(cost(answer))
    parts.append(seconds(answer.seconds))
    return " · ".join([*parts, *answer.notes])


def cost(answer: Answer) -> str:
    """What the answer cost, in the currency of its endpoint."""
    if _nothing_came(answer) and (answer.cost == 0 or answer.endpoint == "local"):
        return _("no cost")
    price = amount(answer.cost, answer.currency)
    if answer.cost and answer.usage.estimated:
        return _("at least {price}").format(price=price)
    return price


def ending(answer: Answer) -> str:
    """How an answer came to its end, in a sentence; empty while it grows and after a usual end."""
    if answer.seconds is None:
        return ""
    if answer.finish_reason in _ENDINGS:
        return _(_ENDINGS[answer.finish_reason])
    if answer.stopped:  # which its notes say
        return ""
    if answer.complete:
        sent = answer.text.strip() or answer.tool_calls or answer.media
        return "" if sent else _("The model sent no text.")
    if answer.finished:
        return _("Cut off by the service.")
    return _("No answer came.") if _nothing_came(answer) else _("Broke off.")


def details(answer: Answer) -> list[tuple[str, str]]:
    """What is behind the last line, as names and values."""
    usage = answer.usage
    asked = next((" ".join(made.asked.split()) for made in answer.media), "")
    rows = [
        (_("Model"), f"{answer.model} ({answer.endpoint})"),
        *([] if answer.quantity is not None else _tokens(usage)),
        (_("Cost"), cost(answer)),
        (_("First token after"), "" if answer.quantity is not None else _first_token(answer)),
        (_("Took"), _seconds_or_nothing(answer.seconds)),
        (_("Finish reason"), answer.finish_reason or ""),
        (_("Asked for"), asked),
        *((_("Kept in"), made.path.as_posix()) for made in answer.media if made.path),
        (_("Task"), answer.task or ""),
        (_("Request id"), answer.request_id or ""),
    ]
    return [(name, text) for name, text in rows if text]


def _tokens(usage: Usage) -> list[tuple[str, str]]:
    return [
        (_("Input tokens"), f"{usage.prompt_tokens:,}"),
        (_("of them cached"), f"{usage.cached_tokens:,}"),
        (_("Output tokens"), f"{usage.completion_tokens:,}"),
        (_("of them reasoning"), f"{usage.reasoning_tokens:,}"),
    ]


def _measure(made: Made) -> str:
    """The size of a picture, the length of a sound or video."""
    if made.seconds is not None:
        length = seconds(made.seconds)
        return _("{length} of sound").format(length=length) if made.kind == "audio" else length
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
        return _("{seconds:.1f} s").format(seconds=value)
    whole = round(value)
    if whole < 60:
        return _("{seconds} s").format(seconds=whole)
    return _("{minutes} min {seconds} s").format(minutes=whole // 60, seconds=whole % 60)

"""What `--dry-run` shows: the messages as they would go, their tokens, and the price at most."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .render.money import amount

if TYPE_CHECKING:
    from .turn import Round


def preview(one: Round) -> dict[str, str]:
    """The MIME bundle that describes a request nobody has sent."""
    messages = [(message["role"], _content(message["content"])) for message in one.request.messages]
    shown = [f"**{role}**\n\n{_fenced(text)}" for role, text in messages]
    plain = [f"{role}:\n{text}" for role, text in messages]
    facts = _facts(one)
    return {
        "text/markdown": "\n\n".join([*shown, f"<small>{facts}</small>"]),
        "text/plain": "\n\n".join([*plain, facts]),
    }


def _facts(one: Round) -> str:
    tokens = f"about {one.prompt_tokens:,} tokens in"
    most = one.most_output
    limit = f"at most {most:,} out" if most else "length of the answer not limited"
    if one.target.endpoint.name == "local":
        price = "free"
    elif (worst := one.worst_cost()) is None:
        price = "cost unknown"
    else:
        price = f"at most {amount(worst, one.model.currency if one.model else None)}"
    who = f"{one.target.endpoint.name}/{one.target.model}"
    return " · ".join([f"Not sent. {who}", tokens, limit, price])


def _content(content: object) -> str:
    if isinstance(content, str):
        return content
    return json.dumps(content, ensure_ascii=False, indent=1)


def _fenced(text: str) -> str:
    longest = max((len(run) for run in _runs_of_backticks(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _runs_of_backticks(text: str) -> list[str]:
    return "".join(c if c == "`" else " " for c in text).split()

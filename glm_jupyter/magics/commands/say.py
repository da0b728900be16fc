"""How a command tells something in a line."""

from __future__ import annotations


def say(text: str) -> None:
    """Tell the user something in a line."""
    print(text)  # noqa: T201

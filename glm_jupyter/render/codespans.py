"""Inline code: which run of backticks closes which."""

from __future__ import annotations

import re


class CodeSpans:
    """The code spans of one paragraph, looked up from left to right in linear time."""

    def __init__(self, text: str) -> None:
        self._runs: dict[int, list[int]] = {}
        for run in reversed(list(re.finditer("`+", text))):
            self._runs.setdefault(len(run[0]), []).append(run.start())

    def close(self, start: int, length: int) -> int | None:
        """Where the run begins that closes the one of `length` at `start`; None if none does."""
        places = self._runs.get(length, [])
        while places and places[-1] <= start:
            places.pop()
        return places.pop() if places else None

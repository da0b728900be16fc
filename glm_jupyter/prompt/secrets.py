"""Secrets of the environment, and how they stay out of what is sent."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

# A variable whose name has one of these words holds a secret.
_WORDS = "KEY|APIKEY|TOKEN|SECRET|PASS|PASSPHRASE|CREDENTIAL"
# "PASSWORD" also without a break before it, as in PGPASSWORD.
_NAME = re.compile(rf"(?:^|_)(?:{_WORDS})S?(?:_|$)|PASSWORD|PASSWD", re.IGNORECASE)
# Shorter values ("true", "none") are no secrets, and stand in many texts.
SHORTEST = 8


def leaked(text: str) -> str | None:
    """The name of an environment variable that holds a secret which is in `text`, if any."""
    return next((name for name, value in _secrets() if value in text), None)


def redacted(text: str) -> str:
    """`text` without the environment's secrets."""
    for name, value in _secrets():
        text = text.replace(value, f"(the value of {name})")
    return text


def _secrets() -> Iterator[tuple[str, str]]:
    """Each secret as it is, and as it looks inside quotes."""
    for name, value in os.environ.items():
        if _NAME.search(name) and len(value) >= SHORTEST:
            yield name, value
            if (quoted := repr(value)[1:-1]) != value:
                yield name, quoted

"""Secrets of the environment, and how they stay out of what is sent."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias
from urllib.parse import quote

from glm_jupyter.api.endpoints import bare

# A variable whose name has one of these words holds a secret.
_WORDS = "KEY|APIKEY|TOKEN|SECRET|PASS|PASSPHRASE|CREDENTIAL"
# "PASSWORD" also without a break before it, as in PGPASSWORD.
_NAME = re.compile(rf"(?:^|_)(?:{_WORDS})S?(?:_|$)|PASSWORD|PASSWD", re.IGNORECASE)
# Shorter values ("true", "none") are no secrets, and stand in many texts.
SHORTEST = 8

Secrets: TypeAlias = Iterable[tuple[str, str]]  # the variable's name, and one spelling of its value


def leaked(text: str, known: Secrets | None = None) -> str | None:
    """The name of an environment variable that holds a secret which is in `text`, if any.

    Where there are many texts, the `known` secrets are looked up once: `list(secrets())`.
    """
    known = secrets() if known is None else known
    return next((name for name, value in known if value in text), None)


def redacted(text: str) -> str:
    """`text` without the environment's secrets."""
    for name, value in secrets():
        text = text.replace(value, f"(the value of {name})")
    return text


def secrets() -> Iterator[tuple[str, str]]:
    """Each secret as it is, without what was copied along, inside quotes, in JSON, in a URL."""
    for name, value in os.environ.items():
        if not _NAME.search(name):
            continue
        key = bare(value)
        quoted = (repr(value)[1:-1], json.dumps(value)[1:-1], quote(key, safe=""))
        for spelling in dict.fromkeys((value, *quoted, key)):
            if len(spelling) >= SHORTEST:
                yield name, spelling

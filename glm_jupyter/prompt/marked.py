"""Text that is not the user's own, between marks that it cannot end by itself."""

from __future__ import annotations

import re
from itertools import count

from glm_jupyter.text import clean

LONGEST_NAME = 100


def marked(name: str, text: str, attributes: str = "") -> str:
    """`text` between `<name>` and `</name>`; where it has such marks itself, ours get a number."""
    found = re.findall(rf"<\s*/?\s*{name}(?:-(\d{{1,9}}))?(?![\w-])", text, re.IGNORECASE)
    taken = {int(number or 1) for number in found}
    number = next(each for each in count(1) if each not in taken)
    mark = name if number == 1 else f"{name}-{number}"
    return f"<{mark}{attributes}>\n{text}\n</{mark}>"


def one_line(name: str) -> str:
    """The name of a file or of a passage, which may have been chosen to be read as a text."""
    flat = " ".join(clean(name).replace("<", " ").replace(">", " ").split())
    return flat if len(flat) <= LONGEST_NAME else f"{flat[: LONGEST_NAME - 1]}…"

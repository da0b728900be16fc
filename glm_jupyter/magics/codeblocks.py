"""The Python code in an answer, for a new cell."""

from __future__ import annotations

from glm_jupyter.text import clean

PYTHON = frozenset({"", "python", "python3", "py", "py3", "ipython", "ipython3"})


def python_in(text: str) -> str:
    """The Python blocks of a markdown text, one after the other; empty where there are none.

    Control characters are taken out, and what makes code look other than it is.
    """
    from markdown_it import MarkdownIt

    fences = [token for token in MarkdownIt().parse(clean(text)) if token.type == "fence"]
    blocks = [token.content for token in fences if _language(token.info) in PYTHON]
    return "\n\n".join(block.rstrip() for block in blocks if block.strip())


def _language(info: str) -> str:
    return info.strip().partition(" ")[0].strip("{}.").lower()

"""The Python code in an answer, for a new cell."""

from __future__ import annotations

import ast
from typing import Any

from glm_jupyter.text import clean

PYTHON = frozenset({"python", "python3", "py", "py3", "ipython", "ipython3"})


def python_in(text: str) -> str:
    """The Python blocks of a markdown text, one after the other; empty where there are none.

    A block without a language counts where it could be run. Control characters are taken out, and
    what makes code look other than it is.
    """
    from markdown_it import MarkdownIt

    fences = [token for token in MarkdownIt().parse(clean(text)) if token.type == "fence"]
    blocks = [token.content for token in fences if _is_python(token.info, token.content)]
    return "\n\n".join(block.rstrip() for block in blocks if block.strip())


def _is_python(info: str, code: str) -> bool:
    language = info.strip().partition(" ")[0].strip("{}.").lower()
    return language in PYTHON if language else _can_be_run(code)


def _can_be_run(code: str) -> bool:
    from IPython.core.inputtransformer2 import TransformerManager

    transformer: Any = TransformerManager
    try:
        ast.parse(transformer().transform_cell(code))
    except (SyntaxError, ValueError, RecursionError):
        return False
    return True

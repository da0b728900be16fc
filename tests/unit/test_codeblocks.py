"""Which code of an answer goes into a new cell."""

from __future__ import annotations

import pytest

from glm_jupyter.magics.codeblocks import python_in


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Try:\n\n```python\nx = 1\n```\nand\n~~~py\ny = 2\n\n~~~", "x = 1\n\ny = 2"),
        ("1. So:\n\n   ```\n   for a in b:\n       c\n   ```", "for a in b:\n    c"),
        ("````{.python}\n'''\n```\n'''\n````", "'''\n```\n'''"),
        ("```bash\nrm -rf /\n```\n```python\nx\n```", "x"),
        (
            "```\nTraceback (most recent call last):\n  a\n```\n```\n%pip list\n!ls\n```",
            "%pip list\n!ls",
        ),
        ("```python\nx = 1", "x = 1"),
        ("Only `x = 1` and words.", ""),
        ("```python\n\n```", ""),
        ("```python\nif a:\u202e \x1b[2J\n    b\n```", "if a: \n    b"),
    ],
)
def test_python_blocks_are_taken(text: str, code: str) -> None:
    assert python_in(text) == code

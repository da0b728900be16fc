"""What the front end can show: updates of a display, or only text as it is written."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

# `jupyter console`, the Qt console and Spyder, which start their kernels themselves.
_CONSOLE = re.compile(r"jupyter[-_ ](qt)?console|spyder[-_]kernels")


def shows_updates(shell: Any) -> bool:
    """Whether what `shell` displays can be brought up to date: no terminal or console does that."""
    return hasattr(shell, "kernel") and not _in_console()


@cache
def _in_console() -> bool:
    """Whether a console has started this kernel."""
    import psutil

    process = psutil.Process()
    try:
        return any(
            _CONSOLE.search(" ".join(each.cmdline())) for each in (process, *process.parents())
        )
    except psutil.Error:
        return False  # a process that may not be looked at, or has ended

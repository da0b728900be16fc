"""What the front end can show: updates of a display, or only text as it is written."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import PurePath
from typing import Any

# What starts the kernels of `jupyter console`, of the Qt console, and of Spyder: the name of a
# script or of a module.
_CONSOLES = frozenset(
    ("jupyter-console", "jupyter_console", "jupyter-qtconsole", "qtconsole", "spyder_kernels")
)


def shows_updates(shell: Any) -> bool:
    """Whether what `shell` displays can be brought up to date: no terminal or console does that."""
    return hasattr(shell, "kernel") and not (sys.platform != "emscripten" and _in_console())


@cache
def _in_console() -> bool:
    """Whether a console has started this kernel."""
    import psutil

    process = psutil.Process()
    try:
        # On Windows a launcher stands between the two.
        started = [process, *process.parents()[:2]]
        # An interpreter, perhaps -m, and what it runs.
        names = [PurePath(arg).stem for each in started for arg in each.cmdline()[:3]]
    except psutil.Error:
        return False  # a process that may not be looked at, or has ended
    return not _CONSOLES.isdisjoint(names)

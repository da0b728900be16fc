"""glm-jupyter: ask GLM models in a notebook cell.

`%load_ext glm_jupyter`, then `%%glm` on a cell of plain text. The same from Python:
`ask`, `aask`, `stream`, `astream`, `map`, `amap`, `embed`, `rerank`. Nothing heavy is imported
before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .answer import Answer
    from .api import catalogue, errors, events, tokens
    from .api.errors import GLMError
    from .asking import aask, ask, astream, stream
    from .mapping import Answers, MapInterrupted, MapStopped, amap, batch, map
    from .money.limit import BudgetError
    from .schema import SchemaError
    from .sessions.session import Session
    from .spending import usage
    from .vectors import aembed, arerank, embed, rerank

    session: Session

__all__ = [
    "Answer",
    "Answers",
    "BudgetError",
    "GLMError",
    "MapInterrupted",
    "MapStopped",
    "SchemaError",
    "Session",
    "aask",
    "aembed",
    "amap",
    "arerank",
    "ask",
    "astream",
    "batch",
    "catalogue",
    "embed",
    "errors",
    "events",
    "load_ipython_extension",
    "map",
    "rerank",
    "session",
    "stream",
    "tokens",
    "unload_ipython_extension",
    "usage",
]


# `%load_ext` imports this package, and must be quick: a name brings its module when it is used.
_MODULES = {name: f".api.{name}" for name in ("catalogue", "errors", "events", "tokens")}
_HOMES = {
    "Answer": ".answer",
    "BudgetError": ".money.limit",
    "GLMError": ".api.errors",
    "SchemaError": ".schema",
    "Session": ".sessions.session",
    **dict.fromkeys(("aask", "ask", "astream", "stream"), ".asking"),
    **dict.fromkeys(
        ("Answers", "MapInterrupted", "MapStopped", "amap", "batch", "map"), ".mapping"
    ),
    "usage": ".spending",
    **dict.fromkeys(("aembed", "arerank", "embed", "rerank"), ".vectors"),
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name], __name__)
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    if name == "session":
        return import_module(".sessions.session", __name__).current()
    if name == "__version__":
        from importlib.metadata import version

        return version("glm-jupyter")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register `%glm` and `%%glm` with `shell`; what `%load_ext glm_jupyter` calls."""
    from .magics.magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take back all that loading did; what `%unload_ext glm_jupyter` calls."""
    from .magics.magics import unload

    unload(shell)

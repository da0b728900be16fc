"""Which notebook a kernel belongs to, where its front end tells."""

from __future__ import annotations

import os


def notebook_path() -> str | None:
    """The notebook's path: VS Code puts it into the namespace, Jupyter into the environment."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    told = shell.user_ns.get("__vsc_ipynb_file__") if shell else None
    found = told or os.environ.get("JPY_SESSION_NAME")
    return str(found) if found else None

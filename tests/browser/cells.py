"""Cells of notebooks: with the stand-in as the service, or with answers that grow without one."""

from __future__ import annotations

from pathlib import Path

from tests.protocol_server import ProtocolServer

TEXTS = Path(__file__).parents[1] / "texts"
LOAD = "%load_ext glm_jupyter\nfrom tests.browser.growing import grow"


def loading(server: ProtocolServer, **environment: str) -> str:
    """The first cell: the extension, and who is asked; `environment` has further variables."""
    env = {"ZAI_API_KEY": "id.secret", "ZAI_BASE_URL": server.url, **environment}
    return f"import os\nos.environ.update({env})\n%load_ext glm_jupyter"


def grow(text: str, **how: object) -> str:
    """A cell that has `growing.grow` called."""
    options = "".join(f", {name}={value!r}" for name, value in how.items())
    return f"answer = await grow({text!r}{options})"

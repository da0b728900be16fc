"""The commands about this installation: panel, login, logout, doctor."""

from __future__ import annotations

import platform
from argparse import Namespace
from getpass import getpass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from glm_jupyter import bridge
from glm_jupyter.api import catalogue, endpoints
from glm_jupyter.api.errors import AuthenticationError, GLMError, InputError
from glm_jupyter.api.probe import probe
from glm_jupyter.api.proxies import proxy_for
from glm_jupyter.render.table import table
from glm_jupyter.sessions import session as sessions

from .models import engine_status
from .say import say

# Seconds between two clocks with which signatures and budgets of a day go wrong.
FAR_OFF = 60


def panel(args: Namespace) -> dict[str, Any] | None:
    """The widget panel."""
    from IPython.core.getipython import get_ipython

    if not hasattr(get_ipython(), "kernel"):
        say(
            "The panel needs a notebook. Here `%glm use MODEL` chooses who answers, `%glm usage` "
            "tells what was spent, and `%glm --help` lists all."
        )
        return None
    return panel_bundle()


def panel_bundle() -> dict[str, Any]:
    """What shows the panel in a page that has ipywidgets."""
    from glm_jupyter.panel import panel_of

    shown = panel_of(sessions.current()).widget
    # The text is what an export shows; that of the widgets themselves is for programmers.
    said = "The panel of glm-jupyter is shown where the notebook has a running kernel."
    return {**shown._repr_mimebundle_(), "text/plain": said}


def login(args: Namespace) -> None:
    """Ask for a key and keep it in the keyring."""
    from IPython.core.error import StdinNotImplementedError

    endpoint = endpoints.resolve(args.endpoint)
    try:
        key = getpass(f"Key for {endpoint.name} (it is not shown): ")
    except (StdinNotImplementedError, EOFError):
        raise InputError(
            "The key cannot be asked for: nobody can type an answer here.",
            remedy=f"Set the environment variable {endpoints.KEY_VARIABLES[0]} before Jupyter "
            "starts, or run `%glm login` in a notebook or terminal.",
        ) from None
    endpoints.store_key(endpoint, key)
    say(
        f"The key for {endpoint.name} is in the system's keyring; "
        f"`%glm logout{endpoints.option(endpoint)}` removes it."
    )


def logout(args: Namespace) -> None:
    """Forget the key in the keyring."""
    endpoint = endpoints.resolve(args.endpoint)
    endpoints.forget_key(endpoint)
    say(f"The keyring holds no key for {endpoint.name} any more.")


def doctor(args: Namespace) -> dict[str, str]:
    """What is set up and what is missing, without any secret; over the network only if asked."""
    session = sessions.current()
    rows = [
        ("glm-jupyter", version("glm-jupyter")),
        ("Python", f"{platform.python_version()} on {platform.system()}"),
        *((name, _version(name)) for name in ("ipython", "ipykernel", "ipywidgets", "jupyterlab")),
        ("who answers now", _who_answers(session)),
        *((f"key for {name}", _key_state(name)) for name in ("bigmodel", "zai")),
        ("base URL", _base_url()),
        ("embedded engine", engine_status()),
        ("own catalogue", _catalogue_state(catalogue.override_path())),
        ("JupyterLab extension", _extension_state()),
        *(_online(session) if args.online else []),
    ]
    return table(("what", "state"), rows)


def _online(session: sessions.Session) -> list[tuple[str, str]]:
    """How the service in use answers a free question, by which way, and whether clocks agree."""
    try:
        endpoint = session.target().endpoint
    except GLMError as error:
        return [("the service", f"not asked: {error} {error.remedy}")]
    if not endpoint.base_url:
        return [("the service", "not asked: the embedded engine answers here")]
    proxy = proxy_for(endpoint.base_url)
    rows = [("way to it", f"by the proxy that {proxy.named_in} names" if proxy else "no proxy")]
    try:
        found = bridge.run(probe(endpoint))
    except GLMError as error:
        return [*rows, ("the service", f"{error} {error.remedy}")]
    listed = "" if found.models is None else f", and lists {found.models} models"
    rows.append(("the service", f"takes the key, answers in {found.seconds * 1000:.0f} ms{listed}"))
    if found.ahead is not None and abs(found.ahead) > FAR_OFF:
        way = "ahead of" if found.ahead > 0 else "behind"
        rows.append(("clock", f"{abs(found.ahead):,.0f} s {way} the service's: set it"))
    elif found.ahead is not None:
        rows.append(("clock", "agrees with the service's"))
    return rows


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed in the kernel's environment"


def _who_answers(session: sessions.Session) -> str:
    try:
        target = session.target()
    except GLMError as error:
        return f"nobody: {error} {error.remedy}"
    return f"{target.endpoint.name}/{target.model}"


def _base_url() -> str:
    try:
        return str(endpoints.resolve())
    except GLMError as error:
        return f"cannot be used: {error} {error.remedy}"


def _key_state(name: str) -> str:
    try:
        endpoint = endpoints.resolve(name)
    except AuthenticationError as error:
        return f"cannot be used: {error} {error.remedy}"
    except InputError:  # of the base URL, which has a row of its own
        source = endpoints.key_source(endpoints.SERVICES[name])
        return f"found ({source})" if source else "none"
    if source := endpoints.key_source(endpoint):
        return f"found ({source})"
    return f"none: set ZAI_API_KEY, or run %glm login{endpoints.option(endpoint)}"


def _catalogue_state(path: Path) -> str:
    if not path.exists():
        return f"none ({path} would be)"
    try:
        catalogue.models()
    except GLMError as error:
        return f"cannot be used: {error} {error.remedy}"
    return f"{path} is used"


def _extension_state() -> str:
    from IPython.core.getipython import get_ipython

    from glm_jupyter.render.channel import channel_for

    shell = get_ipython()
    channel = channel_for(shell) if shell else None
    if channel is None:
        return "not used: in a terminal answers are written as they come"
    if channel.listening:
        return "connected: answers stream through it"
    if channel.skewed:
        return (
            "the page's is of another version, so answers are shown by full updates: install "
            "the same glm-jupyter where JupyterLab runs and where the kernel runs"
        )
    return "no page with it has connected: answers are shown by full updates"

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
from glm_jupyter.language import _, sentences
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
            _(
                "The panel needs a notebook. Here `%glm use MODEL` chooses who answers, "
                "`%glm usage` tells what was spent, and `%glm --help` lists all."
            )
        )
        return None
    return panel_bundle()


def panel_bundle() -> dict[str, Any]:
    """What shows the panel in a page that has ipywidgets."""
    from glm_jupyter.panel import panel_of

    shown = panel_of(sessions.current()).widget
    # The text is what an export shows; that of the widgets themselves is for programmers.
    said = _("The panel of glm-jupyter is shown where the notebook has a running kernel.")
    return {**shown._repr_mimebundle_(), "text/plain": said}


def login(args: Namespace) -> None:
    """Ask for a key and keep it in the keyring."""
    from IPython.core.error import StdinNotImplementedError

    endpoint = endpoints.resolve(args.endpoint)
    try:
        key = getpass(_("Key for {endpoint} (it is not shown): ").format(endpoint=endpoint.name))
    except (StdinNotImplementedError, EOFError):
        raise InputError(
            _("The key cannot be asked for: nobody can type an answer here."),
            remedy=_(
                "Set the environment variable {variable} before Jupyter "
                "starts, or run `%glm login` in a notebook or terminal."
            ).format(variable=endpoints.KEY_VARIABLES[0]),
        ) from None
    endpoints.store_key(endpoint, key)
    say(
        _(
            "The key for {endpoint} is in the system's keyring; `%glm logout{option}` removes it."
        ).format(endpoint=endpoint.name, option=endpoints.option(endpoint))
    )


def logout(args: Namespace) -> None:
    """Forget the key in the keyring."""
    endpoint = endpoints.resolve(args.endpoint)
    endpoints.forget_key(endpoint)
    say(_("The keyring holds no key for {endpoint} any more.").format(endpoint=endpoint.name))


def doctor(args: Namespace) -> dict[str, str]:
    """What is set up and what is missing, without any secret; over the network only if asked."""
    session = sessions.current()
    python = _("{version} on {system}").format(
        version=platform.python_version(), system=platform.system()
    )
    key_for = _("key for {name}")
    rows = [
        ("glm-jupyter", version("glm-jupyter")),
        ("Python", python),
        *((name, _version(name)) for name in ("ipython", "ipykernel", "ipywidgets", "jupyterlab")),
        (_("who answers now"), _who_answers(session)),
        *((key_for.format(name=name), _key_state(name)) for name in ("bigmodel", "zai")),
        (_("base URL"), _base_url()),
        (_("embedded engine"), engine_status()),
        (_("own catalogue"), _catalogue_state(catalogue.override_path())),
        (_("JupyterLab extension"), _extension_state()),
        *(_online(session) if args.online else []),
    ]
    return table((_("what"), _("state")), rows)


def _online(session: sessions.Session) -> list[tuple[str, str]]:
    """How the service in use answers a free question, by which way, and whether clocks agree."""
    try:
        endpoint = session.target().endpoint
    except GLMError as error:
        not_asked = _("not asked: {reason}").format(reason=sentences(str(error), error.remedy))
        return [(_("the service"), not_asked)]
    if not endpoint.base_url:
        return [(_("the service"), _("not asked: the embedded engine answers here"))]
    proxy = proxy_for(endpoint.base_url)
    way = _("no proxy")
    if proxy:
        way = _("by the proxy that {variable} names").format(variable=proxy.named_in)
    rows = [(_("way to it"), way)]
    try:
        found = bridge.run(probe(endpoint))
    except GLMError as error:
        return [*rows, (_("the service"), sentences(str(error), error.remedy))]
    text = _("takes the key, answers in {ms:.0f} ms")
    if found.models is not None:
        text = _("takes the key, answers in {ms:.0f} ms, and lists {count} models")
    rows.append((_("the service"), text.format(ms=found.seconds * 1000, count=found.models)))
    if found.ahead is not None and abs(found.ahead) > FAR_OFF:
        text = _("{seconds:,.0f} s behind the service's: set it")
        if found.ahead > 0:
            text = _("{seconds:,.0f} s ahead of the service's: set it")
        rows.append((_("clock"), text.format(seconds=abs(found.ahead))))
    elif found.ahead is not None:
        rows.append((_("clock"), _("agrees with the service's")))
    return rows


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return _("not installed in the kernel's environment")


def _who_answers(session: sessions.Session) -> str:
    try:
        target = session.target()
    except GLMError as error:
        return _("nobody: {reason}").format(reason=sentences(str(error), error.remedy))
    return f"{target.endpoint.name}/{target.model}"


def _base_url() -> str:
    try:
        return str(endpoints.resolve())
    except GLMError as error:
        return _unusable(error)


def _key_state(name: str) -> str:
    try:
        endpoint = endpoints.resolve(name)
    except AuthenticationError as error:
        return _unusable(error)
    except InputError:  # of the base URL, which has a row of its own
        source = endpoints.key_source(endpoints.SERVICES[name])
        return _("found ({source})").format(source=source) if source else _("none")
    if source := endpoints.key_source(endpoint):
        return _("found ({source})").format(source=source)
    login = f"%glm login{endpoints.option(endpoint)}"
    return _("none: set ZAI_API_KEY, or run {login}").format(login=login)


def _catalogue_state(path: Path) -> str:
    if not path.exists():
        return _("none ({path} would be)").format(path=path)
    try:
        catalogue.models()
    except GLMError as error:
        return _unusable(error)
    return _("{path} is used").format(path=path)


def _unusable(error: GLMError) -> str:
    return _("cannot be used: {reason}").format(reason=sentences(str(error), error.remedy))


def _extension_state() -> str:
    from IPython.core.getipython import get_ipython

    from glm_jupyter.render.channel import channel_for

    shell = get_ipython()
    channel = channel_for(shell) if shell else None
    if channel is None:
        return _("not used: in a terminal answers are written as they come")
    if channel.listening:
        return _("connected: answers stream through it")
    if channel.skewed:
        return _(
            "the page's is of another version, so answers are shown by full updates: install "
            "the same glm-jupyter where JupyterLab runs and where the kernel runs"
        )
    return _("no page with it has connected: answers are shown by full updates")

"""The commands of `%glm`: each takes its parsed arguments and gives what to display, or prints."""

from __future__ import annotations

import os
import platform
import sys
from argparse import Namespace
from getpass import getpass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from . import bridge, local, sessions
from .api import catalogue, endpoints
from .api.errors import GLMError, InputError
from .render.table import table


def panel(args: Namespace) -> Any:
    """The widget panel."""
    from .panel import Panel

    return Panel(sessions.current()).widget


def models(args: Namespace) -> dict[str, str]:
    """The catalogue as a table."""
    found = catalogue.models(args.pattern)
    if not found:
        near = catalogue.suggest(args.pattern)
        raise InputError(
            f"No model of the catalogue matches {args.pattern}.",
            remedy=(f"Did you mean {near[0]}? " if near else "")
            + "A model that is not in the catalogue can be used all the same, by its full name.",
        )
    headers = ("model", "endpoint", "in", "out", "cached", "context", "answer", "can", "as of")
    return table(headers, [row(model) for model in found], _MODELS_CAPTION)


def use(args: Namespace) -> None:
    """Let a model answer from now on."""
    session = sessions.current()
    before = session.model, session.endpoint
    session.model, session.endpoint = args.model, None
    try:
        target = session.target()
    except GLMError:
        session.model, session.endpoint = before
        raise
    model = catalogue.find(target.model, target.endpoint.name)
    if model is None and target.endpoint.name != "local":
        near = catalogue.suggest(target.model)
        hint = f" Did you mean {near[0]}?" if near else ""
        say(f"{target.model} is not in the catalogue: its price is unknown.{hint}")
    say(f"{target.endpoint.name}/{target.model} answers from now on.")


def local_(args: Namespace) -> None:
    """Start, stop or look at the embedded engine."""


def login(args: Namespace) -> None:
    """Ask for a key and keep it in the keyring."""
    endpoint = endpoints.resolve(args.endpoint)
    key = getpass(f"Key for {endpoint.name} (it is not shown): ")
    endpoints.store_key(endpoint, key)
    say(f"The key for {endpoint.name} is in the system's keyring; `%glm logout` removes it.")


def logout(args: Namespace) -> None:
    """Forget the key in the keyring."""
    endpoint = endpoints.resolve(args.endpoint)
    endpoints.forget_key(endpoint)
    say(f"The keyring holds no key for {endpoint.name} any more.")


def say(text: str) -> None:
    """Tell the user something in a line."""
    print(text)  # noqa: T201

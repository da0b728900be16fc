"""The administrator's ceiling on spending, from the system-wide configuration only."""

from __future__ import annotations

import os
import sys
from decimal import Decimal
from functools import cache
from pathlib import Path

from traitlets import List, Unicode
from traitlets.config import Config, Configurable
from traitlets.config.loader import JSONFileConfigLoader, PyFileConfigLoader

from glm_jupyter.api.errors import InputError
from glm_jupyter.language import _

from .amounts import parse_amount

FILES = (
    "ipython/ipython_config.py",
    "ipython/ipython_config.json",
    "jupyter/jupyter_config.py",
    "jupyter/jupyter_config.json",
)


class GLMCeiling(Configurable):
    """What may be spent at most, set by who runs the system.

    In `/etc/ipython/ipython_config.py` (or a file of `FILES` in `/usr/local/etc` or the
    environment's own `etc`; on Windows `%PROGRAMDATA%`):

        c.GLMCeiling.day = ["5 RMB", "1 USD"]

    Of several files the lowest amount counts. A currency that is not named is not limited.
    The user's profile, `%config` and environment variables are not read. All the same, a kernel
    is the user's own process, and its ledger and its corrections of prices are the user's files:
    this keeps spending from happening by accident, not from someone who changes those or the
    running Python code, or calls the service without this package. Where that must be
    impossible, let the kernels have no key of their own, and point `ZAI_BASE_URL` at a proxy
    that holds the key and counts.
    """

    session = List(Unicode(), help="Ceilings of one kernel's session.").tag(config=True)
    day = List(Unicode(), help="Ceilings of a day, for each user.").tag(config=True)
    month = List(Unicode(), help="Ceilings of a month, for each user.").tag(config=True)


def folders() -> list[Path]:
    """Where system-wide configuration is."""
    own = Path(sys.prefix) / "etc"
    if os.name == "nt":
        return [Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")), own]
    return [Path("/etc"), Path("/usr/local/etc"), own]


@cache
def ceilings() -> dict[tuple[str, str], Decimal]:
    """The ceilings in force: (period, currency) -> amount. Read once for each process.

    Raises InputError where a file sets one that cannot be read.
    """
    lowest: dict[tuple[str, str], Decimal] = {}
    for path in (folder / name for folder in folders() for name in FILES):
        for key, value in _read(path).items():
            lowest[key] = min(value, lowest.get(key, value))
    return lowest


def _read(path: Path) -> dict[tuple[str, str], Decimal]:
    try:
        try:
            text = path.read_text("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return {}
        # Files that do not name it are left alone: they may do anything when they are run.
        if GLMCeiling.__name__ not in text:
            return {}
        config = _load(path)
        unknown = set(config.get(GLMCeiling.__name__, {})) - set(GLMCeiling.class_trait_names())
        if unknown:
            raise InputError(
                _("there is no setting {names}").format(names=", ".join(sorted(unknown)))
            )
        ceiling = GLMCeiling(config=config)
        return {
            (period, currency): value
            for period in ("session", "day", "month")
            for value, currency in map(parse_amount, getattr(ceiling, period))
        }
    except Exception as error:  # the file is Python code and may raise what it likes
        # A file that may not be read may set a ceiling, so it lets nothing through either.
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(
            _("The ceiling on spending in {path} cannot be read: {why}. Nothing was sent.").format(
                path=path, why=why
            ),
            remedy=_(
                "Ask the administrator of this system to correct the file, or to let you read it."
            ),
        ) from None


def _load(path: Path) -> Config:
    loader = JSONFileConfigLoader if path.suffix == ".json" else PyFileConfigLoader
    config: Config = loader(path.name, path=str(path.parent)).load_config()
    return config

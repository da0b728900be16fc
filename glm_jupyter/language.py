"""The language of the texts that users see, from gettext's catalogues in `locale/`"""

from __future__ import annotations

import gettext
import os
import sys
from functools import cache
from pathlib import Path

DOMAIN = "glm_jupyter"
CATALOGUES = Path(__file__).parent / "locale"

_chosen: str | None = None


def choose(language: str | None) -> None:
    """Choose a language by its tag, for example "zh-CN"; None is that of the environment.

    JupyterLab's page tells its own when it says hello. Where no page does, the environment's
    `LANGUAGE`, `LC_ALL`, `LC_MESSAGES` and `LANG` say it, as for any program with gettext.
    """
    global _chosen
    _chosen = language


def _(text: str) -> str:
    """`text` in the user's language; what it leaves open is filled in after, with `format`."""
    return _catalogue(_chosen or _of_environment()).gettext(text)


def ngettext(one: str, many: str, count: int) -> str:
    """The one of two texts that `count` things need, in the user's language."""
    return _catalogue(_chosen or _of_environment()).ngettext(one, many, count)


def N_(text: str) -> str:
    """Mark a text of a table for the catalogues; `_` translates it where it is shown."""
    return text


def sentences(*each: str) -> str:
    """Sentences one behind the other, without empty ones; Chinese has no space between them."""
    said = ""
    for one in filter(None, each):
        said += f" {one}" if said and not said.endswith(("。", "？")) else one
    return said


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    languages = [tag.replace("-", "_") for tag in language.split(":")]
    if languages[0].startswith("en"):
        return gettext.NullTranslations()  # the code's own texts, with no catalogue to be found
    return gettext.translation(DOMAIN, CATALOGUES, languages, fallback=True)


def _of_environment() -> str:
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return value
    return _of_windows() if sys.platform == "win32" else "en"


@cache
def _of_windows() -> str:
    """The language of Windows' own texts: it sets no variables."""
    import ctypes
    import locale

    number = ctypes.windll.kernel32.GetUserDefaultUILanguage()  # type: ignore[attr-defined]
    return locale.windows_locale.get(number, "en")

"""What Tab offers on a `%glm` or `%%glm` line, and inside `{{ }}`, in every front end."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion

from .options import cell_parser, line_parser

if TYPE_CHECKING:
    from collections.abc import Iterable

    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

    from glm_jupyter.api.catalogue import Model

LINE = re.compile(r"\s*%glm(?=\s)")
CELL = re.compile(r"%%glm(?=\s|$)")
OPEN_BRACES = re.compile(r"\{\{(?:(?!\}\}).)*$", re.DOTALL)
NAME = re.compile(r"[\w.]*$")

# Which variables fit an option, and which options take several names with commas between.
FITTING: dict[str, Callable[[Any], bool]] = {
    "output": lambda value: True,
    "map": lambda value: not callable(value),
    "image": lambda value: not callable(value),
    "schema": lambda value: isinstance(value, type | dict),
    "tools": inspect.isfunction,
}
LISTS = ("tools", "compare")
# Which options and arguments are paths.
PATHS = ("image", "file", "place", "csv")
_SPECIAL, _ESCAPED = re.compile(r"[\s\\'\"]"), r"\\\g<0>"  # as a shell wants it

Offer = tuple[str, str]  # the text, and what the front end shows beside it


def complete(context: CompletionContext, shell: InteractiveShell) -> SimpleMatcherResult:
    """What fits at the cursor of `context`; nothing where the text is not ours."""
    before = context.text_until_cursor
    in_cell = CELL.match(context.full_text) is not None
    if in_cell and context.cursor_line == 0:
        word, offers = _on_line(cell_parser(), before[len("%%glm") :], shell)
    elif not in_cell and (magic := LINE.match(before)):
        word, offers = _on_line(line_parser(), before[magic.end() :], shell)
    elif in_cell and OPEN_BRACES.search(_until_cursor(context)):
        word, offers = _in_braces(before, shell)
    else:
        word, offers = "", []
    return {
        "completions": [SimpleCompletion(text, type=hint) for text, hint in offers],
        "matched_fragment": word,
        "suppress": bool(offers),
        "ordered": True,
    }


def _until_cursor(context: CompletionContext) -> str:
    lines = context.full_text.split("\n")[: context.cursor_line]
    return "\n".join([*lines, context.text_until_cursor])


def _in_braces(before: str, shell: InteractiveShell) -> tuple[str, list[Offer]]:
    found = NAME.search(before)
    word = found.group() if found else ""
    completer: Any = shell.Completer
    names = completer.attr_matches(word) if "." in word else completer.global_matches(word)
    return word, [(name, "variable") for name in names]


def _on_line(
    parser: argparse.ArgumentParser, line: str, shell: InteractiveShell
) -> tuple[str, list[Offer]]:
    *words, word = re.split(r"[\s=]+", line)
    words = [each for each in words if each]
    commands = next((a for a in parser._actions if a.nargs == argparse.PARSER), None)
    if commands and words and words[0] in (commands.choices or ()):
        parser, words = dict(commands.choices or ())[words[0]], words[1:]
        commands = None
    option = next((a for a in parser._actions if words and words[-1] in a.option_strings), None)
    if word.startswith("-"):
        offers = [(a.option_strings[-1], a.help or "") for a in parser._actions if a.option_strings]
    elif option is not None and option.nargs != 0:
        offers = list(_values(option, shell, word))
        if option.dest in LISTS and "," in word:
            before = word[: word.rindex(",") + 1]
            offers = [(before + name, hint) for name, hint in offers]
    elif parser.prog == "%%glm" and not words:
        offers = _templates()
    else:
        positional = [a for a in parser._actions if not a.option_strings]
        offers = [offer for action in positional[:1] for offer in _values(action, shell, word)]
    return word, [offer for offer in offers if offer[0].startswith(word)]


def _values(action: argparse.Action, shell: InteractiveShell, word: str) -> Iterable[Offer]:
    if action.nargs == argparse.PARSER:
        return [
            (name, parser.description or "") for name, parser in dict(action.choices or ()).items()
        ]
    if action.choices:
        return [(str(choice), "") for choice in action.choices]
    if action.dest in ("model", "pattern", "compare"):
        return _models()
    if action.dest == "endpoint":
        from glm_jupyter.api.endpoints import NAMES

        return [(name, "endpoint") for name in NAMES]
    if action.dest in ("continue_", "name"):
        return _conversations()
    offers: list[Offer] = []
    if action.dest in FITTING:
        offers += [
            (name, "variable")
            for name, value in shell.user_ns.items()
            if not name.startswith("_") and FITTING[action.dest](value)
        ]
    if action.dest in PATHS:
        offers += _files(word)
    if action.dest == "system" and word.startswith("@"):
        offers += [(f"@{path}", hint) for path, hint in _files(word[1:])]
    return offers


def _files(word: str) -> list[Offer]:
    """The files and folders that a path which begins with `word` may name."""
    folder, slash, begun = word.rpartition("/")
    try:
        found = sorted(Path(folder + slash).expanduser().iterdir())
    except (OSError, RuntimeError):  # no such folder, or no such user's home
        return []
    return [
        (
            f"{folder}{slash}{_SPECIAL.sub(_ESCAPED, path.name)}{'/' if path.is_dir() else ''}",
            "path",
        )
        for path in found
        if begun.startswith(".") or not path.name.startswith(".")
    ]


def _conversations() -> list[Offer]:
    from glm_jupyter.sessions.session import current

    threads = current().threads
    return [(name, "conversation") for name in threads if name and threads[name].messages]


def _templates() -> list[Offer]:
    from .templates import names

    return [(f"@{name}", "template") for name in names()]


def _models() -> list[Offer]:
    """The names at the default endpoint, then every name with its endpoint before it."""
    from glm_jupyter.api import catalogue
    from glm_jupyter.api.endpoints import DEFAULT

    known = catalogue.models()
    plain = [(model.name, _hint(model)) for model in known if model.endpoint == DEFAULT.name]
    return plain + [(model.full_name, _hint(model)) for model in known]


def _hint(model: Model) -> str:
    from glm_jupyter.models import price, size

    return f"{price(model)}, {size(model.context)}"

"""What Tab offers on a `%glm` or `%%glm` line, and inside `{{ }}`, in every front end."""

from __future__ import annotations

import argparse
import inspect
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion

from glm_jupyter.api.catalogue_file import KINDS

from .options import cell_parser, line_parser

if TYPE_CHECKING:
    from collections.abc import Iterable

    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

LINE = re.compile(r"\s*%glm(?=\s)")
CELL = re.compile(r"%%glm(?=\s|$)")
OPEN_BRACES = re.compile(r"\{\{(?:(?!\}\}).)*$", re.DOTALL)
NAME = re.compile(r"[\w.]*$")

# Which variables fit an option, and which options take several names with commas between.
FITTING: dict[str, Callable[[Any], bool]] = {
    "output": lambda value: True,
    "map": lambda value: not callable(value),
    "image": lambda value: not callable(value),
    "audio": lambda value: isinstance(value, bytes | tuple),
    "file": lambda value: isinstance(value, bytes | str),
    "schema": lambda value: isinstance(value, type | dict),
    "tools": lambda value: isinstance(value, partial) or inspect.isfunction(value),
}
LISTS = ("tools", "compare")
MODELS = ("model", "pattern", "compare")
# Which options and arguments are paths.
PATHS = ("image", "audio", "file", "place", "csv")
MOST_HINT = 45  # characters
_SPECIAL = re.compile(r"(?<!\\)[\s'\"]")

# The text and its kind, a word: front ends have no room for more. `hints` and `documentation`
# have the rest.
Offer = tuple[str, str]


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


def documentation(code: str, cursor: int) -> str:
    """What is to be known of the option, command or model at the cursor; empty where it is none.

    JupyterLab shows it beside the word that is chosen in the popup, and at Shift+Tab.
    """
    behind = re.match(r"\S*", code[cursor:])
    ours = _ours(code, cursor, behind[0] if behind else "")
    return _documented(*ours) if ours else ""


def hints(code: str, cursor: int) -> dict[str, str]:
    """A few words about each option, command or model that may stand at the cursor.

    JupyterLab shows them in the popup.
    """
    from glm_jupyter.api import catalogue
    from glm_jupyter.api.endpoints import DEFAULT
    from glm_jupyter.models import price

    ours = _ours(code, cursor)
    if ours is None:
        return {}
    parser, _, word, option = _place(*ours)
    if word.startswith("-"):
        named = [a for a in parser._actions if a.option_strings]
        return {a.option_strings[-1]: _brief(a.help) for a in named}
    takes = [option] if option else [a for a in parser._actions if not a.option_strings]
    for action in takes[:1]:
        if isinstance(action, argparse._SubParsersAction):
            return {each.dest: _brief(each.help) for each in action._choices_actions}
        if action.dest in MODELS:
            before = word[: word.rfind(",") + 1]
            # A name alone is that of the default endpoint.
            named_so = {each.full_name: each for each in catalogue.models()}
            named_so |= {each.name: each for each in catalogue.models(endpoint=DEFAULT.name)}
            return {before + name: price(model) for name, model in named_so.items()}
    return {}


def _brief(text: str | None) -> str:
    """The beginning of a help text, as far as there is room for it in a popup."""
    first = re.split(r"[;:(；：（]", (text or "") % {})[0].strip()
    if len(first) <= MOST_HINT:
        return first
    cut = first[:MOST_HINT]
    return f"{cut.rpartition(' ')[0] or cut} …"


def _ours(code: str, cursor: int, behind: str = "") -> tuple[argparse.ArgumentParser, str] | None:
    """What reads the line at the cursor, and the line up to there; None where it is not ours."""
    line = code[:cursor].rpartition("\n")[2] + behind
    in_cell = CELL.match(code) is not None
    if in_cell and "\n" not in code[:cursor]:
        return cell_parser(), line[len("%%glm") :]
    if not in_cell and (magic := LINE.match(line)):
        return line_parser(), line[magic.end() :]
    return None


def _documented(parser: argparse.ArgumentParser, line: str) -> str:
    from glm_jupyter.models import about

    parser, _, word, option = _place(parser, line)
    if named := next((a for a in parser._actions if word in a.option_strings), None):
        call = ", ".join(named.option_strings)
        value = f" {named.metavar}" if named.metavar and named.nargs != 0 else ""
        return f"{call}{value}\n\n{(named.help or '') % {}}"
    takes = [option] if option else [a for a in parser._actions if not a.option_strings]
    for action in takes[:1]:
        if action.nargs == argparse.PARSER:
            command = dict(action.choices or ()).get(word)
            return command.format_help() if command else ""
        if action.dest in MODELS:
            return about(word.rpartition(",")[2])
    return ""


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
    parser, words, word, option = _place(parser, line)
    if word.startswith("-"):
        offers = [(a.option_strings[-1], "option") for a in parser._actions if a.option_strings]
    elif option is not None:
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


def _place(
    parser: argparse.ArgumentParser, line: str
) -> tuple[argparse.ArgumentParser, list[str], str, argparse.Action | None]:
    """Whose words stand at the end of a line: the parser, the words before, the one that is typed,
    and the option whose value that is.
    """
    *words, word = re.split(r"[\s=]+", line)
    words = [each for each in words if each]
    commands = next((a for a in parser._actions if a.nargs == argparse.PARSER), None)
    if commands and words and words[0] in (commands.choices or ()):
        parser, words = dict(commands.choices or ())[words[0]], words[1:]
    option = next((a for a in parser._actions if words and words[-1] in a.option_strings), None)
    return parser, words, word, option if option and option.nargs != 0 else None


def _values(action: argparse.Action, shell: InteractiveShell, word: str) -> Iterable[Offer]:
    if action.nargs == argparse.PARSER:
        return [(name, "command") for name in action.choices or ()]
    if action.choices:
        return [(str(choice), "choice") for choice in action.choices]
    if action.dest in MODELS:
        kinds = KINDS if action.dest == "pattern" else ()
        return [*((kind, "kind") for kind in kinds), *_models()]
    if action.dest == "endpoint":
        from glm_jupyter.api.endpoints import NAMES

        return [(name, "endpoint") for name in NAMES]
    if action.dest == "id":
        return _tasks()
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
            _quoted(f"{folder}{slash}{path.name}{'/' if path.is_dir() else ''}"),
            "path",
        )
        for path in found
        if begun.startswith(".") or not path.name.startswith(".")
    ]


def _quoted(path: str) -> str:
    """The path as it is written on a line: a backslash before what would end or change it."""
    if os.name == "nt":
        return f'"{path}"' if " " in path else path
    return _SPECIAL.sub(r"\\\g<0>", path)


def _conversations() -> list[Offer]:
    from glm_jupyter.sessions.session import current

    threads = current().threads
    return [(name, "conversation") for name in threads if name and threads[name].messages]


def _tasks() -> list[Offer]:
    from glm_jupyter.sessions.session import current

    return [(job.id, job.kind) for job in current().budgets.ledger.jobs()]


def _templates() -> list[Offer]:
    from .templates import names

    return [(f"@{name}", "template") for name in names()]


def _models() -> list[Offer]:
    """The names at the default endpoint, then every name with its endpoint before it."""
    from glm_jupyter.api import catalogue
    from glm_jupyter.api.endpoints import DEFAULT

    known = [model for model in catalogue.models() if model.kind not in ("embedding", "rerank")]
    plain = [(model.name, "model") for model in known if model.endpoint == DEFAULT.name]
    return plain + [(model.full_name, "model") for model in known]

"""The options of `%%glm` and the commands of `%glm`: their parsers, help and error messages."""

from __future__ import annotations

import argparse
import difflib
import keyword
import os
import re
import shlex
from typing import Any, NoReturn

from IPython.core.magic_arguments import MagicArgumentParser
from wcwidth import wrap

from glm_jupyter.api.errors import InputError
from glm_jupyter.language import N_, _, sentences
from glm_jupyter.sessions.options import flags

_ALL = N_("`{magic} --help` lists all.")

# What argparse and shlex say of a line; the last also takes in the texts of `type=` here.
_SAID = (
    N_("unrecognized arguments: {what}"),
    N_("the following arguments are required: {what}"),
    N_("ambiguous option: {what} could match {choices}"),
    N_("argument {name}: invalid choice: {what} (choose from {choices})"),
    N_("argument {name}: invalid {kind} value: {what}"),
    N_("argument {name}: expected one argument"),
    N_("argument {name}: expected at least one argument"),
    N_("argument {name}: expected at most one argument"),
    N_("argument {name}: ignored explicit argument {what}"),
    N_("argument {name}: not allowed with argument {what}"),
    N_("argument {name}: {what}"),
    N_("No closing quotation"),
    N_("No escaped character"),
)


class HelpAsked(Exception):
    """`--help` was given; the message is the help text."""


class _Help(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        raise HelpAsked(parser.format_help())


class _Formatter(argparse.HelpFormatter):
    """argparse's formatter, in the user's language, with lines as wide as they look."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, _("usage: ") if prefix is None else prefix)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(" ".join(text.split()), width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = self._split_lines(text, width - len(indent))
        return "\n".join(f"{indent}{line}" for line in lines)


class Parser(MagicArgumentParser):
    """IPython's argument parser, with errors that name the nearest thing that exists.

    `misplaced` says where a question belongs, for who wrote it in the place of options.
    """

    misplaced = _ALL

    def __init__(self, **kwargs: Any) -> None:
        kwargs.pop("color", None)  # which Python 3.14 hands to subparsers, and IPython's has not
        # IPython's own formatter writes reStructuredText, which help in a cell is not.
        super().__init__(  # type: ignore[no-untyped-call]
            formatter_class=_Formatter, **kwargs
        )
        self._positionals.title = _("positional arguments")
        self._optionals.title = _("options")
        self.add_argument("-h", "--help", nargs=0, action=_Help, help=_("show this help"))

    def error(self, message: str) -> NoReturn:
        """Raise InputError; argparse calls this for whatever does not fit."""
        says = _("{magic}: {message}.").format(magic=self.prog, message=_translated(message))
        raise InputError(says, remedy=self._remedy(message))

    def _remedy(self, message: str) -> str:
        names = [name for action in self._actions for name in action.option_strings]
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                names += list(action.choices)
                below = [part for sub in action.choices.values() for part in sub._actions]
                names += [name for part in below for name in part.option_strings]
        chosen = "unrecognized" in message or "choice" in message
        words = message.replace("'", " ").replace("=", " ").replace("/", " ").split()
        for word in words if chosen else ():
            close = difflib.get_close_matches(word.rstrip(":"), names, n=1)
            if close and close[0] != word.rstrip(":"):
                near = _("Did you mean {near}?").format(near=close[0])
                return sentences(near, _(_ALL).format(magic=self.prog))
        if "unrecognized" in message and " @" in message:
            return _("A template comes first: `{magic} @NAME`, then the options.").format(
                magic=self.prog
            )
        misplaced = "unrecognized" in message or "invalid choice" in message
        return _(self.misplaced if misplaced else _ALL).format(magic=self.prog)

    def parse_line(self, line: str) -> argparse.Namespace:
        """Parse what stands behind the magic's name."""
        try:
            words = split(line)
        except ValueError as error:
            raise InputError(
                _("{magic}: {error} in `{line}`.").format(
                    magic=self.prog, error=_translated(str(error)), line=line.strip()
                ),
                remedy=_("Close the quotation mark, or put the text into marks of the other kind."),
            ) from None
        return self.parse_args(words)


def _translated(message: str) -> str:
    """A message of argparse's in the user's language; one that is not known here as it is."""
    for text in _SAID:
        form = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(text))
        if found := re.fullmatch(form, message, re.DOTALL):
            return _(text).format(**found.groupdict())
    return message


def split(line: str) -> list[str]:
    """The words of a line, without their quotation marks; raises ValueError for one left open.

    A backslash keeps a space or a quotation mark as it is, but on Windows, where paths hold it.
    """
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    if os.name == "nt":
        lexer.escape = ""
    return list(lexer)


def variable_name(text: str) -> str:
    """An argument that must be a name a Python variable can have."""
    if not text.isidentifier() or keyword.iskeyword(text):
        raise argparse.ArgumentTypeError(
            _("{text!r} cannot be the name of a variable").format(text=text)
        )
    return text


ALL = 10**6  # cells: more than a notebook has


def _count(text: str) -> int:
    """An argument that is a number of cells."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(_("{text!r} is no number of cells").format(text=text))
    return int(text)


def cell_parser() -> Parser:
    """The parser of `%%glm`."""
    parser = Parser(
        prog="%%glm",
        description=_(
            "Ask a GLM model: the text of the cell is the prompt. "
            "{{ expression }} puts in the value of a Python expression. "
            "%%glm @NAME [options] uses the template that `%glm save NAME` has kept."
        ),
    )
    parser.misplaced = N_("`{magic} --help` lists all; the question goes below this line.")
    add = parser.add_argument
    for name, flag in flags().items():
        group: Any = parser.add_mutually_exclusive_group() if flag.off else parser
        group.add_argument(*flag.names, dest=name, default=None, help=_(flag.help), **flag.more)
        if flag.off:
            group.add_argument(flag.off[0], dest=name, action="store_false", help=_(flag.off[1]))
    add(
        "--compare",
        metavar="A,B",
        help=_("models that answer side by side, in place of --model; the variable is a list"),
    )
    add(
        "--map",
        metavar="ITEMS",
        help=_(
            "ask about every item of a list, Series or DataFrame (in quotes where it holds "
            "spaces): {{ item }}, and its columns, stand for it; -o keeps the answers; "
            "--max-cost is for all of them"
        ),
    )
    _add_above(parser)
    add(
        "--batch",
        action="store_true",
        help=_("answer --map within a day, at half the price"),
    )
    add("--code", action="store_true", help=_("put the answer's code into a new cell below"))
    add("-o", "--output", type=variable_name, metavar="NAME", help=_("variable for the Answer"))
    add("--raw", action="store_true", help=_("send the cell as it stands: no {{ }}"))
    _add_dry_run(parser)
    return parser


def _add_above(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--above",
        nargs="?",
        type=_count,
        const=ALL,
        metavar="N",
        help=_(
            "send the last N cells above this one too, with their outputs as text; without N, "
            "all that there is room for"
        ),
    )


def _add_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help=_("show the messages, the tokens and what it costs at most; send nothing"),
    )


def line_parser() -> Parser:
    """The parser of `%glm`; the chosen command is in `command`."""
    parser = Parser(
        prog="%glm",
        description=_("Everything around the answers. `%%glm` asks; `%%glm --help` tells how."),
    )
    parser.misplaced = N_(
        "`{magic} --help` lists all; a question goes into a cell that begins with %%glm."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", prog="%glm")

    def command(name: str, text: str) -> Any:
        # Of the two, argparse formats only the help with %.
        return commands.add_parser(name, help=text, description=text % {})

    command("panel", _("show the panel (as `%%glm` alone does)"))
    models = command("models", _("list models with prices and limits"))
    models.add_argument(
        "pattern", nargs="?", help=_("a kind, part of a name, or a pattern with * and ?")
    )
    use = command("use", _("let MODEL answer from now on"))
    use.add_argument("model", metavar="MODEL", help=_("for example glm-4.7 or local/smollm2-135m"))
    engine = command("local", _("the embedded engine: start, stop, status, or use FILE.gguf"))
    engine.add_argument("action", nargs="?", default="status", choices=_LOCAL_ACTIONS)
    engine.add_argument("file", nargs="?", metavar="FILE.gguf", help=_("weights for `use`"))
    spent = command("usage", _("what was spent: a table and a chart"))
    spent.add_argument(
        "--by",
        default="model",
        metavar="WHAT",
        help=_("what each row counts: model (default), kind, day, notebook, endpoint"),
    )
    spent.add_argument("--since", metavar="DATE", help=_("only from this day on, as 2026-11-22"))
    spent.add_argument("--csv", metavar="FILE", help=_("write every request to this file instead"))
    limit = command("budget", _("set what may be spent, or show what is left; `off` takes it off"))
    limit.add_argument("amount", nargs="*", metavar="AMOUNT", help=_("5, 5 RMB, 2 USD, or off"))
    period = limit.add_mutually_exclusive_group()
    period.add_argument(
        "--day",
        dest="period",
        action="store_const",
        const="day",
        help=_("budget for a day, in all kernels"),
    )
    period.add_argument(
        "--month",
        dest="period",
        action="store_const",
        const="month",
        help=_("budget for a month, in all kernels"),
    )
    task = command("tasks", _("list what the service works on, or show what became of one"))
    task.add_argument("id", nargs="?", metavar="ID", help=_("of a task; its beginning is enough"))
    files = command("files", _("list what the account keeps at the service, or delete a file"))
    files.add_argument("action", nargs="?", choices=("delete",))
    files.add_argument("id", nargs="?", metavar="ID", help=_("of a file"))
    bases = command("knowledge", _("list the account's knowledge bases, make, fill or delete one"))
    bases.add_argument("action", nargs="?", choices=("create", "add", "delete"))
    bases.add_argument("name", nargs="?", metavar="NAME", help=_("of a knowledge base"))
    bases.add_argument("file", nargs="*", metavar="FILE", help=_("documents to put into it"))
    for each in (files, bases):
        each.add_argument(
            "-e",
            "--endpoint",
            metavar="NAME",
            help=_("service that keeps them (default: bigmodel)"),
        )
    history = command("history", _("show the conversation, or the one of a name"))
    history.add_argument("name", nargs="?", default="", metavar="NAME", help=_("as given to -c"))
    reset = command("reset", _("forget the conversation, or the one of a name"))
    reset.add_argument("name", nargs="?", default="", metavar="NAME", help=_("as given to -c"))
    export = command("export", _("write the conversation into a file"))
    export.add_argument("file", metavar="FILE", help=_("FILE.md to read, FILE.json for programs"))
    export.add_argument("name", nargs="?", default="", metavar="NAME", help=_("as given to -c"))
    save = command(
        "save", _("keep the last cell that asked as a template; without NAME, list them")
    )
    save.add_argument("name", nargs="?", metavar="NAME", help=_("for %%%%glm @NAME"))
    explain = command("explain", _("explain the last error, and offer the mended cell below"))
    explain.add_argument("-m", "--model", metavar="NAME", help=_("model that explains"))
    explain.add_argument("-e", "--endpoint", metavar="NAME", help=_("endpoint that explains"))
    explain.add_argument(
        "--data",
        action="store_true",
        help=_("send values too, not only types, shapes and names of columns"),
    )
    _add_above(explain)
    _add_dry_run(explain)
    record = command("record", _("keep the answers that follow in a file; `off` ends it"))
    record.add_argument("file", nargs="?", metavar="FILE", help=_("lesson.glm.jsonl, or off"))
    replay = command("replay", _("answer from a recording, without key or cost; `off` ends it"))
    replay.add_argument(
        "place", nargs="?", metavar="FILE", help=_("a file, a folder, package:path, or off")
    )
    replay.add_argument(
        "--speed", type=float, metavar="N", help=_("2 is twice as fast, inf at once")
    )
    for name, text in (
        ("login", _("ask for a key and keep it in the system's keyring")),
        ("logout", _("forget the key kept in the keyring")),
    ):
        place = command(name, text)
        place.add_argument(
            "-e", "--endpoint", metavar="NAME", help=_("service of the key (default: bigmodel)")
        )
    doctor = command("doctor", _("what is set up and what is missing; shows no secrets"))
    doctor.add_argument(
        "--online", action="store_true", help=_("ask the service one free question, too")
    )
    return parser


_LOCAL_ACTIONS = ("start", "stop", "status", "use")

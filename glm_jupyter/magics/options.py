"""The options of `%%glm` and the commands of `%glm`: their parsers, help and error messages."""

from __future__ import annotations

import argparse
import difflib
import keyword
import os
import shlex
from typing import Any, NoReturn

from IPython.core.magic_arguments import MagicArgumentParser

from glm_jupyter.api.errors import InputError
from glm_jupyter.sessions.options import flags


class HelpAsked(Exception):
    """`--help` was given; the message is the help text."""


class _Help(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        raise HelpAsked(parser.format_help())


class Parser(MagicArgumentParser):
    """IPython's argument parser, with errors that name the nearest thing that exists.

    `where` says where a question belongs, for who wrote it in the place of options.
    """

    where = ""

    def __init__(self, **kwargs: Any) -> None:
        # IPython's own formatter writes reStructuredText, which help in a cell is not.
        super().__init__(  # type: ignore[no-untyped-call]
            formatter_class=argparse.HelpFormatter, **kwargs
        )
        self.add_argument("-h", "--help", nargs=0, action=_Help, help="show this help")

    def error(self, message: str) -> NoReturn:
        """Raise InputError; argparse calls this for whatever does not fit."""
        raise InputError(f"{self.prog}: {message}.", remedy=self._remedy(message))

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
                return f"Did you mean {close[0]}? `{self.prog} --help` lists all."
        if "unrecognized" in message and " @" in message:
            return f"A template comes first: `{self.prog} @NAME`, then the options."
        misplaced = "unrecognized" in message or "invalid choice" in message
        return f"`{self.prog} --help` lists all{self.where if misplaced else ''}."

    def parse_line(self, line: str) -> argparse.Namespace:
        """Parse what stands behind the magic's name."""
        try:
            words = split(line)
        except ValueError as error:
            raise InputError(
                f"{self.prog}: {error} in `{line.strip()}`.",
                remedy="Close the quotation mark, or put the text into marks of the other kind.",
            ) from None
        return self.parse_args(words)


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
        raise argparse.ArgumentTypeError(f"{text!r} cannot be the name of a variable")
    return text


ALL = 10**6  # cells: more than a notebook has


def _count(text: str) -> int:
    """An argument that is a number of cells."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of cells")
    return int(text)


def cell_parser() -> Parser:
    """The parser of `%%glm`."""
    parser = Parser(
        prog="%%glm",
        description="Ask a GLM model: the text of the cell is the prompt. "
        "{{ expression }} puts in the value of a Python expression. "
        "%%glm @NAME [options] uses the template that `%glm save NAME` has kept.",
    )
    parser.where = "; the question goes below this line"
    add = parser.add_argument
    for name, flag in flags().items():
        group: Any = parser.add_mutually_exclusive_group() if flag.off else parser
        group.add_argument(*flag.names, dest=name, default=None, help=flag.help, **flag.more)
        if flag.off:
            group.add_argument(flag.off[0], dest=name, action="store_false", help=flag.off[1])
    add(
        "--compare",
        metavar="A,B",
        help="models that answer side by side, in place of --model; the variable is a list",
    )
    add(
        "--map",
        metavar="ITEMS",
        help="ask about every item of a list, Series or DataFrame (in quotes where it holds "
        "spaces): {{ item }}, and its columns, stand for it; -o keeps the answers; --max-cost is "
        "for all of them",
    )
    add(
        "--above",
        nargs="?",
        type=_count,
        const=ALL,
        metavar="N",
        help="send the last N cells above this one too, with their outputs as text; without N, "
        "all that there is room for",
    )
    add(
        "--batch",
        action="store_true",
        help="with --map: have the service answer within a day, at half the price",
    )
    add("--code", action="store_true", help="put the answer's code into a new cell below")
    add("-o", "--output", type=variable_name, metavar="NAME", help="variable for the Answer")
    add("--raw", action="store_true", help="send the cell as it stands: no {{ }}")
    add(
        "--dry-run",
        action="store_true",
        help="show the messages, the tokens and what it costs at most; send nothing",
    )
    return parser


def line_parser() -> Parser:
    """The parser of `%glm`; the chosen command is in `command`."""
    parser = Parser(
        prog="%glm",
        description="Everything around the answers. `%%glm` asks; `%%glm --help` tells how.",
    )
    parser.where = "; a question goes into a cell that begins with %%glm"
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", prog="%glm")

    def command(name: str, text: str) -> Any:
        # Of the two, argparse formats only the help with %.
        return commands.add_parser(name, help=text, description=text % {})

    command("panel", "show the panel (as `%%glm` alone does)")
    models = command("models", "list models with prices and limits")
    models.add_argument(
        "pattern", nargs="?", help="a kind, part of a name, or a pattern with * and ?"
    )
    use = command("use", "let MODEL answer from now on")
    use.add_argument("model", metavar="MODEL", help="for example glm-4.7 or local/smollm2-135m")
    engine = command("local", "the embedded engine: start, stop, status, or use FILE.gguf")
    engine.add_argument("action", nargs="?", default="status", choices=_LOCAL_ACTIONS)
    engine.add_argument("file", nargs="?", metavar="FILE.gguf", help="weights for `use`")
    spent = command("usage", "what was spent: a table and a chart")
    spent.add_argument(
        "--by",
        default="model",
        metavar="WHAT",
        help="model (default), kind, day, notebook, endpoint",
    )
    spent.add_argument("--since", metavar="DATE", help="only from this day on, as 2026-11-22")
    spent.add_argument("--csv", metavar="FILE", help="write every request to this file instead")
    limit = command("budget", "set what may be spent, or show what is left; `off` takes it off")
    limit.add_argument("amount", nargs="*", metavar="AMOUNT", help="5, 5 RMB, 2 USD, or off")
    period = limit.add_mutually_exclusive_group()
    period.add_argument(
        "--day", dest="period", action="store_const", const="day", help="for a day, in all kernels"
    )
    period.add_argument(
        "--month",
        dest="period",
        action="store_const",
        const="month",
        help="for a month, in all kernels",
    )
    task = command("tasks", "list what the service works on, or show what became of one")
    task.add_argument("id", nargs="?", metavar="ID", help="of a task; its beginning is enough")
    files = command("files", "list what the account keeps at the service, or delete a file")
    files.add_argument("action", nargs="?", choices=("delete",))
    files.add_argument("id", nargs="?", metavar="ID", help="of a file")
    bases = command("knowledge", "list the account's knowledge bases, make, fill or delete one")
    bases.add_argument("action", nargs="?", choices=("create", "add", "delete"))
    bases.add_argument("name", nargs="?", metavar="NAME", help="of a knowledge base")
    bases.add_argument("file", nargs="*", metavar="FILE", help="documents to put into it")
    for each in (files, bases):
        each.add_argument("-e", "--endpoint", metavar="NAME", help="whose (default: bigmodel)")
    history = command("history", "show the conversation, or the one of a name")
    history.add_argument("name", nargs="?", default="", metavar="NAME", help="as given to -c")
    reset = command("reset", "forget the conversation, or the one of a name")
    reset.add_argument("name", nargs="?", default="", metavar="NAME", help="as given to -c")
    export = command("export", "write the conversation into a file")
    export.add_argument("file", metavar="FILE", help="FILE.md to read, FILE.json for programs")
    export.add_argument("name", nargs="?", default="", metavar="NAME", help="as given to -c")
    save = command("save", "keep the last cell that asked as a template; without NAME, list them")
    save.add_argument("name", nargs="?", metavar="NAME", help="for %%%%glm @NAME")
    explain = command("explain", "explain the last error, and offer the mended cell below")
    explain.add_argument("-m", "--model", metavar="NAME", help="model that explains")
    explain.add_argument("-e", "--endpoint", metavar="NAME", help="endpoint that explains")
    explain.add_argument(
        "--data",
        action="store_true",
        help="send values too, not only types, shapes and names of columns",
    )
    record = command("record", "keep the answers that follow in a file; `off` ends it")
    record.add_argument("file", nargs="?", metavar="FILE", help="lesson.glm.jsonl, or off")
    replay = command("replay", "answer from a recording, without key or cost; `off` ends it")
    replay.add_argument(
        "place", nargs="?", metavar="FILE", help="a file, a folder, package:path, or off"
    )
    replay.add_argument("--speed", type=float, metavar="N", help="2 is twice as fast, inf at once")
    for name, text in (
        ("login", "ask for a key and keep it in the system's keyring"),
        ("logout", "forget the key kept in the keyring"),
    ):
        place = command(name, text)
        place.add_argument("-e", "--endpoint", metavar="NAME", help="whose key (default: bigmodel)")
    doctor = command("doctor", "what is set up and what is missing; shows no secrets")
    doctor.add_argument(
        "--online", action="store_true", help="ask the service one free question, too"
    )
    return parser


_LOCAL_ACTIONS = ("start", "stop", "status", "use")

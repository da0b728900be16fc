"""From a `%%glm` line and its cell to a question: options, names, and `{{ }}` looked up."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .options import cell_parser
from .prompt import Prompt, evaluate, expand
from .schema import schema_of
from .settings import NAMES
from .tools import tool_of


@dataclass(frozen=True, slots=True)
class Question:
    """What a cell asks: its prompt, and the options of `Session.turn`."""

    args: Namespace
    prompt: str
    options: dict[str, Any]


def read(line: str, cell: str, namespace: Mapping[str, Any]) -> Question:
    """What the cell asks. Raises InputError for what cannot be asked, HelpAsked for `--help`."""
    args = cell_parser().parse_line(line)
    prompt = Prompt(cell) if args.raw else expand(cell, namespace)
    options = {name: getattr(args, name) for name in NAMES if hasattr(args, name)}
    options |= {
        "continue_": args.continue_,
        "fresh": args.fresh,
        "to_send": not args.dry_run,
        "confirm": args.confirm,
        "tools": [
            tool_of(evaluate(name, namespace, f"--tools {name}"), name.rpartition(".")[2])
            for name in filter(None, map(str.strip, (args.tools or "").split(",")))
        ],
    }
    if args.schema:
        kind = evaluate(args.schema, namespace, f"--schema {args.schema}")
        options["schema"] = schema_of(kind, args.schema)
    return Question(args, prompt.text.strip("\n"), options)

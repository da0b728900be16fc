"""From a `%%glm` line and its cell to a question: options, names, and `{{ }}` looked up."""

from __future__ import annotations

import difflib
import os
import re
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .api.errors import InputError
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
    prompt = Prompt(cell) if args.raw or args.map else expand(cell, namespace)
    options = {name: getattr(args, name) for name in NAMES if hasattr(args, name)}
    options |= {
        "continue_": args.continue_,
        "fresh": args.fresh,
        "to_send": not args.dry_run,
        "confirm": args.confirm,
        "web": args.web,
        "tools": [
            tool_of(evaluate(name, namespace, f"--tools {name}"), name.rpartition(".")[2])
            for name in filter(None, map(str.strip, (args.tools or "").split(",")))
        ],
    }
    options["images"] = [_image(source, namespace) for source in args.image or ()]
    if args.schema:
        kind = evaluate(args.schema, namespace, f"--schema {args.schema}")
        options["schema"] = schema_of(kind, args.schema)
    return Question(args, prompt.text.strip("\n"), options)


def _image(source: str, namespace: Mapping[str, Any]) -> Any:
    """What `--image` names: a variable or an expression with one, else a URL or a path."""
    first = re.match(r"[^\W\d]\w*", source)
    if first and first[0] in namespace and not Path(source).exists():
        return evaluate(source, namespace, f"--image {source}")
    if "://" in source or source.startswith("data:") or Path(source).expanduser().exists():
        return source
    near = difflib.get_close_matches(source, [*namespace, *os.listdir()], n=1)
    raise InputError(
        f"--image {source}: there is no variable and no file of that name. Nothing was sent.",
        remedy=(f"Did you mean `{near[0]}`? " if near else "")
        + f"Paths are relative to {Path.cwd()}.",
    )

"""From a `%%glm` line and its cell to a question: options, names, and `{{ }}` looked up."""

from __future__ import annotations

import difflib
import os
import re
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from glm_jupyter.api.errors import InputError
from glm_jupyter.language import _, sentences
from glm_jupyter.prompt.above import above
from glm_jupyter.prompt.expand import Prompt, Value, evaluate, expand
from glm_jupyter.schema import schema_of
from glm_jupyter.sessions.options import Asking, AskOptions, Flag, flags
from glm_jupyter.tools import tool_of

from .options import cell_parser
from .templates import HOLE, Template, applied

if TYPE_CHECKING:
    from glm_jupyter.sessions.session import Session


@dataclass(frozen=True, slots=True)
class Question:
    """What a cell asks, with which options, and how it was written.

    `values` are what `{{ }}` put into the prompt.
    """

    args: Namespace
    prompt: str
    options: AskOptions
    asking: Asking
    written: Template
    values: tuple[Value, ...] = ()


# Gives the cells above the one that asks, and where they are from, if that is to be said.
AboveCells: TypeAlias = Callable[[], tuple[list[Any], str]]


def read(
    line: str,
    cell: str,
    namespace: Mapping[str, Any],
    session: Session,
    cells_above: AboveCells = lambda: ([], ""),
) -> Question:
    """What the cell asks. Raises InputError for what cannot be asked, HelpAsked for `--help`."""
    line, template = applied(line)
    args = cell_parser().parse_line(line)
    _together(args)
    options = AskOptions.of(
        **{
            name: _value(flag, getattr(args, name), namespace)
            for name, flag in flags().items()
            if getattr(args, name) is not None
        }
    )
    verbatim = args.raw or args.map
    room = None if verbatim else session.room(options)
    if template is None and not verbatim and HOLE.search(cell):
        namespace = _with_hole(namespace, args.dry_run)
    prompt = _prompt(cell, template, namespace, verbatim=verbatim, room=room)
    notes = [str(value) for value in prompt.values if value.cut]
    text = prompt.text.strip("\n")
    if args.above is not None:
        text, note = below(text, args.above, room or session.room(options), cells_above)
        notes.append(note)
    asking = Asking(to_send=not args.dry_run, notes=tuple(notes))
    written = Template(line, template.text if template else cell)
    return Question(args, text, options, asking, written, prompt.values)


def below(
    text: str, most: int | None, room: int | None, cells_above: AboveCells
) -> tuple[str, str]:
    """`text` with the last `most` cells above it, and what of them is sent, in words."""
    cells, where = cells_above()
    context = above(cells, most, room, where)
    return context.text + text, context.note


def _together(args: Namespace) -> None:
    """Refuse options of which one would be passed over."""
    for one, other in (
        ("compare", "model"),
        ("compare", "map"),
        ("compare", "code"),
        ("map", "code"),
        ("map", "above"),
    ):
        if getattr(args, one) and getattr(args, other):
            raise InputError(
                _("--{one} and --{other} do not go together. Nothing was sent.").format(
                    one=one, other=other
                ),
                remedy=_("Leave out one of them."),
            )

    if args.batch and not args.map:
        raise InputError(
            _("--batch goes with --map: a batch is about many items. Nothing was sent."),
            remedy=_("Add --map ITEMS, or leave out --batch."),
        )


def _with_hole(namespace: Mapping[str, Any], dry_run: bool) -> Mapping[str, Any]:
    """The namespace for a cell that is to become a template: in a dry run its hole stays one."""
    if "cell" in namespace:
        return namespace
    if dry_run:
        return {**namespace, "cell": "{{ cell }}"}
    raise InputError(
        _(
            "`{{ cell }}` is where a template takes in a cell, and this cell is no template yet. "
            "Nothing was sent."
        ),
        remedy=_("Run it with --dry-run, then keep it with `%glm save NAME`."),
    )


def _prompt(
    cell: str,
    template: Template | None,
    namespace: Mapping[str, Any],
    *,
    verbatim: bool,
    room: int | None,
) -> Prompt:
    """The cell's text, or the template's with the cell's in its hole or below, filled in."""
    own = Prompt(cell) if verbatim else expand(cell, namespace, room)
    if template is None:
        return own
    if not HOLE.search(template.text):
        filled = Prompt(template.text) if verbatim else expand(template.text, namespace, room)
        below = f"\n\n{own.text}" if own.text.strip() else ""
        return Prompt(filled.text.rstrip("\n") + below, filled.values + own.values)
    if not own.text.strip():
        raise InputError(
            _("The template has a hole `{{ cell }}`, and the cell is empty. Nothing was sent."),
            remedy=_("Write below the %%glm line what goes into it."),
        )
    text = own.text.strip("\n")
    if verbatim:
        return Prompt(HOLE.sub(lambda _: text, template.text))
    filled = expand(template.text, {**namespace, "cell": text})
    holes = tuple(value for value in filled.values if value.expression != "cell")
    return Prompt(filled.text, own.values + holes)


def _value(flag: Flag, given: Any, namespace: Mapping[str, Any]) -> Any:
    """What stands for the words of an option: a name is looked up in the notebook."""
    option = flag.names[-1]
    words = given if isinstance(given, list) else [given]
    match flag.reads:
        case "expression":
            value = evaluate(given, namespace, f"{option} {given}")
            return schema_of(value, given)
        case "expressions":
            return [
                tool_of(evaluate(name, namespace, f"{option} {name}"), name.rpartition(".")[2])
                for name in _listed(given)
            ]
        case "words":
            return _listed(given)
        case "source":
            found = [_source(option, word, namespace) for word in words]
            return found if isinstance(given, list) else found[0]
    return given


def _listed(text: str) -> list[str]:
    return [word for word in map(str.strip, text.split(",")) if word]


def _source(option: str, source: str, namespace: Mapping[str, Any]) -> Any:
    """What `--image` and its like name: a variable or an expression with one, a URL or a path."""
    first = re.match(r"[^\W\d]\w*", source)
    if first and first[0] in namespace and not Path(source).exists():
        return evaluate(source, namespace, f"{option} {source}")
    if "://" in source or source.startswith("data:") or Path(source).expanduser().exists():
        return source
    near = difflib.get_close_matches(source, [*namespace, *os.listdir()], n=1)
    raise InputError(
        _(
            "{option} {source}: there is no variable and no file of that name. Nothing was sent."
        ).format(option=option, source=source),
        remedy=sentences(
            _("Did you mean `{near}`?").format(near=near[0]) if near else "",
            _("Paths are relative to {folder}.").format(folder=Path.cwd()),
        ),
    )

"""Reference pages from what the program itself knows: options, commands, settings, models, errors.

Each is a directive that writes markdown: `{glm-options}`, `{glm-commands}`, `{glm-settings}`,
`{glm-models}`, `{glm-errors}`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from glm_jupyter.api import catalogue
from glm_jupyter.api.catalogue import Model
from glm_jupyter.api.catalogue_file import KINDS
from glm_jupyter.api.errors import REFUSALS, STATUSES, Refusal
from glm_jupyter.magics.options import Parser, cell_parser, line_parser
from glm_jupyter.models import limits, made_price
from glm_jupyter.sessions.settings import GLM


def options() -> str:
    """The options of `%%glm`."""
    return _table(("option", "meaning"), _arguments(cell_parser()))


def commands() -> str:
    """The commands of `%glm`, each with its arguments."""
    parser = line_parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    parts = []
    for choice in commands._choices_actions:
        command = commands.choices[choice.dest]
        words = _help(choice.help or "")
        parts.append(f"## `%glm {choice.dest}`\n\n{words[:1].upper()}{words[1:]}.")
        if rows := list(_arguments(command)):
            parts.append(_table(("argument", "meaning"), rows))
    return "\n\n".join(parts)


def settings() -> str:
    """The settings of `%config GLM`."""
    traits = GLM.class_traits(config=True)
    rows = [(f"`c.GLM.{name}`", trait.help) for name, trait in sorted(traits.items())]
    return _table(("setting", "meaning"), rows)


def models() -> str:
    """The catalogue: for each endpoint a table of models that write, and one of all others."""
    parts = []
    for endpoint in dict.fromkeys(model.endpoint for model in catalogue.models()):
        here = catalogue.models(endpoint=endpoint)
        chat = [model for model in here if model.kind == "chat"]
        made = [model for model in here if model.kind != "chat"]
        currency = here[0].currency
        money = f"{currency} per million tokens: in, out" if currency else "price"
        headers = ("model", "context", money, "remarks, and source")
        parts.append(f"## Endpoint `{endpoint}`\n\n{_table(headers, map(_chat_row, chat))}")
        if made:
            headers = ("model", "makes", "price", "limits", "remarks, and source")
            parts.append(_table(headers, map(_made_row, made)))
    return "\n\n".join(parts)


def _chat_row(model: Model) -> tuple[str, ...]:
    size = f"{model.context:,}" if model.context else ""
    tiers = "; ".join(map(_tier, model.prices)) or "not known"
    return (f"`{model.name}`", size, tiers, _told(model))


def _made_row(model: Model) -> tuple[str, ...]:
    makes = f"{KINDS[model.kind]} (`{model.kind}`)"
    return (f"`{model.name}`", makes, made_price(model), limits(model), _told(model))


def _told(model: Model) -> str:
    marks = [mark for mark in ("retired", "unsure") if getattr(model, mark)]
    remarks = ", ".join(filter(None, [*marks, model.note]))
    return ". ".join(filter(None, [remarks, ", ".join(filter(None, [model.source, model.date]))]))


def errors() -> str:
    """What the services' codes mean, and what to do."""
    same: dict[Refusal, list[str]] = {}
    for code, refusal in {**REFUSALS, **STATUSES}.items():
        same.setdefault(refusal, []).append(str(code))
    rows = [
        (
            ", ".join(f"`{code}`" for code in dict.fromkeys(codes)),
            f"`{one.kind.__name__}`",
            one.says,
            one.remedy,
        )
        for one, codes in same.items()
    ]
    return _table(("code", "error", "meaning", "what to do"), rows)


def _tier(tier: Any) -> str:
    if tier.free:
        return "free"
    bounds = []
    if tier.prompt_below:
        bounds.append(f"prompts below {tier.prompt_below:,}")
    if tier.output_below:
        bounds.append(f"answers below {tier.output_below:,}")
    return f"{tier.input}, {tier.output}" + (f" ({', '.join(bounds)})" if bounds else "")


def _arguments(parser: Parser | argparse.ArgumentParser) -> Iterable[tuple[str, str]]:
    for action in parser._actions:
        if action.dest == "help":
            continue
        parts = (", ".join(action.option_strings), _value(action))
        yield f"`{' '.join(filter(None, parts))}`", _help(action.help or "")


def _value(action: argparse.Action) -> str:
    """What an argument takes, in brackets where it may be left out; empty for a switch."""
    if action.nargs == 0:
        return ""
    choices = "|".join(map(str, action.choices or ()))
    name = str(action.metavar or choices or action.dest)
    return f"[{name}]" if action.nargs in ("?", "*") else name


def _help(text: str) -> str:
    """The help of an argument as argparse shows it: percent signs are doubled in the source."""
    return text.replace("%%", "%")


def _table(headers: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headers, ("---",) * len(headers), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|").replace("{{ ", "`{{ ").replace(" }}", " }}`")


class _Generated(SphinxDirective):
    write: Callable[[], str]

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # the program may change while the page does not
        return self.parse_text_to_nodes(type(self).write(), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directives to Sphinx."""
    for write in (options, commands, settings, models, errors):
        directive = type(write.__name__, (_Generated,), {"write": staticmethod(write)})
        app.add_directive(f"glm-{write.__name__}", directive)
    return {"parallel_read_safe": True}

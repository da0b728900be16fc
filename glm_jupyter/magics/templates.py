"""Prompts with a name: a cell's options and text, kept in a file for use in any notebook."""

from __future__ import annotations

import difflib
import re
import shlex
from pathlib import Path
from typing import NamedTuple

from glm_jupyter.api.errors import InputError
from glm_jupyter.language import _, sentences

MAGIC = "%%glm"
# What `{{ cell }}` in a template stands for: the text of the cell that uses it.
HOLE = re.compile(r"\{\{\s*cell\s*\}\}")

_NAME = re.compile(r"\w[\w-]{0,63}")


class Template(NamedTuple):
    """The options behind `%%glm`, and the text of the cell, with its `{{ }}`."""

    line: str
    text: str


def folder() -> Path:
    """Where templates are kept, a file for each."""
    from platformdirs import user_data_path

    return user_data_path("glm-jupyter", appauthor=False) / "templates"


def save(name: str, template: Template) -> Path:
    """Keep a template under `name`, in place of one that has it already.

    Raises InputError for a name that cannot be one, or where it cannot be written.
    """
    path = _path(name)
    words = [word for word in shlex.split(template.line) if word != "--dry-run"]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{MAGIC} {shlex.join(words)}\n{template.text}", encoding="utf-8")
    except OSError as error:
        raise InputError(
            _("Cannot write {path}: {reason}.").format(path=path, reason=error.strerror),
            remedy=_("Check the rights of its folder."),
        ) from None
    return path


def load(name: str) -> Template:
    """The template of that name. Raises InputError where there is none."""
    path = _path(name)
    try:
        head, _end, text = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        close = difflib.get_close_matches(name, names(), n=1)
        hint = _("Did you mean `{near}`?").format(near=f"@{close[0]}") if close else ""
        raise InputError(
            _("There is no template `@{name}`.").format(name=name),
            remedy=sentences(
                hint, _("`%glm save` lists them; `%glm save NAME` keeps the last cell as one.")
            ),
        ) from None
    if not head.startswith(MAGIC):
        raise InputError(
            _("{path} is no template: its first line is not a {magic} line.").format(
                path=path, magic=MAGIC
            ),
            remedy=_("Let it begin with `{magic}` and the options, if any.").format(magic=MAGIC),
        )
    return Template(head.removeprefix(MAGIC).strip(), text)


def names() -> list[str]:
    """The names of all templates."""
    return sorted(path.stem for path in folder().glob("*.md") if _NAME.fullmatch(path.stem))


def _path(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise InputError(
            _("{name!r} cannot be the name of a template.").format(name=name),
            remedy=_("Use letters, digits, - and _."),
        )
    return folder() / f"{name}.md"


def applied(line: str) -> tuple[str, Template | None]:
    """The line and the template of a cell whose line begins with @NAME.

    Options on the line come behind those of the template, and so win over them.
    """
    first, _, rest = line.strip().partition(" ")
    if not first.startswith("@"):
        return line, None
    template = load(first[1:])
    return f"{template.line} {rest}".strip(), template

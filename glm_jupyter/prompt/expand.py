"""From the text of a cell to the text of a prompt: `{{ expression }}` and `@file`."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping
from inspect import isawaitable, iscoroutine
from pathlib import Path
from typing import Any, NamedTuple

from glm_jupyter.api import tokens
from glm_jupyter.api.errors import InputError
from glm_jupyter.language import _, ngettext, sentences

from .secrets import Secrets, leaked, redacted
from .values import Shown, as_text


class Value(NamedTuple):
    """What one `{{ expression }}` put in: its tokens, by estimate, and what was cut of it."""

    expression: str
    tokens: int
    cut: str

    def __str__(self) -> str:
        size = ngettext("about {n:,} token", "about {n:,} tokens", self.tokens)
        size = size.format(n=self.tokens)
        says = _("{value}: {cut}, {size}") if self.cut else _("{value}: {size}")
        return says.format(value=f"{{{{ {self.expression} }}}}", cut=self.cut, size=size)


class Prompt(NamedTuple):
    """A prompt, and the values that were put into it."""

    text: str
    values: tuple[Value, ...] = ()


def expand(
    text: str,
    namespace: Mapping[str, Any],
    room: int | None = None,
    secrets: Secrets | None = None,
) -> Prompt:
    """Replace each `{{ expression }}` by the text of its value in `namespace`.

    Values are put in as they are, a table on lines of its own: braces inside a value are never
    evaluated. Single braces and an empty `{{}}` are left alone. Values are cut so that all fit
    into `room` tokens. Raises InputError where an expression cannot be read or evaluated, or its
    value holds one of the `secrets`, which are the environment's.
    """
    parts: list[str] = []
    values: list[Value] = []
    position = 0
    left = None if room is None else max(0, room - tokens.estimate(text))
    while (start := text.find("{{", position)) >= 0:
        # The innermost pair of an opening run, so that `{{{x}}}` is `{`, an expression, `}`.
        while text.startswith("{{{", start):
            start += 1
        parts.append(text[position:start])
        expression, position = _expression(text, start)
        if not expression:
            parts.append("{{}}")
            continue
        shown = _shown(expression, namespace, left)
        _refuse_secrets(expression, shown.text, secrets)
        whole = str(shown).encode(errors="replace").decode()  # no half characters
        parts.append(_apart(whole, "".join(parts), text[position:]) if shown.table else whole)
        values.append(Value(expression, tokens.estimate(str(shown)), shown.cut_in_words))
        left = None if left is None else max(0, left - values[-1].tokens)
    parts.append(text[position:])
    return Prompt("".join(parts), tuple(values))


def evaluate(expression: str, namespace: Mapping[str, Any], written: str) -> Any:
    """The value of an expression in `namespace`; `written` is how it stands in the cell.

    Raises InputError where it has none.
    """
    try:
        # The user's own expression in the user's own namespace, as if typed in a cell.
        return eval(expression, dict(namespace))  # noqa: S307, the user typed it
    except NameError as error:
        close = difflib.get_close_matches(error.name or "", list(namespace), n=1)
        hint = _("Did you mean `{name}`?").format(name=close[0]) if close else ""
        remedy = _("Define it in a cell above.")
        if written.startswith("{{"):
            remedy = _("Define it in a cell above, or use --raw to send braces as text.")
        raise InputError(
            _("`{written}`: the name `{name}` is not defined. Nothing was sent.").format(
                written=written, name=error.name
            ),
            remedy=sentences(hint, remedy),
        ) from None
    except Exception as error:
        raise InputError(
            _("`{written}` failed: {error}").format(written=written, error=_said(error)),
            remedy=_("Nothing was sent. Try the expression in a cell of its own."),
        ) from error


def read_text(value: str) -> str:
    """The text itself, or, for `@path`, what stands in that file."""
    if not value.startswith("@"):
        return value
    if value == "@":
        raise InputError(
            _("`@` names no file."), remedy=_("Write @ and a path: `--system @tutor.md`.")
        )
    path = Path(value[1:]).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or _("it is not UTF-8 text")
        raise InputError(
            _("Cannot read {path}: {reason}.").format(path=path, reason=reason),
            remedy=_("Paths are relative to {folder}.").format(folder=Path.cwd()),
        ) from None


def _apart(table: str, before: str, after: str) -> str:
    """A table between two texts: in one line with another text it would be none."""
    above = "\n\n" if before.rpartition("\n")[2].strip() else ""
    below = "\n\n" if after.partition("\n")[0].strip() else ""
    return above + table + below


def _expression(text: str, start: int) -> tuple[str, int]:
    """The expression that opens at `start`, and where the text goes on behind it."""
    end = text.find("}}", start)
    while end >= 0:
        # `{{ {"a": {}} }}`: of several closings, the first that makes an expression.
        source = text[start + 2 : end].strip()
        if not source or _parses(source):
            return source, end + 2
        end = text.find("}}", end + 1)
    line = text[start:].split("\n", 1)[0][:60]
    raise InputError(
        _("`{line}` is not a Python expression in double braces.").format(line=line),
        remedy=_("Write `{ {` for two braces that are meant as text, or use --raw."),
    )


def _parses(source: str) -> bool:
    try:
        ast.parse(source, mode="eval")
    except (SyntaxError, ValueError):
        return False
    return True


def _shown(expression: str, namespace: Mapping[str, Any], room: int | None) -> Shown:
    written = f"{{{{ {expression} }}}}"
    value = evaluate(expression, namespace, written)
    if isawaitable(value):
        if iscoroutine(value):
            value.close()
        raise InputError(
            _("`{written}` has to be awaited. Nothing was sent.").format(written=written),
            remedy=_("Await it in a cell above, `value = await …`, and write `{{ value }}` here."),
        )
    try:
        return as_text(value, room)
    except Exception as error:
        raise InputError(
            _("The value of `{written}` cannot be put into text: {error}").format(
                written=written, error=_said(error)
            ),
            remedy=_("Nothing was sent. Try `print()` of it in a cell of its own."),
        ) from error


def _said(error: Exception) -> str:
    """What the user's own code has raised; it may quote a URL or a header with a key in it."""
    return redacted(f"{type(error).__name__}: {error}")


def _refuse_secrets(expression: str, text: str, secrets: Secrets | None) -> None:
    if name := leaked(text, secrets):
        raise InputError(
            _(
                "`{written}` holds the value of the environment variable {name}, which looks "
                "like a secret. Nothing was sent."
            ).format(written=f"{{{{ {expression} }}}}", name=name),
            remedy=_("Put in only the part that is needed."),
        )

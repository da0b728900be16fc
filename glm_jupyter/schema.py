"""Structured answers: the model, dataclass, TypedDict or JSON schema that an answer must fit."""

from __future__ import annotations

import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glm_jupyter.language import N_, _

from .api.errors import GLMError, InputError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

MOST_PROBLEMS = 8
# What is nested deeper than any answer that people read can exhaust those who check and show it.
DEEPEST = 64
# A model that has lost itself may write braces without end.
MOST_OPENINGS = 1000

_OPENING = re.compile(r"[{\[]")

# A backslash and what it may stand for: an escape of JSON, or the beginning of a command of TeX.
_BACKSLASH = re.compile(r"\\(u[0-9a-fA-F]{4}|[a-zA-Z]+|.)", re.DOTALL)
# Commands that begin as a line break, a tab or a return does. Of the latter the rest may be a word.
_COMMANDS = re.compile(
    "nabla|natural|ncong|nearrow|neg|neq|newline|nexists|n[gl]eq|nmid|nolimits|nonumber|norm|not|"
    "notag|notin|nparallel|nsu[bp]seteq|nwarrow|"
    "tanh|tau|tbinom|text|text(bf|it|rm|sf|style|tt)|tfrac|therefore|theta|thickapprox|thicksim|"
    "thinspace|tilde|times|tiny|triangle|triangle(q|left|right)|twoheadrightarrow|"
    "rangle|rbrac[ek]|rceil|ref|rfloor|rho|right|right(arrow|harpoonup|leftharpoons|squigarrow)|"
    "rm|root|rtimes|r[vV]ert"
)
_AMBIGUOUS = re.compile("ne|ni|nu|tag|tan|to|top")


class SchemaError(GLMError):
    """An answer that does not fit its schema; `complaint` is what the model is told about it."""

    def __init__(self, name: str, problems: list[str]) -> None:
        listed = problems[:MOST_PROBLEMS]
        shown = [_(problem) for problem in listed]
        if more := len(problems) - len(listed):
            listed = [*listed, f"and {more} more"]
            shown.append(_("and {n} more").format(n=more))
        super().__init__(
            _(
                "The answer does not fit {name}, even after it was asked for again: {problems}."
            ).format(name=name, problems="; ".join(shown)),
            remedy=_(
                "The text as it came is kept in the answer (`_glm.text`, or from Python "
                "`glm_jupyter.session.last.text`). Ask more plainly, allow for what is missing, "
                "or choose a stronger model."
            ),
        )
        self.complaint = "\n".join(
            [
                "That does not fit the schema:",
                *(f"- {problem}" for problem in listed),
                "Give the whole corrected JSON object, and nothing else.",
            ]
        )


@dataclass(frozen=True, slots=True)
class Schema:
    """What an answer must look like, and how it becomes a value.

    `name` is for people; `json_schema` describes an object, for the services promise no other
    JSON. `check` makes the value of a decoded object, or raises SchemaError.
    """

    name: str
    json_schema: dict[str, Any]
    check: Callable[[Any], Any]

    @property
    def instructions(self) -> str:
        """What the model is told."""
        text = json.dumps(self.json_schema, ensure_ascii=False)
        return f"Answer with one JSON object that fits this JSON schema, and nothing else:\n{text}"

    def response_format(self, dialect: str) -> dict[str, Any]:
        """The field of the request: other servers can enforce a schema, the services only JSON."""
        if dialect == "glm":
            return {"type": "json_object"}
        enforced = {"name": "answer", "schema": self.json_schema}
        return {"type": "json_schema", "json_schema": enforced}

    def parse(self, text: str) -> Any:
        """The value in an answer's text: of the JSON in it, the first that fits.

        Raises SchemaError where none does.
        """
        misfit: SchemaError | None = None
        for decoded in _decoded(text):
            try:
                if _is_deep(decoded):
                    raise SchemaError(self.name, [N_("it is nested too deeply")])
                return self.check(decoded)
            except SchemaError as error:
                misfit = misfit or error
        raise misfit or SchemaError(
            self.name, [N_("it is not JSON") if text.strip() else N_("it is empty")]
        )


def schema_of(value: Any, name: str = "") -> Schema:
    """The schema that a pydantic model, dataclass, TypedDict, other type or JSON schema means.

    `name` is what it is called in messages; a Schema is one already. Raises InputError for what
    is none of these.
    """
    if isinstance(value, Schema):
        return value
    if not name:
        name = value.__name__ if inspect.isclass(value) else _("the schema")
    if isinstance(value, dict):
        return _from_document(value, name)
    try:
        from pydantic import PydanticUserError, TypeAdapter
        from pydantic.errors import PydanticSchemaGenerationError

        if inspect.isroutine(value) or not (callable(value) or typing.get_origin(value)):
            raise TypeError(_("it is a value of type {kind}").format(kind=type(value).__name__))
        adapter: TypeAdapter[Any] = TypeAdapter(_modern(value))
        document = describe(adapter)
    except (
        PydanticUserError,
        PydanticSchemaGenerationError,
        ImportError,
        NameError,
        TypeError,
    ) as error:
        raise InputError(
            _("{name} cannot be the schema of an answer: {reason}.").format(
                name=name, reason=reason(error)
            ),
            remedy=_(
                "Give a pydantic model, a dataclass, a TypedDict, a type such as list[Model], "
                "or a JSON schema as a dict."
            ),
        ) from None
    return _wrapped(name, document, lambda decoded: _validated(adapter, decoded, name))


def describe(adapter: TypeAdapter[Any]) -> dict[str, Any]:
    """The JSON schema of a type, without titles, which only repeat names and cost tokens."""
    from pydantic.json_schema import GenerateJsonSchema

    class Untitled(GenerateJsonSchema):
        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

    return adapter.json_schema(schema_generator=Untitled)


def reason(error: Exception) -> str:
    """Why pydantic cannot use a type: what comes after the first sentence is advice for classes."""
    return str(error).split("\n", 1)[0].split(". ", 1)[0].rstrip(".")


def problems_of(error: ValidationError) -> list[str]:
    """Each problem in a line: where, and what."""
    found = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(part) for part in each["loc"])
        found.append(f"{place}: {each['msg']}" if place else each["msg"])
    return found


def _validated(adapter: TypeAdapter[Any], decoded: Any, name: str) -> Any:
    from pydantic import ValidationError

    try:
        # As JSON, so that dates, sets and their like may come as JSON has them.
        return adapter.validate_json(json.dumps(decoded))
    except ValidationError as error:
        raise SchemaError(name, problems_of(error)) from None


def _from_document(document: dict[str, Any], name: str) -> Schema:
    try:
        import jsonschema
    except ImportError:
        raise InputError(
            _("Checking an answer against a JSON schema needs the package jsonschema."),
            remedy=_("`pip install jsonschema`, or give a pydantic model, dataclass or TypedDict."),
        ) from None
    document = _in_envelope(document)
    kind = jsonschema.validators.validator_for(document)
    wrong = ""
    try:
        kind.check_schema(document)
        if document and not document.keys() & kind.VALIDATORS.keys():
            wrong = _("it says nothing that an answer could be checked against")
    except jsonschema.SchemaError as error:
        wrong = error.message
    if wrong:
        raise InputError(
            _("{name} is not a JSON schema: {wrong}. Nothing was sent.").format(
                name=name, wrong=wrong
            ),
            remedy=_("A JSON schema is a dict such as {example}.").format(
                example='{"type": "object", "properties": {"name": {"type": "string"}}}'
            ),
        )
    validator = kind(document, registry=_resolved(document, name))

    def check(decoded: Any) -> Any:
        problems = [
            f"{'.'.join(map(str, error.absolute_path)) or 'the object'}: {error.message}"
            for error in validator.iter_errors(decoded)
        ]
        if problems:
            raise SchemaError(name, problems)
        return decoded

    return _wrapped(name, document, check)


def _in_envelope(document: dict[str, Any]) -> dict[str, Any]:
    """The schema in `{"name": ..., "schema": {...}}`, the form in which OpenAI's API takes one."""
    if document.get("type") == "json_schema":
        document = document.get("json_schema", document)
    if isinstance(inner := document.get("schema"), dict) and "name" in document:
        return inner
    return document


def _resolved(document: dict[str, Any], name: str) -> Any:
    """The registry to look references up in, which fetches nothing.

    Raises InputError for a reference that leads nowhere.
    """
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012, EMPTY_REGISTRY, specification_with

    drafts = specification_with(document.get("$schema", ""), default=DRAFT202012)
    resolver = EMPTY_REGISTRY.resolver_with_root(drafts.create_resource(document))
    for reference in _references(document):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            raise InputError(
                _("{name} refers to {reference}, which is not in it.").format(
                    name=name, reference=reference
                ),
                remedy=_("Put what is referred to below `$defs`, as `#/$defs/NAME`."),
            ) from None
    return EMPTY_REGISTRY


def _references(part: Any) -> Iterator[str]:
    """The references in a document, without those of parts that are documents of their own."""
    if isinstance(part, dict) and isinstance(reference := part.get("$ref"), str):
        yield reference
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for each in inner:
        if not (isinstance(each, dict) and "$id" in each):
            yield from _references(each)


def _wrapped(name: str, document: dict[str, Any], check: Callable[[Any], Any]) -> Schema:
    """A schema of an object; what is no object by itself is put into one."""
    if _is_object(document):
        return Schema(name, document, check)
    shared = {key: part for key, part in document.items() if key in ("$defs", "definitions")}
    inner = {key: part for key, part in document.items() if key not in shared}
    wrapper = {
        "type": "object",
        "properties": {"value": inner},
        "required": ["value"],
        **shared,
    }

    def unwrap(decoded: Any) -> Any:
        held = isinstance(decoded, dict) and set(decoded) == {"value"}
        return check(decoded["value"] if held else decoded)

    return Schema(name, wrapper, unwrap)


def _is_object(document: dict[str, Any]) -> bool:
    reference = str(document.get("$ref", ""))
    if reference.startswith("#/$defs/"):
        document = document.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
    return document.get("type") == "object" or "properties" in document


def _decoded(text: str) -> Iterator[Any]:
    """The JSON in an answer: all of it, or what stands in prose or in fences, in order.

    Where something begins as JSON and is broken, nothing is looked for in it or behind it: a
    part of an object that fits by chance is not what was meant.
    """
    text = _with_backslashes(text)
    decoder = json.JSONDecoder(strict=False)  # models write line breaks in texts as they are
    with suppress(ValueError, RecursionError):
        yield decoder.decode(text)
        return
    place = 0
    for _opening in range(MOST_OPENINGS):
        if not (opening := _OPENING.search(text, place)):
            return
        start = opening.start()
        try:
            found, place = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            if text[start + 1 : error.pos].strip():
                return
            place = start + 1  # a brace of the prose
        except (ValueError, RecursionError):
            return
        else:
            yield found


def _with_backslashes(text: str) -> str:
    """The JSON in `text` with each backslash of TeX doubled where the model has not done so.

    To JSON, the first letters of `\\frac`, `\\beta` and `\\theta` are a form feed, a backspace and
    a tab. Where one backslash is certainly TeX's, all that may be are.
    """
    start, end = text.find("{"), text.rfind("}") + 1
    start = min((place for place in (start, text.find("[")) if place >= 0), default=0)
    end = max(end, text.rfind("]") + 1)
    inside = text[start:end]
    if not any(_is_tex(found[1]) for found in _BACKSLASH.finditer(inside)):
        return text

    def doubled(found: re.Match[str]) -> str:
        rest = found[1]
        own = _is_tex(rest) or _AMBIGUOUS.fullmatch(rest) is not None
        # Two backslashes end a row, unless they are one that was doubled.
        if rest == "\\" and not inside[found.end() : found.end() + 1].isalpha():
            own = inside[found.end() : found.end() + 1] != '"'
            return found[0] * 2 if own else found[0]
        return f"\\{found[0]}" if own else found[0]

    return text[:start] + _BACKSLASH.sub(doubled, inside) + text[end:]


def _is_tex(rest: str) -> bool:
    """Whether what stands behind a backslash cannot be an escape of JSON that was meant."""
    match rest[0]:
        case '"' | "\\" | "/":
            return False
        case "u":
            return not re.match("u[0-9a-fA-F]{4}", rest)
        case "b" | "f":  # no answer means a backspace or a form feed
            return len(rest) > 1
        case "n" | "t" | "r":
            return _COMMANDS.fullmatch(rest) is not None
        case _:
            return True


def _is_deep(decoded: Any) -> bool:
    level = [decoded] if isinstance(decoded, dict | list) else []
    for _level in range(DEEPEST):
        parts = [part.values() if isinstance(part, dict) else part for part in level]
        level = [each for part in parts for each in part if isinstance(each, dict | list)]
    return bool(level)


def _modern(kind: Any) -> Any:
    """The type with each `typing.TypedDict` in it as pydantic can read it before Python 3.12."""
    if sys.version_info >= (3, 12):
        return kind
    import typing_extensions as later

    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if typing.is_typeddict(kind):
        # Where annotations are texts, only the hints tell what is not required.
        hints = later.get_type_hints(kind, include_extras=True)
        fields = {name: _field(hint, kind.__total__) for name, hint in hints.items()}
        return later.TypedDict(kind.__name__, fields)  # type: ignore[operator]  # made at run time
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(map(_modern, parts))]  # noqa: UP007  # has no other spelling
    if origin in (list, dict, set, tuple):
        return origin[tuple(map(_modern, parts))]
    return kind


def _field(hint: Any, total: bool) -> Any:
    import typing_extensions as later

    required = total
    while (origin := typing.get_origin(hint)) in (typing.NotRequired, typing.Required):
        required = origin is typing.Required
        (hint,) = typing.get_args(hint)
    return _modern(hint) if required else later.NotRequired[_modern(hint)]

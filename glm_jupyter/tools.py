"""Function calling: Python functions that a model may call, and nothing that was not named."""

from __future__ import annotations

import functools
import inspect
import json
import re
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired

from glm_jupyter.language import _

from .api import events as ev
from .api.errors import InputError
from .bridge import interruptible
from .prompt.secrets import redacted
from .prompt.values import MAX_ELEMENTS, as_text
from .schema import describe, problems_of, reason

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MOST_RESULT_TOKENS = 8000  # of one call's result; a longer one is cut, saying so
LONGEST_LINE = 500  # characters of a call as it is put to the user
MOST_ENCODINGS = 3  # of arguments as JSON in JSON

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class _Failed(Exception):
    """A call that brought no result; the message tells the model and the reader why."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function as a model sees it, and how its arguments are checked."""

    name: str
    function: Callable[..., Any]
    description: str
    arguments: TypeAdapter[Any]

    @property
    def declaration(self) -> dict[str, Any]:
        """The tool as the API takes it."""
        parameters = describe(self.arguments)
        parameters.pop("title", None)
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}

    def bound(self, arguments: str) -> inspect.BoundArguments:
        """The arguments that the model wrote, checked and as the function takes them."""
        from pydantic import ValidationError

        try:
            values = self._checked(_decoded(arguments))
        except ValidationError as error:
            raise _Failed(f"The arguments do not fit: {'; '.join(problems_of(error))}") from None
        except (ValueError, RecursionError):
            raise _Failed("The arguments are not JSON.") from None
        call = inspect.signature(self.function).bind_partial()
        call.arguments.update(values)
        return call

    def _checked(self, given: Any) -> dict[str, Any]:
        """The arguments as the types the function wants; what does not fit is read once more.

        Models write a list or an object as a string that holds its JSON, and null for what they
        leave out.
        """
        from pydantic import ValidationError

        try:
            checked: dict[str, Any] = self.arguments.validate_json(json.dumps(given))
        except ValidationError as error:
            mended = self._mended(given, {each["loc"][0] for each in error.errors() if each["loc"]})
            if mended == given:
                raise
            try:
                checked = self.arguments.validate_json(json.dumps(mended))
            except ValidationError:
                raise error from None
        return checked

    def _mended(self, given: Any, misfits: set[int | str]) -> Any:
        if not isinstance(given, dict):
            return given
        parameters = inspect.signature(self.function).parameters
        mended = {}
        for name, value in given.items():
            if name in misfits and name in parameters:
                if value is None and parameters[name].default is not inspect.Parameter.empty:
                    continue
                if isinstance(value, str):
                    value = _structure_in(value)
            mended[name] = value
        return mended


class Toolbox:
    """The functions of one turn. `confirm` is asked before each call, where it is given."""

    def __init__(self, tools: Iterable[Tool], confirm: Callable[[str], bool] | None = None) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.name in self._tools:
                raise _unfit(tool.name, _("another one has the same name"))
            self._tools[tool.name] = tool
        self._confirm = confirm

    @property
    def declarations(self) -> tuple[dict[str, Any], ...]:
        """The tools as the API takes them."""
        return tuple(tool.declaration for tool in self._tools.values())

    async def call(self, index: int, call: Mapping[str, Any]) -> ev.ToolResult:
        """Make a call of the model's; whatever goes wrong becomes a result that says so.

        Only an interrupt ends it otherwise, as CancelledError.
        """
        function = call["function"]
        started = time.monotonic()
        failed = False
        try:
            tool, given = self._admit(function["name"], function["arguments"])
            started = time.monotonic()  # who was asked may have taken their time
            text = await _result(tool, given)
        except _Failed as failure:
            text, failed = str(as_text(str(failure), MOST_RESULT_TOKENS)), True
        # No half characters: no output and no file can hold them.
        text = redacted(text).encode(errors="replace").decode()
        return ev.ToolResult(index, text, time.monotonic() - started, failed)

    def _admit(self, name: str, arguments: str) -> tuple[Tool, inspect.BoundArguments]:
        """The function and its arguments, if it was named, they fit, and the user allows it."""
        tool = self._tools.get(name)
        if tool is None:
            raise _Failed(f"There is no function {name}. There is: {', '.join(self._tools)}.")
        given = tool.bound(arguments)
        if self._confirm:
            with interruptible():
                allowed = self._confirm(described(name, given.arguments))
            if not allowed:
                raise _Failed("The user did not allow this call.")
        return tool, given


async def _result(tool: Tool, given: inspect.BoundArguments) -> str:
    try:
        with interruptible():
            value = tool.function(*given.args, **given.kwargs)
            if inspect.isgenerator(value):
                value = list(value)
        if inspect.isawaitable(value):
            value = await value
        with interruptible():  # the text of a value may be long in the making
            return str(as_text(_as_json(value), MOST_RESULT_TOKENS))
    except (Exception, SystemExit) as error:  # a function's exit() is not to end the kernel
        said = "".join(traceback.format_exception_only(error))
        raise _Failed(said.strip()) from error


def _as_json(value: Any) -> Any:
    """The value as JSON where it has any; else the value.

    A part of it that has none is a text there.
    """
    from pydantic_core import to_json

    def part_of(part: Any) -> Any:
        if hasattr(part, "tolist") and getattr(part, "size", MAX_ELEMENTS + 1) <= MAX_ELEMENTS:
            plain = part.tolist()  # numbers and arrays of numpy's
            if plain is not part:
                return plain
        if part is value:
            raise ValueError("not JSON")
        return str(as_text(part, MOST_RESULT_TOKENS))

    if isinstance(value, str) or getattr(value, "shape", None):
        return value
    try:
        return to_json(value, fallback=part_of).decode()
    except ValueError:
        return value


def normalized(arguments: str) -> str:
    """The arguments of a call as one JSON object, where that is what the model meant by them.

    Services refuse a conversation in which they are anything else.
    """
    try:
        given = _decoded(arguments)
        if isinstance(given, dict) and not _is_object(arguments):
            return json.dumps(given, ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    return arguments


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _decoded(arguments: str) -> Any:
    """What a model wrote as the arguments of a call, however a server has wrapped it.

    Some encode the JSON twice, some send it twice in a row, some send null for no arguments.
    Raises ValueError where it is no JSON, or several that differ.
    """
    written = [each for each in _values_in(arguments) if each not in (None, "", {})]
    given = written[0] if written else {}
    if any(each != given for each in written[1:]):
        raise ValueError("several different objects")
    for _encoding in range(MOST_ENCODINGS):
        if not isinstance(given, str):
            break
        given = json.loads(given)
    return {} if given is None else given


def _values_in(text: str) -> Iterator[Any]:
    """The JSON values that stand in `text` one behind the other."""
    decoder = json.JSONDecoder()
    place = 0
    text = text.strip()
    while place < len(text):
        value, place = decoder.raw_decode(text, place)
        while text[place : place + 1].isspace():
            place += 1
        yield value


def _structure_in(text: str) -> Any:
    """The list or object whose JSON `text` is; else the text."""
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return held if isinstance(held, list | dict) else text


def tool_of(function: Any, name: str = "") -> Tool:
    """A function made into a tool: schema from its signature, description from its docstring.

    A `functools.partial` and an object that can be called are functions, too. Raises InputError
    for what cannot be called by names of arguments.
    """
    if isinstance(function, Tool):
        return function
    written = _written(function)
    if written is None:
        name = name or getattr(function, "__name__", repr(type(function).__name__))
        raise _unfit(name, _("it is not a function"))
    name = name or getattr(written, "__name__", "")
    if name == "__call__":
        name = type(function).__name__
    if not _NAME.fullmatch(name):
        raise _unfit(name, _("its name is not one of letters, digits and _ that the API takes"))
    try:
        adapter = _arguments(function)
    except _Unfit as error:
        raise _unfit(name, str(error)) from None
    # An object's calls may have no docstring of their own.
    of = written if written.__doc__ else getattr(written, "__self__", written)
    return Tool(name, function, inspect.getdoc(of) or name, adapter)


def ask_user(call: str) -> bool:
    """Ask who runs the cell whether a call may be made."""
    try:
        reply = input(_("The model wants to call {call}. Allow? [y/N]").format(call=call) + " ")
    except (NotImplementedError, EOFError):
        raise InputError(
            _("--confirm has nobody to ask: input is not possible here."),
            remedy=_("Leave out --confirm, or run the cell in a notebook or terminal."),
        ) from None
    return reply.strip().lower() in ("y", "yes")


def described(name: str, arguments: Mapping[str, Any]) -> str:
    """A call in one line, as Python writes it."""
    text = f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
    if len(text) <= LONGEST_LINE:
        return text
    cut = text[: LONGEST_LINE - 1]
    return _("{cut}… ({count:,} characters in all)").format(cut=cut, count=len(text))


def _written(function: Any) -> Callable[..., Any] | None:
    """The function with the annotations and the docstring: of a partial, of an object's calls."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(inspect.unwrap(function)):
        found: Callable[..., Any] = function
        return found
    if inspect.isclass(function) or not callable(function):
        return None
    written = function.__call__
    return written if inspect.ismethod(written) else None


class _Unfit(Exception):
    """Why a function cannot be a tool."""


def _arguments(function: Callable[..., Any]) -> TypeAdapter[Any]:
    """The arguments as a type: a TypedDict whose keys are the parameters."""
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter, with_config
    from pydantic.errors import PydanticSchemaGenerationError
    from typing_extensions import TypedDict, get_type_hints

    try:
        signature = inspect.signature(function)
        hints = get_type_hints(_written(function), include_extras=True)
    except (ValueError, TypeError, NameError) as error:
        raise _Unfit(_("its signature cannot be read ({error})").format(error=error)) from None
    fields: dict[str, Any] = {}
    decided = function.keywords if isinstance(function, functools.partial) else {}
    for key, parameter in signature.parameters.items():
        if key in decided:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise _Unfit(
                _("its {parameter} has no names that a model could fill in").format(
                    parameter=parameter
                )
            )
        hint = hints.get(key, Any)
        fields[key] = hint if parameter.default is parameter.empty else NotRequired[hint]
    made: Any = TypedDict("arguments", fields)  # type: ignore[misc]  # made at run time
    kind = with_config(ConfigDict(extra="forbid"))(made)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        describe(adapter)
    except (ImportError, PydanticUserError, PydanticSchemaGenerationError) as error:
        raise _Unfit(reason(error)) from None
    return adapter


def _unfit(name: str, reason: str) -> InputError:
    return InputError(
        _("{name} cannot be a tool: {reason}. Nothing was sent.").format(name=name, reason=reason),
        remedy=_(
            "Give a function made with `def`, with a docstring, whose parameters have names and "
            "are annotated with types that JSON can hold."
        ),
    )

"""Function calling: Python functions that a model may call, and nothing that was not named."""

from __future__ import annotations

import inspect
import json
import re
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired

from .api import events as ev
from .api.errors import InputError
from .bridge import interruptible
from .prompt.secrets import redacted
from .prompt.values import as_text
from .schema import describe, problems_of, reason

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MOST_RESULT_TOKENS = 8000  # of one call's result; a longer one is cut, saying so
LONGEST_LINE = 500  # characters of a call as it is put to the user

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
            given = json.loads(arguments or "{}")
            values = self.arguments.validate_json(json.dumps(given))
        except ValidationError as error:
            raise _Failed(f"The arguments do not fit: {'; '.join(problems_of(error))}") from None
        except (ValueError, RecursionError):
            raise _Failed("The arguments are not JSON.") from None
        call = inspect.signature(self.function).bind_partial()
        call.arguments.update(values)
        return call


class Toolbox:
    """The functions of one turn. `confirm` is asked before each call, where it is given."""

    def __init__(self, tools: Iterable[Tool], confirm: Callable[[str], bool] | None = None) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.name in self._tools:
                raise _unfit(tool.name, "another one has the same name")
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
    """The value as JSON where it has any; else the value."""
    from pydantic_core import to_json

    if isinstance(value, str):
        return value
    try:
        return to_json(value, fallback=_number).decode()
    except ValueError:  # of whatever is no JSON
        return value


def _number(part: Any) -> Any:
    """A number of numpy's as one of Python's; of whatever else it raises an error."""
    if part.shape or part.dtype.kind not in "biuf":
        raise ValueError
    return part.item()


def tool_of(function: Any, name: str = "") -> Tool:
    """A function made into a tool: schema from its signature, description from its docstring.

    Raises InputError for what cannot be called by names of arguments.
    """
    if isinstance(function, Tool):
        return function
    name = name or getattr(function, "__name__", "")
    if not inspect.isroutine(inspect.unwrap(function)):
        raise _unfit(name or repr(type(function).__name__), "it is not a function")
    if not _NAME.fullmatch(name):
        raise _unfit(name, "its name is not one of letters, digits and _ that the API takes")
    try:
        adapter = _arguments(function)
    except _Unfit as error:
        raise _unfit(name, str(error)) from None
    return Tool(name, function, inspect.getdoc(function) or name, adapter)


def ask_user(call: str) -> bool:
    """Ask who runs the cell whether a call may be made."""
    try:
        reply = input(f"The model wants to call {call}. Allow? [y/N] ")
    except (NotImplementedError, EOFError):
        raise InputError(
            "--confirm has nobody to ask: input is not possible here.",
            remedy="Leave out --confirm, or run the cell in a notebook or terminal.",
        ) from None
    return reply.strip().lower() in ("y", "yes")


def described(name: str, arguments: Mapping[str, Any]) -> str:
    """A call in one line, as Python writes it."""
    text = f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
    if len(text) <= LONGEST_LINE:
        return text
    return f"{text[: LONGEST_LINE - 1]}… ({len(text):,} characters in all)"


class _Unfit(Exception):
    """Why a function cannot be a tool."""


def _arguments(function: Callable[..., Any]) -> TypeAdapter[Any]:
    """The arguments as a type: a TypedDict whose keys are the parameters."""
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter, with_config
    from pydantic.errors import PydanticSchemaGenerationError
    from typing_extensions import TypedDict, get_type_hints

    try:
        signature = inspect.signature(function)
        hints = get_type_hints(function, include_extras=True)
    except (ValueError, TypeError, NameError) as error:
        raise _Unfit(f"its signature cannot be read ({error})") from None
    fields: dict[str, Any] = {}
    for key, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise _Unfit(f"its {parameter} has no names that a model could fill in")
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
        f"{name} cannot be a tool: {reason}. Nothing was sent.",
        remedy="Give a function made with `def`, with a docstring, whose parameters have names and "
        "are annotated with types that JSON can hold.",
    )

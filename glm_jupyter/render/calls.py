"""Function calls of an answer, folded in markdown and in a line each for terminals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from glm_jupyter.language import _
from glm_jupyter.text import clean, literal

from .fences import fenced
from .summary import seconds

if TYPE_CHECKING:
    from glm_jupyter.answer import Answer

LONGEST_RESULT = 2000  # characters of a result in the notebook; the whole is in the Answer
LONGEST_LINE = 120
LONGEST_VALUE = 60  # in a title
AT_ONCE = 0.05  # seconds


def markdown(answer: Answer) -> str:
    """Each call in a fold: the call and its time in the title, arguments and result inside."""
    folds = []
    for call in answer.tool_calls:
        inside = [fenced(_arguments(call), "json")]
        if "result" in call:
            inside.append(fenced(_short(clean(call["result"]), LONGEST_RESULT)))
        folds.append(
            "\n\n".join(
                [
                    f"<details>\n<summary>{literal(title(call))}</summary>",
                    *inside,
                    "</details>",
                ]
            )
        )
    return "\n\n".join(folds)


def plain(answer: Answer) -> str:
    """Each call in a line, with its result."""
    return "\n".join(map(line, answer.tool_calls))


def line(call: Mapping[str, Any]) -> str:
    """The call in a line, with its result."""
    result = "" if _is_told(call) else _result(call, LONGEST_LINE)
    return f"{title(call)}{': ' if result else ''}{result}"


def title(call: Mapping[str, Any]) -> str:
    """What was called, and its value, or how long it took where that is to be noticed."""
    what = f"{call['function']['name']}({', '.join(_given(call))})"
    what = _short(" ".join(clean(what).split()), LONGEST_LINE)
    if "result" not in call:
        return _("Call of {what}").format(what=what)
    if _is_told(call):
        return f"{what} = {_result(call, LONGEST_VALUE)}"
    if call["failed"]:
        return _("{what} failed after {time}").format(what=what, time=seconds(call["seconds"]))
    if call["seconds"] < AT_ONCE:
        return _("{what} returned nothing").format(what=what)
    return _("{what} took {time}").format(what=what, time=seconds(call["seconds"]))


def _is_told(call: Mapping[str, Any]) -> bool:
    """Whether the title has the value: a call that took no time has nothing else to tell."""
    at_once = "result" in call and not call["failed"] and call["seconds"] < AT_ONCE
    return at_once and bool(call["result"].strip())


def _result(call: Mapping[str, Any], longest: int) -> str:
    return _short(" ".join(clean(call.get("result", "")).split()), longest)


def _given(call: Mapping[str, Any]) -> list[str]:
    # Some servers write nothing where there are no arguments.
    written = call["function"]["arguments"] or ("{}" if "result" in call else "")
    try:
        given = json.loads(written)
    except (ValueError, RecursionError):
        return ["…"]  # still coming, or no JSON
    if not isinstance(given, dict):
        return ["…"]
    return [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in given.items()]


def _arguments(call: Mapping[str, Any]) -> str:
    text = call["function"]["arguments"]
    with suppress(ValueError, RecursionError):  # what is no JSON is shown as the model wrote it
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    return _short(clean(text), LONGEST_RESULT)


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"

"""The fields of a schema as columns of a DataFrame: their types before any answer, their values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from glm_jupyter.schema import Schema

TEXT = "string[pyarrow]"


def meta(schema: Schema | None, index: Any = None) -> Any:
    """What answers look like: an empty Series of texts, or an empty DataFrame of the fields."""
    return table([], schema, index)


def table(answers: Iterable[Any], schema: Schema | None, index: Any = None) -> Any:
    """The texts of answers as a Series, or their values as a DataFrame; missing where None."""
    import pandas as pd

    if schema is None:
        texts = [answer and answer.text for answer in answers]
        return pd.Series(texts, index=index, dtype=TEXT, name="text")
    rows = [_row(answer.parsed) if answer else {} for answer in answers]
    columns = {
        name: _column([row.get(name) for row in rows], kind)
        for name, kind in _types(schema).items()
    }
    return pd.DataFrame(columns, index=index if index is not None else range(len(rows)))


def _row(value: Any) -> dict[str, Any]:
    from pydantic_core import to_jsonable_python

    plain = to_jsonable_python(value)
    return plain if isinstance(plain, dict) else {"value": plain}


def _types(schema: Schema) -> dict[str, Any]:
    """The type of Arrow for each field; None is JSON as text, for what may be several things."""
    document = schema.json_schema
    found = _resolved(document, document)
    properties = found.get("properties", {})
    return {name: _arrow(part, document) for name, part in properties.items()}


def _arrow(part: Any, document: dict[str, Any], depth: int = 0) -> Any:
    import pyarrow as pa

    part = _resolved(part, document)
    kind = part.get("type")
    if "enum" in part and all(isinstance(value, str) for value in part["enum"]):
        kind = "string"
    if depth > 8:
        return None  # it may hold itself
    match kind, part.get("format"):
        case "string", "date":
            return pa.date32()
        case "string", "date-time":
            return pa.timestamp("us", "UTC")
        case "string", _:
            return pa.string()
        case "integer", _:
            return pa.int64()
        case "number", _:
            return pa.float64()
        case "boolean", _:
            return pa.bool_()
        case "array", _:
            of = _arrow(part.get("items", {}), document, depth + 1)
            return pa.list_(of) if of else None
        case "object", _ if part.get("properties"):
            fields = {
                name: _arrow(each, document, depth + 1) for name, each in part["properties"].items()
            }
            return pa.struct(fields) if all(fields.values()) else None
    return None


def _resolved(part: Any, document: dict[str, Any]) -> dict[str, Any]:
    """A part of a schema without references, and without null as the other thing it may be."""
    if not isinstance(part, dict):
        return {}
    reference = str(part.get("$ref", ""))
    if reference.startswith(("#/$defs/", "#/definitions/")):
        _, place, name = reference.split("/", 2)
        return _resolved(document.get(place, {}).get(name, {}), document)
    if isinstance(kinds := part.get("type"), list):
        kinds = [kind for kind in kinds if kind != "null"]
        return {**part, "type": kinds[0]} if len(kinds) == 1 else {}
    options = [each for each in part.get("anyOf", ()) if each != {"type": "null"}]
    return _resolved(options[0], document) if len(options) == 1 else part


def _column(values: list[Any], kind: Any) -> Any:
    """A column of JSON values as pandas has it best: its own types, Arrow's for the rest."""
    import json

    import pandas as pd
    import pyarrow as pa

    if kind is None:
        texts = [None if each is None else json.dumps(each, ensure_ascii=False) for each in values]
        return pd.array(texts, dtype=TEXT)
    typed = pa.chunked_array([[_typed(each, kind) for each in values]], kind)
    own = {pa.string(): TEXT, pa.int64(): "Int64", pa.float64(): "float64", pa.bool_(): "boolean"}
    dtype = own.get(kind)
    if dtype is None:
        return pd.array(typed, dtype=pd.ArrowDtype(kind))
    return pd.array(typed.to_pylist(), dtype=dtype)


def _typed(value: Any, kind: Any) -> Any:
    """A JSON value as Arrow has it; None for one that has no room in its type."""
    from datetime import UTC, date, datetime

    import pyarrow as pa

    try:
        if value is not None and pa.types.is_date(kind):
            return date.fromisoformat(value)
        if value is not None and pa.types.is_timestamp(kind):
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return pa.scalar(value, kind).as_py()
    except (ValueError, TypeError, OverflowError, pa.ArrowInvalid, pa.ArrowTypeError):
        return None

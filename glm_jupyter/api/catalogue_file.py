"""Reading catalogue files: TOML -> checked rows, with errors that name file, row and field."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, TypeAlias, TypeVar

from glm_jupyter.exact import exactly
from glm_jupyter.language import N_, _

from .endpoints import NAMES as ENDPOINTS
from .endpoints import SERVICES, base_url
from .errors import InputError

# What one model's row says of no other model: `like` leaves it out.
OWN = ("takes_batch",)

Row: TypeAlias = dict[str, Any]

# What a model can be for, and how that is said.
KINDS = {
    "chat": N_("text"),
    "image": N_("pictures"),
    "video": N_("videos"),
    "speech": N_("speech"),
    "transcription": N_("transcripts"),
    "voice": N_("spoken answers"),
    "realtime": N_("spoken answers"),
    "document": N_("documents as text"),
    "embedding": N_("vectors"),
    "rerank": N_("an order of texts"),
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tier:
    """Prices per million tokens, and for which lengths they hold (bounds in tokens, exclusive)."""

    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    prompt_below: int | None = None
    output_below: int | None = None

    @property
    def free(self) -> bool:
        """Whether nothing is charged."""
        return not (self.input or self.output or self.cached)

    @property
    def for_all(self) -> bool:
        """Whether it holds for requests of any length."""
        return self.prompt_below is None and self.output_below is None

    def holds(self, prompt: int, output: int) -> bool:
        """Whether these are the prices of a request of such lengths."""
        within_prompt = self.prompt_below is None or prompt < self.prompt_below
        return within_prompt and (self.output_below is None or output < self.output_below)

    @exactly
    def amount(self, prompt: int, output: int, cached: int) -> Decimal:
        """Tokens times prices; `cached` are part of `prompt`."""
        for_cached = self.input if self.cached is None else self.cached
        return (prompt - cached) * self.input + cached * for_cached + output * self.output


def read(text: str, file: str, known: Mapping[str, Row] | None = None) -> dict[str, Row]:
    """The rows of `known` and of a catalogue file, by "endpoint/name"; the file's fields win.

    Raises InputError, naming file, row and field, where something in it is wrong.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            _("{file} is not TOML: {error}.").format(file=file, error=error),
            remedy=_("Correct it there."),
        ) from None
    tables = content.pop("model", [])
    if content or not isinstance(tables, list):
        name = next(iter(content), "model")
        raise _wrong(file, "", name, _("is not known here; each row begins with [[model]]"))
    rows = dict(known or {})
    for number, table in enumerate(tables, 1):
        row = _checked(table, file, _("row {number}").format(number=number))
        where = f"{row['endpoint']}/{row['name']}"
        key = where.lower()  # models are found in any case
        like = row.pop("like", "").lower()
        if like and like not in rows:
            raise _wrong(
                file, where, "like", _("names {like!r}, which is no row above it").format(like=like)
            )
        service = SERVICES.get(row["endpoint"])
        money = {"currency": service.currency} if service else {}
        alike = {name: value for name, value in rows.get(like, {}).items() if name not in OWN}
        taken = {**rows.get(key, {}), **alike, **money}
        rows[key] = {**taken, "source": file, "date": "", **row}
        paid = any(not tier.free for tier in rows[key].get("prices", ())) or rows[key].get("each")
        if paid and "currency" not in rows[key]:
            raise _wrong(file, where, "currency", _("is missing: the prices have to be in one"))
    return rows


def _checked(table: Any, file: str, where: str) -> Row:
    if not isinstance(table, dict):
        raise _wrong(file, where, "model", _("is not a table"))
    for name in ("endpoint", "name"):
        if not isinstance(table.get(name), str) or not table[name]:
            raise _wrong(file, where, name, _("is missing"))
    where = f"{table['endpoint']}/{table['name']}"
    row = {}
    for name, value in table.items():
        if name not in FIELDS:
            close = difflib.get_close_matches(name, FIELDS, n=1)
            what = _("is not known")
            if close:
                what = _("is not known (did you mean {near}?)").format(near=close[0])
            raise _wrong(file, where, name, what)
        try:
            row[name] = FIELDS[name](value)
        except _Unfit as unfit:
            raise _wrong(file, where, name, str(unfit)) from None
    return row


def _wrong(file: str, where: str, field: str, what: str) -> InputError:
    row = f", {where}" if where else ""
    return InputError(
        _("{file}{row}: `{field}` {what}.").format(file=file, row=row, field=field, what=what),
        remedy=_("Correct it in {file}.").format(file=file),
    )


class _Unfit(Exception):
    """Why a value does not fit its field."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Unfit(_("is not a text in quotes"))
    return value


def _place(value: Any) -> str:
    place = _text(value)
    if "://" in place:
        try:
            return base_url(place)
        except InputError as error:
            raise _Unfit(_("cannot be used: {error}").format(error=error)) from None
    if place not in ENDPOINTS:
        raise _Unfit(_("is none of {names}, and no base URL").format(names=", ".join(ENDPOINTS)))
    return place


def _currency(value: Any) -> str:
    name = _text(value).upper()
    if not name.isalpha() or not name.isascii():
        raise _Unfit(_('is not the name of a currency, like "USD"'))
    return "RMB" if name == "CNY" else name  # one money, one name


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Unfit(_("is neither true nor false"))
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise _Unfit(_("is not a number"))
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _Unfit(_("is not a whole number above 0"))
    return value


def _size(value: Any) -> str:
    size = _text(value)
    sides = size.split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdigit() for side in sides):
        raise _Unfit(_('is no size in pixels, like "1024x1024"'))
    return size


def _ending(value: Any) -> str:
    ending = _text(value)
    if not ending.isalnum() or not ending.islower():
        raise _Unfit(_('is not the ending of a file\'s name, like "pdf"'))
    return ending


def _money(value: Any) -> Decimal:
    # Only from text: a TOML float has already lost the price as it was written.
    try:
        amount = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or amount < 0:
        raise _Unfit(_('is not an amount in quotes, like "0.5"'))
    return amount


def _range(value: Any) -> tuple[float, float]:
    ends = _list(_number)(value)
    if len(ends) != 2 or ends[0] > ends[1]:
        raise _Unfit(_("is not [lowest, highest]"))
    return ends[0], ends[1]


def _counts(value: Any) -> tuple[int, int]:
    if not isinstance(value, list) or not all(type(end) is int and end >= 0 for end in value):
        raise _Unfit(_("is not [fewest, most] in whole numbers"))
    low, high = _range(value)
    return int(low), int(high)


def _one_of(*words: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in words:
            raise _Unfit(_("is none of {words}").format(words=", ".join(words)))
        return str(value)

    return check


def _list(check: Callable[[Any], T]) -> Callable[[Any], tuple[T, ...]]:
    def check_all(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise _Unfit(_("is not a list"))
        return tuple(check(item) for item in value)

    return check_all


def _tier(value: Any) -> Tier:
    if not isinstance(value, dict) or not {"input", "output"} <= value.keys() <= TIER.keys():
        raise _Unfit(
            _("does not have input and output, and nothing but {names}").format(
                names=", ".join(TIER)
            )
        )
    checked = {}
    for name, amount in value.items():
        try:
            checked[name] = TIER[name](amount)
        except _Unfit as unfit:
            raise _Unfit(_("has an {name} that {unfit}").format(name=name, unfit=unfit)) from None
    return Tier(**checked)


def _tiers(value: Any) -> tuple[Tier, ...]:
    tiers = _list(_tier)(value)
    if tiers and not tiers[-1].for_all:
        raise _Unfit(_("has bounds in its last entry, which must hold for all other lengths"))
    return tiers


TIER: dict[str, Callable[[Any], Any]] = {
    "input": _money,
    "output": _money,
    "cached": _money,
    "prompt_below": _whole,
    "output_below": _whole,
}
FIELDS: dict[str, Callable[[Any], Any]] = {
    "endpoint": _place,
    "name": _text,
    "like": _text,
    "currency": _currency,
    "context": _whole,
    "max_output": _whole,
    "default_output": _whole,
    "temperature": _number,
    "temperature_range": _range,
    "top_p": _number,
    "top_p_range": _range,
    "max_stop": _whole,
    "kind": _one_of(*KINDS),
    "input": _list(_one_of("text", "image", "video", "audio", "file")),
    "file_types": _list(_ending),
    "max_images": _whole,
    "image_tokens": _whole,
    "features": _list(_one_of("stream", "tools", "json", "web", "image-url")),
    "thinking": _one_of("none", "inline", "switch", "forced", "effort"),
    "efforts": _list(_text),
    "prices": _tiers,
    "unit": _one_of("token", "image", "video", "character", "page", "second", "call"),
    "each": _money,
    "per": _whole,
    "sizes": _list(_size),
    "default_size": _size,
    "side_range": _counts,
    "side_multiple": _whole,
    "max_pixels": _whole,
    "qualities": _list(_text),
    "durations": _list(_whole),
    "fps": _list(_whole),
    "frames": _counts,
    "sound": _flag,
    "prompt_needed": _flag,
    "asynchronous": _flag,
    "voices": _list(_text),
    "speed_range": _range,
    "volume_range": _range,
    "max_characters": _whole,
    "max_seconds": _number,
    "max_bytes": _whole,
    "max_pages": _whole,
    "max_items": _whole,
    "max_item_tokens": _whole,
    "dimensions": _list(_whole),
    "takes_batch": _flag,
    "rights": _list(_whole),
    "retired": _flag,
    "unsure": _flag,
    "note": _text,
    "source": _text,
    "date": _text,
}

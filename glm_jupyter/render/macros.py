"""Macros in formulas: what those of LaTeX's packages mean in the TeX that all typesetters know."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import NamedTuple

from . import mhchem, siunitx

_BRACES = re.compile(r"\\[\s\S]|[{}]")
_PARAMETER = re.compile(r"#(\d)")
_OPTION = re.compile(r"\s*\[([^\]]*)\]")
_WORD = re.compile(r"[A-Za-z]+")
_DIMENSION = re.compile(r"\s*(?:\{[^{}]*\}|-?[\d.]+\s*(?:ex|em|pt|mu|cm|mm|in))")

# Accents of text, as combining characters.
_ACCENTS = {
    '"': "\u0308",
    "'": "\u0301",
    "`": "\u0300",
    "^": "\u0302",
    "~": "\u0303",
    "=": "\u0304",
    ".": "\u0307",
    "c": "\u0327",
    "v": "\u030c",
    "H": "\u030b",
    "u": "\u0306",
    "r": "\u030a",
    "k": "\u0328",
    "d": "\u0323",
    "b": "\u0331",
}

# A group longer than this is not looked for: an unclosed brace must not cost a whole search.
_LONGEST_GROUP = 600


# Where its arguments stand -> what a macro means, and where they end.
Expansion = Callable[[str, int], tuple[str, int] | None]


class Table(NamedTuple):
    """What `macros.toml` says."""

    known: frozenset[str]
    characters: dict[str, str]
    commands: dict[str, str]
    dropped: dict[str, int]


@cache
def table() -> Table:
    """The macros that are known, and the meanings of others."""
    data = tomllib.loads(resources.files(__package__).joinpath("macros.toml").read_text("utf-8"))
    known = frozenset(data["known"].split())
    return Table(known, data["characters"], data["commands"], data["dropped"])


def braced(text: str, position: int) -> tuple[str, int] | None:
    """The content of the group in braces at `position`, and where it ends."""
    while text[position : position + 1].isspace():
        position += 1
    if text[position : position + 1] != "{":
        return None
    depth = 0
    for found in _BRACES.finditer(text, position, position + _LONGEST_GROUP):
        if found[0] == "{":
            depth += 1
        elif found[0] == "}":
            depth -= 1
            if not depth:
                return text[position + 1 : found.start()], found.end()
    return None


def expanded(name: str, text: str, end: int) -> tuple[str, int] | None:
    """What the macro `name`, whose arguments stand in `text` at `end`, means; where they end.

    None for a macro that has no meaning here.
    """
    macros = table()
    if special := _SPECIAL.get(name):
        return special(text, end)
    if name in macros.characters:
        return f"\\text{{{macros.characters[name]}}}", end
    if name in macros.dropped:
        return " ", _after_arguments(name, macros.dropped[name], text, end)
    if (meaning := macros.commands.get(name)) is None:
        return None
    count = max((int(number) for number in _PARAMETER.findall(meaning)), default=0)
    arguments, end = _arguments(text, end, count)
    if len(arguments) < count:
        return None
    if not count and meaning[-1:].isalpha() and text[end : end + 1].isalpha():
        meaning += " "
    return _PARAMETER.sub(lambda number: arguments[int(number[1]) - 1], meaning), end


def accented(accent: str, text: str, end: int) -> tuple[str, int] | None:
    r"""The letter that `\"a` or `\c{c}` in text means, and where it ends."""
    mark = _ACCENTS.get(accent)
    if mark is None:
        return None
    group = braced(text, end)
    letter, after = group or (text[end : end + 1], end + 1)
    letter = letter.strip().replace("\\i", "i")
    if len(letter) != 1 or not letter.isalpha():
        return None
    return unicodedata.normalize("NFC", letter + mark), after


def _arguments(text: str, end: int, count: int) -> tuple[list[str], int]:
    """Up to `count` arguments: groups in braces, or what stands alone."""
    found: list[str] = []
    while len(found) < count:
        if group := braced(text, end):
            found.append(group[0])
            end = group[1]
            continue
        single = re.compile(r"\s*(\\[A-Za-z]+|\\.|[^\s{}\\&])").match(text, end)
        if not single:
            break
        found.append(single[1])
        end = single.end()
    return found, end


def _after_arguments(name: str, count: int, text: str, end: int) -> int:
    if name in ("raise", "lower", "vskip"):
        found = _DIMENSION.match(text, end)
        return found.end() if found else end
    for _ in range(count):
        group = braced(text, end)
        if not group:
            break
        end = group[1]
    return end


def _derivative(d: str) -> Expansion:
    def expand(text: str, end: int) -> tuple[str, int] | None:
        order, end = _option(text, end)
        groups: list[str] = []
        while len(groups) < 2 and (group := braced(text, end)):
            groups.append(group[0])
            end = group[1]
        if not groups:
            return d, end
        power = f"^{{{order}}}" if order else ""
        above, below = groups if len(groups) == 2 else ("", groups[0])
        return f"\\frac{{{d}{power} {above}}}{{{d} {below}{power}}}", end

    return expand


def _differential(text: str, end: int) -> tuple[str, int] | None:
    order, end = _option(text, end)
    group = braced(text, end)
    power = f"^{{{order}}}" if order else ""
    inside, end = (group[0], group[1]) if group else ("", end)
    return f"\\mathrm{{d}}{power}{{{inside}}}" if inside else f"\\mathrm{{d}}{power}", end


def _option(text: str, end: int) -> tuple[str, int]:
    found = _OPTION.match(text, end)
    return (found[1], found.end()) if found else ("", end)


def _circled(text: str, end: int) -> tuple[str, int] | None:
    group = braced(text, end)
    inside, end = group or (text[end : end + 1], end + 1)
    inside = inside.strip()
    if inside.isdecimal() and 1 <= int(inside) <= 20:
        return f"\\text{{{chr(0x2460 + int(inside) - 1)}}}", end
    if len(inside) == 1 and "A" <= inside.upper() <= "Z":
        base = 0x24B6 if inside.isupper() else 0x24D0
        return f"\\text{{{chr(base + ord(inside.upper()) - ord('A'))}}}", end
    return f"\\boxed{{{inside}}}", end


def _unicode(text: str, end: int) -> tuple[str, int] | None:
    group = braced(text, end)
    found = re.fullmatch(r"\s*(?:x|U\+)?([0-9A-Fa-f]{1,6})\s*", group[0]) if group else None
    if not (group and found):
        return None
    hexadecimal = group[0].strip()[:1] in "xU"
    character = chr(min(int(found[1], 16 if hexadecimal else 10), 0x10FFFF))
    if not character.isprintable() or character in "\\{}$&#^_%~<>\"'`|":
        return "", group[1]
    return f"\\text{{{character}}}", group[1]


def _dingbat(text: str, end: int) -> tuple[str, int] | None:
    group = braced(text, end)
    marks = {"51": "✓", "52": "✔", "55": "✗", "56": "✘"}
    return (f"\\text{{{marks.get(group[0].strip(), '•')}}}", group[1]) if group else None


def _hdots(text: str, end: int) -> tuple[str, int] | None:
    group = braced(text, end)
    if not (group and group[0].strip().isdecimal()):
        return None
    return " & ".join([r"\cdots"] * min(int(group[0]), 30)), group[1]


def _verbatim(text: str, end: int) -> tuple[str, int] | None:
    mark = text[end : end + 1]
    close = text.find(mark, end + 1) if mark else -1
    if close < 0:
        return None
    inside = re.sub(r"([_%#&$])", r"\\\1", text[end + 1 : close].replace("\\", ""))
    return f"\\texttt{{{inside}}}", close + 1


def _raisebox(text: str, end: int) -> tuple[str, int] | None:
    found = _DIMENSION.match(text, end)
    group = braced(text, found.end()) if found else None
    return (f"\\text{{{group[0]}}}", group[1]) if group else None


def _root(text: str, end: int) -> tuple[str, int] | None:
    found = re.compile(r"\s*(.{1,40}?)\s*\\of\b").match(text, end)
    if not found:
        return None
    arguments, end = _arguments(text, found.end(), 1)
    return (f"\\sqrt[{found[1]}]{{{arguments[0]}}}", end) if arguments else None


def _plain_rows(environment: str) -> Expansion:
    def expand(text: str, end: int) -> tuple[str, int] | None:
        group = braced(text, end)
        if not group:
            return None
        rows = re.sub(r"\\cr(?![A-Za-z])", r"\\\\", group[0])
        return f"\\begin{{{environment}}}{rows}\\end{{{environment}}}", group[1]

    return expand


def _quantity(text: str, end: int) -> tuple[str, int] | None:
    """`\\qty` of siunitx has two groups; that of physics stands before a bracket."""
    if found := siunitx.quantity(*_groups(text, end, 2)):
        return found
    group = braced(text, end)
    return (f"\\left({group[0]}\\right)", group[1]) if group else ("", end)


def _units(convert: Callable[[list[str], int], tuple[str, int] | None], count: int) -> Expansion:
    return lambda text, end: convert(*_groups(text, end, count))


def _groups(text: str, end: int, count: int) -> tuple[list[str], int]:
    _, end = _option(text, end)
    groups: list[str] = []
    while len(groups) < count and (group := braced(text, end)):
        groups.append(group[0])
        end = group[1]
    return groups, end


def _chemistry(text: str, end: int) -> tuple[str, int] | None:
    group = braced(text, end)
    return (mhchem.tex(group[0]), group[1]) if group else None


_SPECIAL: dict[str, Expansion] = {
    "dv": _derivative(r"\mathrm{d}"),
    "odv": _derivative(r"\mathrm{d}"),
    "pdv": _derivative(r"\partial"),
    "fdv": _derivative(r"\delta"),
    "dd": _differential,
    "circled": _circled,
    "textcircled": _circled,
    "unicode": _unicode,
    "ding": _dingbat,
    "hdotsfor": _hdots,
    "verb": _verbatim,
    "raisebox": _raisebox,
    "root": _root,
    "matrix": _plain_rows("matrix"),
    "pmatrix": _plain_rows("pmatrix"),
    "cases": _plain_rows("cases"),
    "eqalign": _plain_rows("aligned"),
    "displaylines": _plain_rows("gathered"),
    "SI": _units(siunitx.quantity, 2),
    "qty": _quantity,
    "si": _units(siunitx.unit, 1),
    "unit": _units(siunitx.unit, 1),
    "num": _units(siunitx.number, 1),
    "ang": _units(siunitx.angle, 1),
    "SIrange": _units(siunitx.range_, 3),
    "qtyrange": _units(siunitx.range_, 3),
    "ce": _chemistry,
    "pu": _units(siunitx.unit, 1),
}

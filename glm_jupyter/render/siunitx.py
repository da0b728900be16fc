r"""Quantities of LaTeX's package siunitx, `\SI{3e8}{m/s}`, in common TeX.

Names and symbols: the SI brochure, 9th edition, tables 2, 4, 7 and 8 (bipm.org).
"""

from __future__ import annotations

import re

_PREFIX_NAMES = """
    yocto=y zepto=z atto=a femto=f pico=p nano=n micro=µ milli=m centi=c deci=d deca=da
    hecto=h kilo=k mega=M giga=G tera=T peta=P exa=E zetta=Z yotta=Y
"""
_UNIT_NAMES = """
    metre=m meter=m gram=g kilogram=kg second=s ampere=A kelvin=K mole=mol candela=cd
    hertz=Hz newton=N pascal=Pa joule=J watt=W coulomb=C volt=V farad=F ohm=Ω siemens=S
    weber=Wb tesla=T henry=H lumen=lm lux=lx becquerel=Bq gray=Gy sievert=Sv katal=kat
    radian=rad steradian=sr minute=min hour=h day=d litre=L liter=L tonne=t hectare=ha
    electronvolt=eV dalton=Da astronomicalunit=au bel=B decibel=dB neper=Np bar=bar
    degreeCelsius=°C celsius=°C degree=° arcminute=′ arcsecond=″ percent=% angstrom=Å
    um=µm us=µs
"""
_PREFIXES = dict(pair.split("=") for pair in _PREFIX_NAMES.split())
_UNITS = dict(pair.split("=") for pair in _UNIT_NAMES.split())  # others are their own symbols
_POWERS = {"squared": "2", "cubed": "3", "square": "2", "cubic": "3"}
_TOKEN = re.compile(r"\\([A-Za-z]+)(?:\{([^{}]*)\})?|\^\{?(-?\d+)\}?|([^\\^]+)")
_NUMBER = re.compile(
    r"\s*([+-]?[\d.,\s]*\d[\d.,]*|)\s*(?:[eEdD]\s*([+-]?\d+))?"
    r"\s*(?:(?:\\pm|\+-|±)\s*([\d.,]+))?\s*(?:\((\d+)\))?\s*"
)


def number(groups: list[str], end: int) -> tuple[str, int] | None:
    r"""`\num{1.2e3}`."""
    return (_number(groups[0]), end) if groups else None


def unit(groups: list[str], end: int) -> tuple[str, int] | None:
    r"""`\unit{\kilo\gram}` and `\si{m/s}`."""
    return (_unit(groups[0]), end) if groups else None


def quantity(groups: list[str], end: int) -> tuple[str, int] | None:
    r"""`\qty{5}{\kilo\gram}` and `\SI{3e8}{m/s}`."""
    return (f"{_number(groups[0])}\\,{_unit(groups[1])}", end) if len(groups) == 2 else None


def range_(groups: list[str], end: int) -> tuple[str, int] | None:
    r"""`\qtyrange{1}{2}{\metre}`."""
    if len(groups) != 3:
        return None
    first, last = map(_number, groups[:2])
    return f"{first}\\text{{–}}{last}\\,{_unit(groups[2])}", end


def angle(groups: list[str], end: int) -> tuple[str, int] | None:
    r"""`\ang{30}` and `\ang{1;2;3}`."""
    if not groups:
        return None
    parts = groups[0].split(";")
    signs = (r"^{\circ}", r"^{\prime}", r"^{\prime\prime}")
    return "".join(p + sign for p, sign in zip(parts, signs, strict=False) if p.strip()), end


def _number(text: str) -> str:
    found = _NUMBER.fullmatch(text)
    if not found:
        return f"{{{text}}}"
    digits, exponent, deviation, last = found.groups()
    shown = digits.replace(" ", r"\,").replace(",", "{,}")
    shown += f"({last})" if last else ""
    shown += f"\\pm {deviation}" if deviation else ""
    if exponent is None:
        return shown
    power = f"10^{{{exponent.lstrip('+')}}}"
    return f"{shown}\\times {power}" if digits else power


def _unit(text: str) -> str:
    factors: list[list[str]] = []  # symbol and exponent
    prefix, power, sign = "", "1", ""
    for name, argument, exponent, plain in _TOKEN.findall(text):
        if plain and not plain.isspace():
            factors.append([_plain(plain), "1"])
        elif exponent and factors:
            factors[-1][1] = exponent
        elif name == "per":
            sign = "-"
        elif name in ("square", "cubic"):
            power = _POWERS[name]
        elif name in _POWERS or name in ("tothe", "raiseto"):
            if factors:
                before = factors[-1][1]
                factors[-1][1] = ("-" if before[0] == "-" else "") + _POWERS.get(name, argument)
        elif name in _PREFIXES:
            prefix = _PREFIXES[name]
        elif name:
            factors.append([_upright(prefix + _UNITS.get(name, name)), sign + power])
            prefix, power, sign = "", "1", ""
    return r"\,".join(
        symbol if exponent == "1" else f"{symbol}^{{{exponent}}}" for symbol, exponent in factors
    )


def _plain(text: str) -> str:
    """Units written as they are: letters upright, `.` and `~` as products."""
    text = text.strip().replace(".", r"\cdot ").replace("~", r"\,")
    return re.sub(r"(?<![\\A-Za-z])[^\W\d_]+", lambda found: _upright(found[0]), text)


def _upright(symbol: str) -> str:
    escaped = symbol.replace("%", r"\%")
    return f"\\mathrm{{{escaped}}}" if symbol.isascii() else f"\\text{{{escaped}}}"

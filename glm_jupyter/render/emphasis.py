"""Emphasis: which stars and underscores of a paragraph mean it, and how all parsers read that.

CommonMark's rules fail beside Chinese, Japanese and Korean punctuation, which stands without
spaces. These are its rules with the change that the CommonMark forum proposes: a character of
those scripts is never punctuation, and beside one the punctuation of others parts words, too.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from functools import cache

_CLOSING_PUNCTUATION = frozenset(".,;:!?)")


@dataclass(slots=True)
class _Pair:
    strong: bool
    nested: bool = False
    plain: bool = True  # written with the characters themselves, not with tags


@dataclass(slots=True)
class _Run:
    character: str
    length: int
    place: int
    opens: bool
    closes: bool
    left: int
    begins: list[_Pair] = field(default_factory=list)  # from the inside out
    ends: list[_Pair] = field(default_factory=list)  # from the inside out


class Emphasis:
    """The runs of stars and underscores in one paragraph, in the order of the text."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._open: list[_Run] = []

    def add(self, run: str, place: int, before: str, after: str) -> None:
        """Take a run that stands between two characters, at a place of the output."""
        opens, closes = _flanking(run[0], before, after)
        found = _Run(run[0], len(run), place, opens, closes, len(run))
        self._runs.append(found)
        self._open.append(found)

    def mark(self) -> int:
        """The state to go back to with `close`: here, something begins that emphasis is inside."""
        return len(self._open)

    def close(self, mark: int = 0) -> None:
        """Pair the runs since `mark`; those without a partner are text."""
        runs = self._open[mark:]
        del self._open[mark:]
        openers: list[_Run] = []
        barren: dict[tuple[str, bool, int], int] = {}
        for run in runs:
            while run.closes and run.left and _pair(openers, run, barren):
                pass
            if run.opens and run.left:
                openers.append(run)

    def write(self, out: list[str]) -> None:
        """Put into `out`, at the place of each run, what stands for it."""
        self.close()
        self._see_nesting()
        for run in self._runs:
            run_is_whole = not run.left and len(run.begins) + len(run.ends) == 1
            if run_is_whole and _fits(run, _last(out, run.place), _first(out, run.place)):
                continue
            for pair in (*run.begins, *run.ends):
                pair.plain = False
        for run in self._runs:
            before, after = _last(out, run.place), _first(out, run.place)
            ends = "".join(_written(run, pair, closing=True) for pair in run.ends)
            begins = "".join(_written(run, pair) for pair in reversed(run.begins))
            out[run.place] = ends + _literal(run, before, after) + begins

    def _see_nesting(self) -> None:
        stack: list[tuple[str, _Pair]] = []
        for run in self._runs:
            for _ in run.ends:
                stack.pop()
            for pair in reversed(run.begins):
                pair.plain = not any(character == run.character for character, _ in stack)
                stack.append((run.character, pair))


def _pair(openers: list[_Run], closer: _Run, barren: dict[tuple[str, bool, int], int]) -> bool:
    """Pair the closing run with the nearest one that can open; whether there was one.

    `barren` tells for each kind of closer how many of the openers are known not to fit, so that
    none is looked at again and again.
    """
    kind = (closer.character, closer.opens, closer.length % 3)
    for at in range(len(openers) - 1, barren.get(kind, 0) - 1, -1):
        opener = openers[at]
        if opener.character != closer.character:
            continue
        either = opener.closes or closer.opens
        lengths = opener.length, closer.length
        if either and sum(lengths) % 3 == 0 and any(length % 3 for length in lengths):
            continue
        strong = opener.left >= 2 and closer.left >= 2
        pair = _Pair(strong)
        opener.left -= 1 + strong
        closer.left -= 1 + strong
        opener.begins.append(pair)
        closer.ends.append(pair)
        del openers[at + bool(opener.left) :]
        for each, count in barren.items():
            barren[each] = min(count, len(openers))
        return True
    barren[kind] = len(openers)
    return False


def _written(run: _Run, pair: _Pair, *, closing: bool = False) -> str:
    if pair.plain:
        return run.character * (1 + pair.strong)
    return f"<{'/' if closing else ''}{'strong' if pair.strong else 'em'}>"


def _literal(run: _Run, before: str, after: str) -> str:
    """The characters of a run that have no partner, as text."""
    alone = not (run.begins or run.ends)
    if alone and (
        (not before.strip() and not after.strip())
        or (run.character == "_" and before.isalnum() and after.isalnum())
    ):
        return run.character * run.left
    return f"&#{ord(run.character)};" * run.left


def _fits(run: _Run, before: str, after: str) -> bool:
    """Whether every parser sees that the run opens or closes, as it is meant to."""
    free = {"", " ", "\n"}
    if run.begins:
        inner, outer, beyond = after, before, free
    else:
        inner, outer, beyond = before, after, free | _CLOSING_PUNCTUATION
    if run.character == "_" and outer not in beyond:
        return False
    return inner.isalnum() or (not inner.isspace() and inner != "" and outer in beyond)


def _flanking(character: str, before: str, after: str) -> tuple[bool, bool]:
    left = not _is_space(after) and (
        not _is_punctuation(after) or _is_space(before) or _parts(before)
    )
    right = not _is_space(before) and (
        not _is_punctuation(before) or _is_space(after) or _parts(after)
    )
    if character == "*":
        return left, right
    return left and (not right or _is_symbol(before)), right and (not left or _is_symbol(after))


def _is_space(character: str) -> bool:
    return not character or character.isspace()


def _is_punctuation(character: str) -> bool:
    return _is_symbol(character) and not _is_cjk(character)


def _parts(character: str) -> bool:
    return _is_punctuation(character) or _is_cjk(character)


def _is_symbol(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS" if character else False


@cache
def _is_cjk(character: str) -> bool:
    if unicodedata.east_asian_width(character) in "WFH":
        return unicodedata.category(character) != "So"
    return "\u1100" <= character <= "\u11ff"


def _last(out: list[str], place: int) -> str:
    """The character before a place of the output."""
    return next((out[at][-1] for at in range(place - 1, -1, -1) if out[at]), "")


def _first(out: list[str], place: int) -> str:
    """The character behind a place of the output."""
    return next((out[at][0] for at in range(place + 1, len(out)) if out[at]), "")

"""Replaying: recorded answers in the place of a service, streaming as they did."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from glm_jupyter import bridge
from glm_jupyter.api import events as ev
from glm_jupyter.api.endpoints import Endpoint
from glm_jupyter.api.errors import InputError, clean
from glm_jupyter.api.request import Request
from glm_jupyter.language import _

from .media import RecordedMedia
from .recorder import Asked, Recorded, read

SHOWN = 60  # characters quoted where two texts differ


class Replayer:
    """Answers from recordings: no key, no network, no cost.

    `place` is a file, a folder (all its .jsonl files, by name), or `package:path` for what an
    installed package ships. `speed` 2 is twice as fast, `inf` at once. The same request asked
    again gets its next recorded answer, and the last one from then on. `complaints` says what
    was left out. Raises InputError where there is nothing to replay.
    """

    def __init__(self, place: str, speed: float = 1.0) -> None:
        if not speed > 0:
            raise InputError(
                _("--speed {speed:g} is no speed.").format(speed=speed),
                remedy=_("2 is twice as fast, inf at once."),
            )
        self.place = place
        self.speed = speed
        self.complaints: list[str] = []
        self._recorded: list[Recorded] = []
        self._folders: dict[int, Traversable] = {}
        for file, folder in _files(place):
            found = list(read(_content(file), file.name, self.complaints))
            self._recorded += found
            self._folders |= {id(one): folder for one in found}
        if not self._recorded:
            raise InputError(
                _("There is no recorded answer in {place}.").format(place=place),
                remedy=_("`%glm record FILE` makes a recording of the cells that follow."),
            )
        self._waiting: dict[str, list[Recorded]] = {}
        for recorded in reversed(self._recorded):
            self._waiting.setdefault(recorded.asked.hash(), []).append(recorded)

    def __len__(self) -> int:
        return len(self._recorded)

    @property
    def targets(self) -> list[tuple[str, str]]:
        """Endpoint and model of the recorded answers, each once, in their order."""
        found = ((r.asked.endpoint, r.asked.model) for r in self._recorded)
        return list(dict.fromkeys(found))

    async def models(self, endpoint: Endpoint) -> list[str]:
        """The models that answered there when it was recorded."""
        return [model for place, model in self.targets if place == endpoint.name]

    async def stream(self, endpoint: Endpoint, request: Request) -> AsyncGenerator[ev.Event, None]:
        """The recorded events, at their times. Raises InputError where none are recorded."""
        recorded = self._next(Asked.of(endpoint, request))
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for milliseconds, event in recorded.events:
            due = begun + milliseconds / 1000 / self.speed
            await asyncio.sleep(max(0.0, due - loop.time()))
            if isinstance(event, RecordedMedia):
                yield await bridge.in_thread(event.event, self._folders[id(recorded)])
            else:
                yield event

    def _next(self, asked: Asked) -> Recorded:
        waiting = self._waiting.get(asked.hash())
        if waiting is None:
            raise self._not_recorded(asked)
        return waiting.pop() if len(waiting) > 1 else waiting[0]

    @cached_property
    def _letters(self) -> list[Counter[str]]:
        """Of each recorded answer, the letters of its question."""
        return [Counter(_last_text(recorded.asked)) for recorded in self._recorded]

    def _not_recorded(self, asked: Asked) -> InputError:
        letters = Counter(_last_text(asked))
        of_each = zip(self._recorded, self._letters, strict=True)
        alike = [_likeness(asked, r.asked) + _overlap(letters, own) for r, own in of_each]
        nearest = self._recorded[alike.index(max(alike))].asked
        differs = "; ".join(_differences(asked, nearest))
        return InputError(
            _(
                "No answer to this request is recorded in {place}, and nothing was sent. The "
                "nearest recorded request differs in {differs}."
            ).format(place=self.place, differs=differs),
            remedy=_(
                "Ask as it was recorded, or ask the service with --fresh; `%glm replay off` "
                "ends the replaying."
            ),
        )


def _files(place: str) -> list[tuple[Traversable, Traversable]]:
    """The recordings there, each with the folder it is in."""
    path = Path(place).expanduser()
    if path.is_dir():
        return [(file, path) for file in sorted(path.glob("*.jsonl"))]
    package, colon, inside = place.partition(":")
    # One letter before the colon is a drive.
    named = len(package) > 1 and package.replace(".", "_").isidentifier()
    if path.exists() or not colon or not named:
        return [(path, path.parent)]
    try:
        root = resources.files(package)
    except (ImportError, TypeError):
        raise InputError(
            _("There is no package {package} here.").format(package=package),
            remedy=_("Install it into the kernel's environment, or name a file or a folder."),
        ) from None
    parts = inside.split("/") if inside else []
    found = root.joinpath(*parts)
    if found.is_dir():
        inner = [file for file in found.iterdir() if file.name.endswith(".jsonl")]
        return [(file, found) for file in sorted(inner, key=lambda file: file.name)]
    return [(found, root.joinpath(*parts[:-1]))]


def _content(file: Traversable) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            _("Cannot read {file}: {error}.").format(
                file=file.name, error=error.strerror or type(error).__name__
            ),
            remedy=_("Paths are relative to {folder}.").format(folder=Path.cwd()),
        ) from None


def _likeness(asked: Asked, recorded: Asked) -> float:
    """How much of two requests is equal, their questions aside: from 0 to 1."""
    names = asked.body.keys() | recorded.body.keys()
    same: int = sum(asked.body.get(name) == recorded.body.get(name) for name in names)
    return (same + (asked.endpoint == recorded.endpoint)) / (len(names) + 1)


def _overlap(letters: Counter[str], others: Counter[str]) -> float:
    """How many letters two questions share: from 0 to 1. Quick, for there may be thousands."""
    return 2 * (letters & others).total() / max(1, letters.total() + others.total())


def _last_text(asked: Asked) -> str:
    body = asked.body
    messages = body.get("messages") or [{"content": body.get("prompt") or body.get("input")}]
    return str(messages[-1].get("content"))


def _differences(asked: Asked, recorded: Asked) -> list[str]:
    """What differs, each in words that name both sides."""
    found = []
    if asked.endpoint != recorded.endpoint:
        found.append(_both(_("the endpoint"), asked.endpoint, recorded.endpoint))
    for name in sorted((asked.body.keys() | recorded.body.keys()) - {"messages"}):
        mine, theirs = asked.body.get(name), recorded.body.get(name)
        if mine != theirs:
            found.append(_both(name.replace("_", " "), mine, theirs))
    mine, theirs = asked.body.get("messages") or [], recorded.body.get("messages") or []
    if len(mine) != len(theirs):
        found.append(_both(_("the number of messages"), len(mine), len(theirs)))
    for number, (one, other) in enumerate(zip(mine, theirs, strict=False), 1):
        if one != other:
            who = _("message {number} ({role})").format(number=number, role=one.get("role"))
            found.append(_both(who, one.get("content"), other.get("content")))
    return found


def _both(what: str, mine: Any, theirs: Any) -> str:
    ours, recorded = str(mine), str(theirs)
    if max(len(ours), len(recorded)) > SHOWN:
        pairs = enumerate(zip(ours, recorded, strict=False))
        place = next((i for i, (a, b) in pairs if a != b), min(len(ours), len(recorded)))
        start = max(0, place - SHOWN // 3)
        ours, recorded = _around(ours, start), _around(recorded, start)
    return _("{what} ({mine}, recorded: {theirs})").format(
        what=what, mine=_shown(mine, ours), theirs=_shown(theirs, recorded)
    )


def _around(text: str, start: int) -> str:
    end = start + SHOWN
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def _shown(value: Any, text: str) -> str:
    if value is None:
        return _("not given")
    return f"“{clean(text)}”" if isinstance(value, str) else clean(text)

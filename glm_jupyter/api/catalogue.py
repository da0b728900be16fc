"""The catalogue: what is known of models. Prices, limits, and what each can take."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import resources
from pathlib import Path

from glm_jupyter.exact import exactly
from glm_jupyter.language import N_, _, sentences

from . import tokens
from .catalogue_file import KINDS, Tier, read
from .errors import InputError
from .events import Usage
from .request import ChatRequest, Request

MILLION = Decimal(1_000_000)
FILE_NAME = "catalogue.toml"
NEAR = 0.8  # all names begin alike: one that shares no more than that is no slip of the finger


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model at one endpoint. None or empty is not known.

    `kind` is what it makes, one of KINDS. Sizes are in tokens; `image_tokens` are the most that
    one image takes. `prices` are per million tokens in `currency`. What is not billed by tokens
    costs `each` for `per` of its `unit`. `rights` are the requests in flight that the service
    allows at its levels V0 to V3. `source` and `date` say where the facts are from; `unsure` that
    sources differ or are old.

    Of what is made: `sizes` are presets, as "1024x1024"; another has sides within `side_range`,
    multiples of `side_multiple`, and at most `max_pixels`. `file_types` are endings of names, as
    "pdf", of the files and the sound it takes. `frames` are the fewest and the most
    pictures that a video begins from; `durations` and `max_seconds` are in seconds. The first of
    `qualities`, `voices` and `dimensions` is what the service takes by itself.
    """

    endpoint: str
    name: str
    kind: str = "chat"
    currency: str | None = None
    context: int | None = None
    max_output: int | None = None
    default_output: int | None = None
    temperature: float | None = None
    temperature_range: tuple[float, float] | None = None
    top_p: float | None = None
    top_p_range: tuple[float, float] | None = None
    max_stop: int | None = None
    input: tuple[str, ...] = ("text",)
    file_types: tuple[str, ...] = ()
    max_images: int | None = None
    image_tokens: int | None = None
    features: tuple[str, ...] = ()
    thinking: str = "none"
    efforts: tuple[str, ...] = ()
    prices: tuple[Tier, ...] = ()
    unit: str = "token"
    each: Decimal | None = None
    per: int = 1
    sizes: tuple[str, ...] = ()
    default_size: str | None = None
    side_range: tuple[int, int] | None = None
    side_multiple: int | None = None
    max_pixels: int | None = None
    qualities: tuple[str, ...] = ()
    durations: tuple[int, ...] = ()
    fps: tuple[int, ...] = ()
    frames: tuple[int, int] | None = None
    sound: bool = False
    prompt_needed: bool = False
    asynchronous: bool = False
    voices: tuple[str, ...] = ()
    speed_range: tuple[float, float] | None = None
    volume_range: tuple[float, float] | None = None
    max_characters: int | None = None
    max_seconds: float | None = None
    max_bytes: int | None = None
    max_pages: int | None = None
    max_items: int | None = None
    max_item_tokens: int | None = None
    dimensions: tuple[int, ...] = ()
    takes_batch: bool | None = None
    rights: tuple[int, ...] = ()
    retired: bool = False
    unsure: bool = False
    note: str = ""
    source: str = ""
    date: str = ""

    @property
    def full_name(self) -> str:
        """Endpoint and name, as `--model` takes them."""
        return f"{self.endpoint}/{self.name}"

    @property
    def reasons(self) -> bool:
        """Whether it can show reasoning."""
        return self.thinking != "none"

    @property
    def priced(self) -> bool:
        """Whether it is known what it costs."""
        return bool(self.prices) or self.each is not None

    @property
    def free(self) -> bool:
        """Whether it is known to cost nothing."""
        if self.unit != "token":
            return self.each == 0
        return bool(self.prices) and all(tier.free for tier in self.prices)

    def in_flight(self, level: int) -> int | None:
        """How many requests may run at once at level V0 to V3; None where not known."""
        return self.rights[min(level, len(self.rights) - 1)] if self.rights else None

    def cost(self, usage: Usage) -> Decimal | None:
        """What the service bills for `usage`, in `currency`; None where that is not known."""
        if self.free:
            return Decimal(0)
        if not usage.prompt_tokens and not usage.completion_tokens:
            return None  # no usage was reported, which is not the same as none
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        return self._price(usage.prompt_tokens, usage.completion_tokens, cached)

    @exactly
    def unit_cost(self, quantity: int) -> Decimal | None:
        """What so many of its units cost, in `currency`; None where that is not known."""
        return None if self.each is None else quantity * self.each / self.per

    def worst_cost(self, prompt_tokens: int, max_output: int) -> Decimal | None:
        """The most a request can cost, in `currency`: nothing cached, the dearest length."""
        bounds = (tier.output_below for tier in self.prices)
        lengths = {max_output, *(min(bound - 1, max_output) for bound in bounds if bound)}
        prices = [self._price(prompt_tokens, length, 0) for length in lengths]
        return max((price for price in prices if price is not None), default=None)

    def most_prompt(self, request: Request, prompt_tokens: int) -> int:
        """The most tokens that a prompt estimated at so many has.

        Its images count where `image_tokens` is known.
        """
        return tokens.at_most(prompt_tokens) + len(request.images) * (self.image_tokens or 0)

    def check(self, request: ChatRequest, prompt_tokens: int) -> ChatRequest:
        """The request as this model takes it; `prompt_tokens` is an estimate by `tokens`.

        A wish that is already so (no thinking, of a model that never thinks) is left out.
        Raises InputError, with a remedy, for what the model cannot take.
        """
        self._check_sampling(request)
        self._check_abilities(request)
        self._check_length(request, prompt_tokens)
        return self._with_thinking(request)

    @exactly
    def _price(self, prompt: int, output: int, cached: int) -> Decimal | None:
        for tier in self.prices:
            if tier.holds(prompt, output):
                return tier.amount(prompt, output, cached) / MILLION
        return None

    def _check_sampling(self, request: ChatRequest) -> None:
        for option, value, span, default in (
            ("temperature", request.temperature, self.temperature_range, self.temperature),
            ("top-p", request.top_p, self.top_p_range, self.top_p),
        ):
            if value is not None and span and not span[0] <= value <= span[1]:
                remedy = _("Give a --{option} from {low:g} to {high:g}.")
                if default is not None:
                    remedy = _(
                        "Give a --{option} from {low:g} to {high:g}; its default is {default:g}."
                    )
                raise InputError(
                    _("{model} does not take --{option} {value:g}. Nothing was sent.").format(
                        model=self.name, option=option, value=value
                    ),
                    remedy=remedy.format(option=option, low=span[0], high=span[1], default=default),
                )
        if self.max_stop is not None and len(request.stop) > self.max_stop:
            raise InputError(
                _("{model} takes at most {most} stop words, not {given}. Nothing was sent.").format(
                    model=self.name, most=self.max_stop, given=len(request.stop)
                ),
                remedy=_("Give fewer --stop."),
            )

    def _check_abilities(self, request: ChatRequest) -> None:
        kinds = {tool.get("type") for tool in request.tools}
        for asked, feature, says in (
            (
                "function" in kinds,
                "tools",
                N_("{model} cannot call functions (--tools). Nothing was sent."),
            ),
            (
                "web_search" in kinds,
                "web",
                N_("{model} cannot search the web (--web). Nothing was sent."),
            ),
            (
                request.response_format is not None,
                "json",
                N_("{model} cannot be held to JSON (--schema). Nothing was sent."),
            ),
        ):
            if asked and self.features and feature not in self.features:
                raise self._cannot(says, [m for m in _loaded() if feature in m.features])
        if request.images and "image" not in self.input:
            raise self._cannot(
                N_("{model} cannot see images. Nothing was sent."),
                [m for m in _loaded() if "image" in m.input],
            )
        embedded = any(url.startswith("data:") for url in request.images)
        if "image-url" in self.features and embedded:
            raise InputError(
                _("{model} takes images by URL only. Nothing was sent.").format(model=self.name),
                remedy=_(
                    "Give --image a URL that begins with https://, or choose another model "
                    "that sees (`%glm models`)."
                ),
            )
        if self.max_images is not None and len(request.images) > self.max_images:
            raise InputError(
                _("{model} takes at most {most} images, not {given}. Nothing was sent.").format(
                    model=self.name, most=self.max_images, given=len(request.images)
                ),
                remedy=_("Give fewer --image."),
            )
        if request.thinking is False and self.thinking in ("inline", "forced", "effort"):
            raise self._cannot(
                N_("{model} cannot answer without thinking. Nothing was sent."),
                [m for m in _loaded() if m.thinking == "switch"],
            )
        if request.thinking and not self.reasons:
            raise self._cannot(
                N_("{model} cannot think. Nothing was sent."),
                [m for m in _loaded() if m.thinking == "switch"],
            )
        if request.reasoning_effort is not None and request.reasoning_effort not in self.efforts:
            known = ", ".join(self.efforts) or _("none")
            raise InputError(
                _("{model} has no reasoning effort {effort!r}. Nothing was sent.").format(
                    model=self.name, effort=request.reasoning_effort
                ),
                remedy=_("Its efforts: {known}.").format(known=known),
            )

    def _check_length(self, request: ChatRequest, prompt_tokens: int) -> None:
        most = request.max_tokens
        if most is not None and self.max_output is not None and most > self.max_output:
            raise InputError(
                _(
                    "{model} writes at most {longest:,} tokens, not {most:,}. Nothing was sent."
                ).format(model=self.name, longest=self.max_output, most=most),
                remedy=_("Give a --max-tokens of {longest} or less, or leave it out.").format(
                    longest=self.max_output
                ),
            )
        surely = tokens.at_least(prompt_tokens)
        if self.context is None or surely + (most or 1) <= self.context:
            return
        room = self.context - prompt_tokens
        says = _(
            "The prompt (about {prompt:,} tokens) does not fit into the context of {model}, "
            "{context:,} tokens. Nothing was sent."
        )
        if most:
            says = _(
                "The prompt (about {prompt:,} tokens) with an answer of up to {most:,} does not "
                "fit into the context of {model}, {context:,} tokens. Nothing was sent."
            )
        remedy = _(
            "Shorten the cell or what `{{ }}` puts into it, start without `--continue` or "
            "add `--trim`, or choose a model with a longer context (`%glm models`)."
        )
        if most and room > 0:
            fewer = _("Give a --max-tokens of {room} or less.").format(room=room)
            remedy = sentences(fewer, remedy)
        raise InputError(
            says.format(prompt=prompt_tokens, most=most, model=self.name, context=self.context),
            remedy=remedy,
        )

    def _with_thinking(self, request: ChatRequest) -> ChatRequest:
        switch = request.thinking if self.thinking == "switch" else None
        return request if switch is request.thinking else replace(request, thinking=switch)

    def _cannot(self, says: str, others: list[Model]) -> InputError:
        alike = [m for m in others if m.kind == "chat" and not m.retired]
        names = [m.name for m in alike if m.endpoint == self.endpoint]
        hint = _("See `%glm models`.")
        if names:
            hint = _("Models that can: {models}.").format(models=", ".join(names[:4]))
        return InputError(_(says).format(model=self.name), remedy=hint)


def find(name: str, endpoint: str | None = None) -> Model | None:
    """The model of that name at `endpoint`, or anywhere; None where it is not known.

    Case does not matter, and the name may carry its endpoint ("local/smollm2-135m").
    """
    wanted = name.lower()
    for model in _loaded():
        if endpoint is not None and model.endpoint != endpoint:
            continue
        if wanted in (model.name.lower(), model.full_name.lower()):
            return model
    return None


def models(pattern: str | None = None, endpoint: str | None = None) -> list[Model]:
    """The known models, in the catalogue's order.

    `pattern` is a kind, a part of "endpoint/name", or a pattern with `*` and `?` for the whole
    name.
    """
    wanted = (pattern or "").lower()
    if wanted in KINDS:
        return [m for m in _loaded() if m.kind == wanted and endpoint in (None, m.endpoint)]
    wild = "*" in wanted or "?" in wanted
    return [
        model
        for model in _loaded()
        if endpoint in (None, model.endpoint)
        and (
            any(fnmatchcase(n.lower(), wanted) for n in (model.name, model.full_name))
            if wild
            else wanted in model.full_name.lower()
        )
    ]


def elsewhere(name: str, endpoint: str) -> list[Model]:
    """The models of that name, other than chat, where only others than `endpoint` have it."""
    if find(name, endpoint):
        return []
    return [m for m in _loaded() if m.name.lower() == name.lower() and m.kind != "chat"]


def no_such_kind(name: str, endpoint: str) -> InputError:
    """That `endpoint` does not have a model that is `elsewhere`, and what to do."""
    found = elsewhere(name, endpoint)[0]
    alike = [m.name for m in models(found.kind, endpoint) if not m.retired]
    if alike:
        says = _("{model} is not at {endpoint}. Nothing was sent.")
    else:
        says = _(
            "{model} is not at {endpoint}, nor is any other model of the kind {kind}. "
            "Nothing was sent."
        )
    if found.kind in ("embedding", "rerank"):  # nothing for a cell to ask
        how = _('{place} has it: `%config GLM.endpoint = "{place}"` chooses it')
    else:
        how = _("{place} has it: use `-e {place} -m {model}`")
    how = how.format(place=found.endpoint, model=found.name)
    login = f"`%glm login -e {found.endpoint}`"
    remedy = _("{how}, with a key of that service ({login}).")
    if alike:
        remedy = _(
            "{how}, with a key of that service ({login}), or choose one that {endpoint} has: "
            "{models}."
        )
    return InputError(
        says.format(model=found.name, endpoint=endpoint, kind=found.kind),
        remedy=remedy.format(how=how, login=login, endpoint=endpoint, models=", ".join(alike[:4])),
    )


def suggest(name: str) -> list[str]:
    """Up to three known names that look like `name`, likeliest first."""
    names = list(dict.fromkeys(model.name for model in _loaded()))
    name = name.lower()
    close = difflib.get_close_matches(name, names, n=3, cutoff=NEAR)
    longer = [each for each in names if len(name) > len("glm-") and each.startswith(name)]
    return list(dict.fromkeys([*close, *longer]))[:3]


def override_path() -> Path:
    """The user's own catalogue, whether it exists or not."""
    from platformdirs import user_config_path

    return user_config_path("glm-jupyter", appauthor=False) / FILE_NAME


def _loaded() -> tuple[Model, ...]:
    path = override_path()
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return _load(None, 0)
    return _load(path, changed)


@lru_cache(maxsize=2)
def _load(override: Path | None, changed: int) -> tuple[Model, ...]:
    """The catalogue; `changed` makes an edit of the override file count at once."""
    own = (resources.files(__package__) / FILE_NAME).read_text("utf-8")
    rows = read(own, f"the package's {FILE_NAME}")
    if override is not None:
        try:
            text = override.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                _("{path} cannot be read ({error}).").format(
                    path=override, error=type(error).__name__
                ),
                remedy=_("Correct its rights and its encoding (UTF-8), or remove it."),
            ) from None
        rows = read(text, str(override), rows)
    return tuple(Model(**row) for row in rows.values())

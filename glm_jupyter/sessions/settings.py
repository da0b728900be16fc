"""What can be chosen for an answer, and the configuration it is read from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from traitlets import Bool, Float, HasTraits, Int, List, Unicode
from traitlets.config import Configurable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class Choices(HasTraits):
    """The choices that a magic's options, the panel and the configuration share.

    None means: not chosen here, ask the next one.
    """

    model = Unicode(
        None,
        allow_none=True,
        help="Model that answers, for example 'glm-4.7' or 'local/smollm2-135m'.",
    ).tag(config=True)
    endpoint = Unicode(
        None,
        allow_none=True,
        help="'bigmodel', 'zai', 'local', or the base URL of an OpenAI-compatible server.",
    ).tag(config=True)
    system = Unicode(None, allow_none=True, help="System prompt; '@file.md' reads a file.").tag(
        config=True
    )
    temperature = Float(None, allow_none=True, help="Sampling temperature.").tag(config=True)
    top_p = Float(None, allow_none=True, help="Nucleus sampling.").tag(config=True)
    max_tokens = Int(
        None, allow_none=True, help="Most tokens an answer may have, reasoning included."
    ).tag(config=True)
    stop = List(Unicode(), None, allow_none=True, help="Texts at which the model stops.").tag(
        config=True
    )
    max_cost = Unicode(
        None,
        allow_none=True,
        help="Most an answer may cost: '0.5' in the endpoint's currency, or '0.5 RMB'.",
    ).tag(config=True)
    think = Bool(
        None, allow_none=True, help="Reasoning on or off, where the model has the switch."
    ).tag(config=True)
    effort = Unicode(
        None, allow_none=True, help="How much to reason, in a word of the models that have it."
    ).tag(config=True)


class GLM(Configurable, Choices):
    """Defaults for every cell: `%config GLM`, or `c.GLM.model = ...` in ipython_config.py."""

    level = Int(
        0,
        min=0,
        max=3,
        help="The account's level at the service, V0 to V3: how many requests `glm.map` has in "
        "flight.",
    ).tag(config=True)
    fit_budget = Bool(
        False,
        help="Where a budget has no room for the longest answer, ask for a shorter one in place of "
        "refusing the question.",
    ).tag(config=True)


NAMES: tuple[str, ...] = tuple(Choices.class_trait_names(config=True))


def first_chosen(name: str, *layers: Any) -> Any:
    """The value of choice `name` in the first of `layers` that has one."""
    for layer in layers:
        value = getattr(layer, name)
        if value is not None:
            return value
    return None


def configured(shell: InteractiveShell | None) -> GLM:
    """The configuration of `shell`, listed in its `%config`; the defaults where there is none."""
    if shell is None:
        return GLM()
    for known in shell.configurables:
        if isinstance(known, GLM):
            return known
    made = GLM(parent=shell)
    shell.configurables.append(made)  # type: ignore[arg-type]  # takes any Configurable
    return made

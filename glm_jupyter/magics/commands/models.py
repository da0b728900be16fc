"""The commands about who answers: models, use, local."""

from __future__ import annotations

from argparse import Namespace

from glm_jupyter import bridge
from glm_jupyter import engine as embedded
from glm_jupyter.api import catalogue
from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.models import listing
from glm_jupyter.sessions import session as sessions

from .say import say


def models(args: Namespace) -> dict[str, str]:
    """The catalogue as a table."""
    found = catalogue.models(args.pattern)
    if not found:
        near = catalogue.suggest(args.pattern)
        raise InputError(
            f"No model of the catalogue matches {args.pattern}.",
            remedy=(f"Did you mean {near[0]}? " if near else "")
            + "A model that is not in the catalogue can be used all the same, by its full name.",
        )
    return listing(found)


def use(args: Namespace) -> None:
    """Let a model answer from now on."""
    session = sessions.current()
    before = session.model, session.endpoint
    session.model, session.endpoint = args.model, None
    try:
        target = session.target()
    except GLMError:
        session.model, session.endpoint = before
        raise
    model = target.known
    if model is None and target.endpoint.name != "local":
        near = catalogue.suggest(target.model)
        hint = f" Did you mean {near[0]}?" if near else ""
        say(f"{target.model} is not in the catalogue: its price is unknown.{hint}")
    say(f"{target.endpoint.name}/{target.model} answers from now on.")


def engine(args: Namespace) -> None:
    """Start, stop or look at the embedded engine, or give it other weights."""
    one = embedded.engine()
    if args.action != "use" and args.file:
        raise InputError(
            f"`%glm local {args.action}` takes no file.",
            remedy=f"`%glm local use {args.file}` makes the engine answer from it.",
        )
    if args.action == "start":
        bridge.run(one.start())
    elif args.action == "stop":
        one.stop()
    elif args.action == "use":
        if not args.file:
            raise InputError("Which weights?", remedy="`%glm local use FILE.gguf` names them.")
        name = one.use(args.file)
        one.stop()  # it would go on answering from the weights it has
        sessions.current().model = f"local/{name}"
        say(f"local/{name} answers from now on; its first answer waits until it is loaded.")
        return
    say(engine_status())


def engine_status() -> str:
    """The embedded engine in words."""
    if not embedded.installed():
        return "The embedded engine is not installed: pip install 'glm-jupyter[local]'."
    status = embedded.engine().status()
    note = f" ({status.note})" if status.note else ""
    if status.running:
        return (
            f"local/{status.model}{note} runs: {status.context:,} tokens of context, "
            f"{status.threads} threads, process {status.pid}."
        )
    weights = f"its weights are {status.file}" if status.file else "its weights are fetched once"
    return f"The embedded engine is ready to start local/{status.model}{note}; {weights}."

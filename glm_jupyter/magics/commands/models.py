"""The commands about who answers: models, use, local."""

from __future__ import annotations

from argparse import Namespace

from glm_jupyter import bridge
from glm_jupyter import engine as embedded
from glm_jupyter.api import catalogue
from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.language import _, sentences
from glm_jupyter.models import listing
from glm_jupyter.sessions import session as sessions

from .say import say


def models(args: Namespace) -> dict[str, str]:
    """The catalogue as a table."""
    found = catalogue.models(args.pattern)
    if not found:
        near = catalogue.suggest(args.pattern)
        raise InputError(
            _("No model of the catalogue matches {pattern}.").format(pattern=args.pattern),
            remedy=sentences(
                _("Did you mean {near}?").format(near=near[0]) if near else "",
                _(
                    "A model that is not in the catalogue can be used all the same, "
                    "by its full name."
                ),
            ),
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
        unknown = _("{model} is not in the catalogue: its price is unknown.")
        hint = _("Did you mean {near}?").format(near=near[0]) if near else ""
        say(sentences(unknown.format(model=target.model), hint))
    say(
        _("{endpoint}/{model} answers from now on.").format(
            endpoint=target.endpoint.name, model=target.model
        )
    )


def engine(args: Namespace) -> None:
    """Start, stop or look at the embedded engine, or give it other weights."""
    one = embedded.engine()
    if args.action != "use" and args.file:
        raise InputError(
            _("`%glm local {action}` takes no file.").format(action=args.action),
            remedy=_("`%glm local use {file}` makes the engine answer from it.").format(
                file=args.file
            ),
        )
    if args.action == "start":
        bridge.run(one.start())
    elif args.action == "stop":
        one.stop()
    elif args.action == "use":
        if not args.file:
            raise InputError(
                _("Which weights?"), remedy=_("`%glm local use FILE.gguf` names them.")
            )
        name = one.use(args.file)
        one.stop()  # it would go on answering from the weights it has
        sessions.current().model = f"local/{name}"
        say(
            _(
                "local/{name} answers from now on; its first answer waits until it is loaded."
            ).format(name=name)
        )
        return
    say(engine_status())


def engine_status() -> str:
    """The embedded engine in words."""
    if not embedded.installed():
        return _("The embedded engine is not installed: pip install 'glm-jupyter[local]'.")
    status = embedded.engine().status()
    model = f"local/{status.model}{f' ({status.note})' if status.note else ''}"
    if status.running:
        return _(
            "{model} runs: {context:,} tokens of context, {threads} threads, process {pid}."
        ).format(model=model, context=status.context, threads=status.threads, pid=status.pid)
    if not status.file:
        return _(
            "The embedded engine is ready to start {model}; its weights are fetched once."
        ).format(model=model)
    return _("The embedded engine is ready to start {model}; its weights are {file}.").format(
        model=model, file=status.file
    )

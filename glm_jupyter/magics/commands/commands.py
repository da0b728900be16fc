"""The commands of `%glm`: each takes its parsed arguments and gives what to display, or prints."""

from __future__ import annotations

import platform
from argparse import Namespace
from collections.abc import Callable
from getpass import getpass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from glm_jupyter import bridge
from glm_jupyter import engine as embedded
from glm_jupyter.api import catalogue, endpoints
from glm_jupyter.api.errors import AuthenticationError, GLMError, InputError
from glm_jupyter.money import usage as spending
from glm_jupyter.money.amounts import currencies, parse_amount, parse_currency
from glm_jupyter.money.budget import Period
from glm_jupyter.money.words import amount
from glm_jupyter.render.table import table
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.turn import SHORTEST_ANSWER

from . import conversation as conversing
from .models import listing

USUAL_QUESTION = 200  # words


def panel(args: Namespace) -> dict[str, Any] | None:
    """The widget panel."""
    from IPython.core.getipython import get_ipython

    if not hasattr(get_ipython(), "kernel"):
        say(
            "The panel needs a notebook. Here `%glm use MODEL` chooses who answers, `%glm usage` "
            "tells what was spent, and `%glm --help` lists all."
        )
        return None
    from glm_jupyter.panel import panel_of

    shown = panel_of(sessions.current()).widget
    # The text is what an export shows; that of the widgets themselves is for programmers.
    said = "The panel of glm-jupyter is shown where the notebook has a running kernel."
    return {**shown._repr_mimebundle_(), "text/plain": said}


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
    model = catalogue.find(target.model, target.endpoint.name)
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
    say(_engine_status())


def _engine_status() -> str:
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


def usage(args: Namespace) -> None:
    """What was spent, as a table and a chart, or as a CSV file."""
    from IPython.display import publish_display_data

    ledger = sessions.current().budgets.ledger
    since = spending.moment(args.since)
    if args.csv:
        path = Path(args.csv).expanduser()
        count = spending.write_csv(ledger, path, since)
        say(f"{count} request{'' if count == 1 else 's'} written to {path}.")
        return
    for bundle in spending.report(ledger, args.by, since):
        publish_display_data(bundle)  # type: ignore[no-untyped-call]
    if complaint := ledger.next_warning():
        say(complaint)


def budget(args: Namespace) -> dict[str, str]:
    """Set a budget or take it off, and show what is left of all that are in force."""
    session = sessions.current()
    text = " ".join(args.amount)
    period: Period = args.period or "session"
    if text.lower().startswith("off"):
        named = text[len("off") :].strip()
        for currency in [parse_currency(named)] if named else currencies():
            session.budgets.set(period, currency, None)
    elif text:
        value, currency = parse_amount(text, _currency(session))
        session.budgets.set(period, currency, value)
    elif args.period:
        raise InputError(
            f"How much for a {args.period}?", remedy=f"`%glm budget 5 --{args.period}` sets 5."
        )
    limits = [limit for of in currencies() for limit in session.budgets.limits(of, session.spent)]
    return spending.limits_table(limits, _too_long(session) if limits else "")


def _too_long(session: sessions.Session) -> str:
    """What the budgets do to a question of usual length, if they have no room for its answer."""
    try:
        one = session.turn("word " * USUAL_QUESTION, to_send=False, aside=True).opening
        fits = session.budgets.fitting(one, session.spent)
    except GLMError:
        return ""
    if fits is None or one.model is None:
        return ""
    may = (
        f"An answer of {one.model.name} may have {one.most_output or 0:,} tokens and cost up to "
        f"{amount(one.worst_cost(), one.model.currency)}"
    )
    if fits < SHORTEST_ANSWER:
        return f"{may}: it is refused, and so is a shorter one. A cheaper model may fit."
    if session.settings.fit_budget:
        return f"{may}: it is kept to about {fits:,} tokens, as GLM.fit_budget says."
    return (
        f"{may}: a question without a limit is refused before it is sent. "
        f"`--max-tokens {fits}` fits; with `%config GLM.fit_budget = True` answers are kept short "
        "enough by themselves."
    )


def _currency(session: sessions.Session) -> str | None:
    """The currency in use; a key is not needed to set a budget."""
    try:
        return session.target(to_send=False).endpoint.currency or endpoints.resolve().currency
    except GLMError:
        return endpoints.resolve().currency


def record(args: Namespace) -> None:
    """Record the answers that follow, or end that, or say whether it is so."""
    from glm_jupyter.recordings.recorder import Recorder

    session = sessions.current()
    if args.file and args.file != "off":
        session.recorder = Recorder(Path(args.file))
        said = f"Answers are recorded into {session.recorder.path}"
        if before := session.recorder.before:
            said += f", behind the {before} that it holds"
        say(f"{said}; `%glm record off` ends it.")
        if session.replayer:
            say(
                f"Cells are answered from {session.replayer.place}, and only what is asked with "
                "--fresh is recorded; `%glm replay off` ends that."
            )
        return
    recorder = session.recorder
    if args.file:
        session.recorder = None
    if recorder is None:
        say("Nothing is being recorded; `%glm record FILE` begins it.")
        return
    count = f"{recorder.count} answer{'' if recorder.count == 1 else 's'}"
    if args.file:
        say(f"Recording has ended: {count} went into {recorder.path}.")
    else:
        say(f"Answers are being recorded into {recorder.path}: {count} so far.")


def replay(args: Namespace) -> None:
    """Answer from a recording from now on, or end that, or say whether it is so."""
    from glm_jupyter.recordings.replayer import Replayer

    session = sessions.current()
    place = args.place
    if place is None and args.speed is not None and session.replayer:
        place = session.replayer.place  # the same from its beginning, at another pace
    if place == "off":
        session.replayer = None
        say("Nothing is replayed: cells ask the model again.")
    elif place:
        session.replayer = Replayer(place, 1.0 if args.speed is None else args.speed)
        for complaint in session.replayer.complaints:
            say(complaint)
        count = len(session.replayer)
        say(
            f"{count} recorded answer{'' if count == 1 else 's'} in {place}: cells are "
            "answered from there, without key or cost. `%glm replay off` ends it."
        )
    elif session.replayer:
        say(f"Cells are answered from {session.replayer.place}; `%glm replay off` ends it.")
    else:
        say("Nothing is replayed; `%glm replay FILE` answers from a recording.")


def login(args: Namespace) -> None:
    """Ask for a key and keep it in the keyring."""
    from IPython.core.error import StdinNotImplementedError

    endpoint = endpoints.resolve(args.endpoint)
    try:
        key = getpass(f"Key for {endpoint.name} (it is not shown): ").strip()
    except (StdinNotImplementedError, EOFError):
        raise InputError(
            "The key cannot be asked for: nobody can type an answer here.",
            remedy=f"Set the environment variable {endpoints.KEY_VARIABLES[0]} before Jupyter "
            "starts, or run `%glm login` in a notebook or terminal.",
        ) from None
    endpoints.store_key(endpoint, key)
    say(
        f"The key for {endpoint.name} is in the system's keyring; "
        f"`%glm logout{endpoints.option(endpoint)}` removes it."
    )


def logout(args: Namespace) -> None:
    """Forget the key in the keyring."""
    endpoint = endpoints.resolve(args.endpoint)
    endpoints.forget_key(endpoint)
    say(f"The keyring holds no key for {endpoint.name} any more.")


def doctor(args: Namespace) -> dict[str, str]:
    """What is set up and what is missing, without any secret and without the network."""
    session = sessions.current()
    rows = [
        ("glm-jupyter", version("glm-jupyter")),
        ("Python", f"{platform.python_version()} on {platform.system()}"),
        *((name, _version(name)) for name in ("ipython", "ipykernel", "ipywidgets", "jupyterlab")),
        ("who answers now", _who_answers(session)),
        *((f"key for {name}", _key_state(name)) for name in ("bigmodel", "zai")),
        ("base URL", _base_url()),
        ("embedded engine", _engine_status()),
        ("own catalogue", _catalogue_state(catalogue.override_path())),
        ("JupyterLab extension", _extension_state()),
    ]
    return table(("what", "state"), rows)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed in the kernel's environment"


def _who_answers(session: sessions.Session) -> str:
    try:
        target = session.target()
    except GLMError as error:
        return f"nobody: {error} {error.remedy}"
    return f"{target.endpoint.name}/{target.model}"


def _base_url() -> str:
    try:
        return str(endpoints.resolve())
    except GLMError as error:
        return f"cannot be used: {error} {error.remedy}"


def _key_state(name: str) -> str:
    source = endpoints.key_source(endpoints.SERVICES[name])
    try:
        endpoint = endpoints.resolve(name)
    except AuthenticationError as error:
        return f"cannot be used: {error} {error.remedy}"
    except InputError:  # of the base URL, which has a row of its own
        return f"found ({source})" if source else "none"
    if source:
        return f"found ({source})"
    return f"none: set ZAI_API_KEY, or run %glm login{endpoints.option(endpoint)}"


def _catalogue_state(path: Path) -> str:
    if not path.exists():
        return f"none ({path} would be)"
    try:
        catalogue.models()
    except GLMError as error:
        return f"cannot be used: {error} {error.remedy}"
    return f"{path} is used"


def _extension_state() -> str:
    from IPython.core.getipython import get_ipython

    from glm_jupyter.render.channel import channel_for

    shell = get_ipython()
    channel = channel_for(shell) if shell else None
    if channel is None:
        return "not used: in a terminal answers are written as they come"
    if channel.listening:
        return "connected: answers stream through it"
    return "no page with it has connected: answers are shown by full updates"


def say(text: str) -> None:
    """Tell the user something in a line."""
    print(text)  # noqa: T201


COMMANDS: dict[str, Callable[[Namespace], Any]] = {
    "panel": panel,
    "models": models,
    "use": use,
    "local": engine,
    "usage": usage,
    "budget": budget,
    "history": conversing.history,
    "reset": conversing.reset,
    "export": conversing.export,
    "save": conversing.save,
    "record": record,
    "replay": replay,
    "login": login,
    "logout": logout,
    "doctor": doctor,
}

"""The commands about conversations and templates: history, reset, export, save."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from glm_jupyter.api.errors import InputError
from glm_jupyter.magics import templates
from glm_jupyter.render.table import table
from glm_jupyter.render.transcript import transcript
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.conversation import Conversation

from .say import say


def history(args: Namespace) -> dict[str, str] | None:
    """The conversation, for reading; of one that has not begun, so much is said."""
    try:
        return transcript(_messages(args.name))
    except InputError as nothing:
        if args.name:  # which may be misspelt
            raise
        say(f"{nothing} {nothing.remedy}")
        return None


def reset(args: Namespace) -> None:
    """Forget a conversation. That there is none is no failure: a notebook may begin with this."""
    try:
        conversation = _conversation(args.name)
    except InputError as nothing:
        say(f"{nothing} {nothing.remedy}")
        return
    count = sum(message["role"] == "user" for message in conversation.messages)
    conversation.clear()
    print(f"Forgotten: {count} question{'' if count == 1 else 's'} and the answers.")  # noqa: T201


def export(args: Namespace) -> None:
    """Write a conversation into a file, in the form that its name says."""
    messages = _messages(args.name)
    path = Path(args.file).expanduser()
    if path.suffix == ".json":
        text = json.dumps(messages, ensure_ascii=False, indent=1)
    elif path.suffix == ".md":
        text = transcript(messages)["text/markdown"]
    else:
        raise InputError(
            f"A conversation is exported as .md or .json, not as {path.suffix or 'it stands'}.",
            remedy="Name a file such as talk.md, to read, or talk.json, for programs.",
        )
    try:
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror}.",
            remedy=f"Paths are relative to {Path.cwd()}.",
        ) from None
    print(f"{len(messages)} messages written to {path}.")  # noqa: T201


def save(args: Namespace) -> dict[str, str] | None:
    """Keep the last cell as a template, or list the templates."""
    if args.name is None:
        return _listed()
    if args.written is None:
        raise InputError(
            "There is no cell to keep yet.", remedy="Run a %%glm cell, then `%glm save NAME`."
        )
    path = templates.save(args.name, args.written)
    print(f"`%%glm @{args.name}` uses it from now on; it is kept in {path}.")  # noqa: T201
    return None


def _listed() -> dict[str, str]:
    names = templates.names()
    if not names:
        return {
            "text/plain": "No templates yet. `%glm save NAME` keeps the last %%glm cell as one."
        }
    rows = []
    for name in names:
        try:
            line, text = templates.load(name)
        except InputError as error:
            line, text = "", str(error)
        rows.append((f"@{name}", line, " ".join(text.split())[:80]))
    return table(("name", "options", "text"), rows, f"Kept in {templates.folder()}")


def _conversation(name: str) -> Conversation:
    threads = sessions.current().threads
    if name in threads and threads[name].messages:
        return threads[name]
    others = [each for each, thread in threads.items() if each and thread.messages]
    what = f"There is no conversation named {name}" if name else "There is no conversation yet"
    hint = f"Named ones: {', '.join(others)}." if others else "A %%glm cell begins one."
    raise InputError(f"{what}.", remedy=hint)


def _messages(name: str) -> list[dict[str, Any]]:
    conversation = _conversation(name)
    system = conversation.system
    opening = [{"role": "system", "content": system}] if system else []
    return [*opening, *conversation.messages]

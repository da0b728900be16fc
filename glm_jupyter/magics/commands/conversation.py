"""The commands about conversations and templates: history, reset, export, save."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from glm_jupyter.api.errors import InputError
from glm_jupyter.language import _, ngettext, sentences
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
        say(sentences(str(nothing), nothing.remedy))
        return None


def reset(args: Namespace) -> None:
    """Forget a conversation. That there is none is no failure: a notebook may begin with this."""
    try:
        conversation = _conversation(args.name)
    except InputError as nothing:
        say(sentences(str(nothing), nothing.remedy))
        return
    count = sum(message["role"] == "user" for message in conversation.messages)
    conversation.clear()
    text = ngettext(
        "Forgotten: {count} question and its answer.",
        "Forgotten: {count} questions and their answers.",
        count,
    )
    say(text.format(count=count))


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
            _("A conversation is exported as .md or .json, not as {suffix}.").format(
                suffix=path.suffix or _("it stands")
            ),
            remedy=_("Name a file such as talk.md, to read, or talk.json, for programs."),
        )
    try:
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            _("Cannot write {path}: {reason}.").format(path=path, reason=error.strerror),
            remedy=_("Paths are relative to {folder}.").format(folder=Path.cwd()),
        ) from None
    say(_("{count} messages written to {path}.").format(count=len(messages), path=path))


def save(args: Namespace) -> dict[str, str] | None:
    """Keep the last cell as a template, or list the templates."""
    if args.name is None:
        return _listed()
    if args.written is None:
        raise InputError(
            _("There is no cell to keep yet."), remedy=_("Run a %%glm cell, then `%glm save NAME`.")
        )
    path = templates.save(args.name, args.written)
    say(
        _("`%%glm @{name}` uses it from now on; it is kept in {path}.").format(
            name=args.name, path=path
        )
    )
    return None


def _listed() -> dict[str, str]:
    names = templates.names()
    if not names:
        return {
            "text/plain": _("No templates yet. `%glm save NAME` keeps the last %%glm cell as one.")
        }
    rows = []
    for name in names:
        try:
            line, text = templates.load(name)
        except InputError as error:
            line, text = "", str(error)
        rows.append((f"@{name}", line, " ".join(text.split())[:80]))
    caption = _("Kept in {folder}").format(folder=templates.folder())
    return table((_("name"), _("options"), _("text")), rows, caption)


def _conversation(name: str) -> Conversation:
    threads = sessions.current().threads
    if name in threads and threads[name].messages:
        return threads[name]
    others = [each for each, thread in threads.items() if each and thread.messages]
    what = _("There is no conversation yet.")
    if name:
        what = _("There is no conversation named {name}.").format(name=name)
    hint = _("A %%glm cell begins one.")
    if others:
        hint = _("Named ones: {names}.").format(names=", ".join(others))
    raise InputError(what, remedy=hint)


def _messages(name: str) -> list[dict[str, Any]]:
    conversation = _conversation(name)
    system = conversation.system
    opening = [{"role": "system", "content": system}] if system else []
    return [*opening, *conversation.messages]

"""The commands about what the account keeps at the service: files, knowledge."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from glm_jupyter import bridge
from glm_jupyter.api import files, knowledge
from glm_jupyter.api.endpoints import Endpoint
from glm_jupyter.api.errors import InputError, clean
from glm_jupyter.api.http import Http
from glm_jupyter.language import _
from glm_jupyter.render.table import table
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.options import AskOptions
from glm_jupyter.sessions.target import Target

from .say import say


def kept_files(args: Namespace) -> dict[str, str] | None:
    """List the files at the service, or delete one."""
    endpoint = _target(args.endpoint).endpoint
    if args.action == "delete":
        if not args.id:
            raise InputError(_("Which file?"), remedy=_("`%glm files` lists them with their ids."))
        bridge.run(files.delete(Http(), endpoint, args.id))
        say(_("Deleted at {endpoint}: {file}.").format(endpoint=endpoint.name, file=args.id))
        return None
    found = bridge.run(files.listed(Http(), endpoint))
    if not found:
        say(_("{endpoint} keeps no file of this account.").format(endpoint=endpoint.name))
        return None
    rows = [
        (
            file.id,
            clean(file.name, 80),
            file.purpose,
            f"{file.size / 1000:,.0f} KB",
            f"{file.made.astimezone():%Y-%m-%d %H:%M}" if file.made else "",
        )
        for file in found
    ]
    return table((_("file"), _("name"), _("purpose"), _("size"), _("made")), rows)


def knowledge_bases(args: Namespace) -> dict[str, str] | None:
    """List the knowledge bases, make one, add to one or delete one."""
    endpoint = _target(args.endpoint).endpoint
    knowledge.check(endpoint)
    if args.action is None:
        return _listed(endpoint)
    if not args.name:
        raise InputError(
            _("Which knowledge base? `%glm knowledge {action}` wants a name.").format(
                action=args.action
            ),
            remedy=_("`%glm knowledge` lists those there are."),
        )
    if args.action == "delete":
        base = bridge.run(_find(endpoint, args.name))
        bridge.run(knowledge.delete(Http(), endpoint, base))
        say(
            _("Deleted: the knowledge base {base} with {count} documents.").format(
                base=clean(base.name), count=base.documents
            )
        )
        return None
    paths = [_path(name) for name in args.file]
    if args.action == "add" and not paths:
        raise InputError(_("Which files?"), remedy=_("`%glm knowledge add NAME FILE…`."))
    if args.action == "create":
        base = bridge.run(knowledge.create(Http(), endpoint, args.name))
        say(_("Made: the knowledge base {base}.").format(base=clean(base.name)))
    else:
        base = bridge.run(_find(endpoint, args.name))
    for path in paths:
        _id, reason = bridge.run(
            knowledge.add(Http(), endpoint, base, path.name, path.read_bytes())
        )
        text = _("{file}: not taken: {reason}.") if reason else _("{file}: taken, to be indexed.")
        say(text.format(file=path.name, reason=reason))
    return None


def _listed(endpoint: Endpoint) -> dict[str, str] | None:
    found = bridge.run(knowledge.bases(Http(), endpoint))
    if not found:
        say(_("There is no knowledge base. `%glm knowledge create NAME FILE…` makes one."))
        return None
    rows = [(clean(base.name, 80), base.id, str(base.documents)) for base in found]
    caption = _("`%%glm --knowledge NAME` answers from one, and lists the passages.")
    return table((_("name"), _("id"), _("documents")), rows, caption)


async def _find(endpoint: Endpoint, name: str) -> knowledge.Base:
    return knowledge.find(await knowledge.bases(Http(), endpoint), name)


def _target(endpoint: str | None) -> Target:
    return sessions.current().target(AskOptions(endpoint=endpoint))


def _path(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise InputError(
            _("There is no file {name}. Nothing was sent.").format(name=clean(name)),
            remedy=_("Paths are relative to {folder}.").format(folder=Path.cwd()),
        )
    return path

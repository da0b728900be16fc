"""The commands about what the account keeps at the service: files, knowledge."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from glm_jupyter import bridge
from glm_jupyter.api import files, knowledge
from glm_jupyter.api.endpoints import Endpoint
from glm_jupyter.api.errors import InputError, clean
from glm_jupyter.api.http import Http
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
            raise InputError("Which file?", remedy="`%glm files` lists them with their ids.")
        bridge.run(files.delete(Http(), endpoint, args.id))
        say(f"Deleted at {endpoint.name}: {args.id}.")
        return None
    found = bridge.run(files.listed(Http(), endpoint))
    if not found:
        say(f"{endpoint.name} keeps no file of this account.")
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
    return table(("file", "name", "purpose", "size", "made"), rows)


def knowledge_bases(args: Namespace) -> dict[str, str] | None:
    """List the knowledge bases, make one, add to one or delete one."""
    endpoint = _target(args.endpoint).endpoint
    knowledge.check(endpoint)
    if args.action is None:
        return _listed(endpoint)
    if not args.name:
        raise InputError(
            f"Which knowledge base? `%glm knowledge {args.action}` wants a name.",
            remedy="`%glm knowledge` lists those there are.",
        )
    if args.action == "delete":
        base = bridge.run(_find(endpoint, args.name))
        bridge.run(knowledge.delete(Http(), endpoint, base))
        say(f"Deleted: the knowledge base {clean(base.name)} with {base.documents} documents.")
        return None
    paths = [_path(name) for name in args.file]
    if args.action == "add" and not paths:
        raise InputError("Which files?", remedy="`%glm knowledge add NAME FILE…`.")
    if args.action == "create":
        base = bridge.run(knowledge.create(Http(), endpoint, args.name))
        say(f"Made: the knowledge base {clean(base.name)}.")
    else:
        base = bridge.run(_find(endpoint, args.name))
    for path in paths:
        _, reason = bridge.run(knowledge.add(Http(), endpoint, base, path.name, path.read_bytes()))
        say(f"{path.name}: {f'not taken: {reason}' if reason else 'taken, to be indexed'}.")
    return None


def _listed(endpoint: Endpoint) -> dict[str, str] | None:
    found = bridge.run(knowledge.bases(Http(), endpoint))
    if not found:
        say("There is no knowledge base. `%glm knowledge create NAME FILE…` makes one.")
        return None
    rows = [(clean(base.name, 80), base.id, str(base.documents)) for base in found]
    caption = "`%%glm --knowledge NAME` answers from one, and lists the passages."
    return table(("name", "id", "documents"), rows, caption)


async def _find(endpoint: Endpoint, name: str) -> knowledge.Base:
    return knowledge.find(await knowledge.bases(Http(), endpoint), name)


def _target(endpoint: str | None) -> Target:
    return sessions.current().target(AskOptions(endpoint=endpoint))


def _path(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise InputError(
            f"There is no file {clean(name)}. Nothing was sent.",
            remedy=f"Paths are relative to {Path.cwd()}.",
        )
    return path

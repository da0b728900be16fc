"""The command about what the service works on for a while: tasks."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime

from glm_jupyter.api.errors import InputError
from glm_jupyter.money.ledger import Job
from glm_jupyter.render.summary import seconds
from glm_jupyter.render.table import table
from glm_jupyter.sessions import session as sessions

from .say import say

HEADERS = ("task", "kind", "asked for", "model", "handed in", "state", "kept in")
CAPTION = "`%glm tasks ID` waits for a task and shows what was made; it costs nothing more."
LONGEST = 60  # characters of what was asked for
NONE = "The service works on nothing: no video, asynchronous picture or batch was asked for here."


def tasks(args: Namespace) -> dict[str, str] | None:
    """The tasks of this and of earlier kernels, newest first."""
    jobs = sessions.current().budgets.ledger.jobs()
    if not jobs:
        say(NONE)
        return None
    return table(HEADERS, [_row(job) for job in jobs], CAPTION)


def find(wanted: str) -> Job:
    """The task with this id, or the one whose id begins so. Raises InputError."""
    jobs = sessions.current().budgets.ledger.jobs()
    exact = [job for job in jobs if job.id == wanted]
    found = exact or [job for job in jobs if job.id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{len(found)} tasks have an id that begins with {wanted}.",
            remedy="Write more of it; `%glm tasks` lists them.",
        )
    raise InputError(
        f"There is no task {wanted} on this machine.", remedy="`%glm tasks` lists those there are."
    )


def _row(job: Job) -> tuple[str, ...]:
    asked = " ".join(job.asked.split())
    asked = asked if len(asked) <= LONGEST else f"{asked[: LONGEST - 1]}…"
    begun = f"{job.begun.astimezone():%Y-%m-%d %H:%M}"
    if job.ended is None:
        state = f"under way for {seconds((datetime.now(UTC) - job.begun).total_seconds())}"
    else:
        state = {"SUCCESS": "made", "FAIL": "failed"}.get(job.state, job.state.lower())
    return (job.id, job.kind, asked, job.model, begun, state, ", ".join(job.files))

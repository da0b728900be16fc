"""The command about what the service works on for a while: tasks."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime

from glm_jupyter.api.errors import InputError
from glm_jupyter.language import N_, _
from glm_jupyter.money.ledger import Job
from glm_jupyter.render.summary import seconds
from glm_jupyter.render.table import table
from glm_jupyter.sessions import session as sessions

from .say import say

HEADERS = (
    N_("task"),
    N_("kind"),
    N_("asked for"),
    N_("model"),
    N_("handed in"),
    N_("state"),
    N_("kept in"),
)
CAPTION = N_("`%glm tasks ID` waits for a task and shows what was made; it costs nothing more.")
LONGEST = 60  # characters of what was asked for
NONE = N_("No jobs: no video, asynchronous picture or batch was asked for here.")
KINDS = {"image": N_("picture"), "video": N_("video"), "batch": N_("batch")}
STATES = {"SUCCESS": N_("made"), "FAIL": N_("failed")}


def tasks(args: Namespace) -> dict[str, str] | None:
    """The tasks of this and of earlier kernels, newest first."""
    jobs = sessions.current().budgets.ledger.jobs()
    if not jobs:
        say(_(NONE))
        return None
    return table([_(name) for name in HEADERS], [_row(job) for job in jobs], _(CAPTION))


def find(wanted: str) -> Job:
    """The task with this id, or the one whose id begins so. Raises InputError."""
    jobs = sessions.current().budgets.ledger.jobs()
    exact = [job for job in jobs if job.id == wanted]
    found = exact or [job for job in jobs if job.id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            _("{count} tasks have an id that begins with {wanted}.").format(
                count=len(found), wanted=wanted
            ),
            remedy=_("Write more of it; `%glm tasks` lists them."),
        )
    raise InputError(
        _("There is no task {wanted} on this machine.").format(wanted=wanted),
        remedy=_("`%glm tasks` lists those there are."),
    )


def _row(job: Job) -> tuple[str, ...]:
    asked = " ".join(job.asked.split())
    asked = asked if len(asked) <= LONGEST else f"{asked[: LONGEST - 1]}…"
    begun = f"{job.begun.astimezone():%Y-%m-%d %H:%M}"
    if job.ended is None:
        time = seconds((datetime.now(UTC) - job.begun).total_seconds())
        state = _("under way for {time}").format(time=time)
    else:
        state = _(STATES[job.state]) if job.state in STATES else job.state.lower()
    kind = _(KINDS.get(job.kind, job.kind))
    return (job.id, kind, asked, job.model, begun, state, ", ".join(job.files))

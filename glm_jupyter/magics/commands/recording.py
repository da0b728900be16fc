"""The commands about recordings: record, replay."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from glm_jupyter.language import _, ngettext
from glm_jupyter.sessions import session as sessions

from .say import say


def record(args: Namespace) -> None:
    """Record the answers that follow, or end that, or say whether it is so."""
    from glm_jupyter.recordings.recorder import Recorder

    session = sessions.current()
    if args.file and args.file != "off":
        session.recorder = Recorder(Path(args.file))
        text = _("Answers are recorded into {file}; `%glm record off` ends it.")
        if before := session.recorder.before:
            text = _(
                "Answers are recorded into {file}, behind the {before} that it holds; "
                "`%glm record off` ends it."
            )
        say(text.format(file=session.recorder.path, before=before))
        if session.replayer:
            say(
                _(
                    "Cells are answered from {place}, and only what is asked with "
                    "--fresh is recorded; `%glm replay off` ends that."
                ).format(place=session.replayer.place)
            )
        return
    recorder = session.recorder
    if args.file:
        session.recorder = None
    if recorder is None:
        say(_("Nothing is being recorded; `%glm record FILE` begins it."))
        return
    count = ngettext("{count} answer", "{count} answers", recorder.count)
    count = count.format(count=recorder.count)
    if args.file:
        say(
            _("Recording has ended: {count} went into {file}.").format(
                count=count, file=recorder.path
            )
        )
    else:
        say(
            _("Answers are being recorded into {file}: {count} so far.").format(
                file=recorder.path, count=count
            )
        )


def replay(args: Namespace) -> None:
    """Answer from a recording from now on, or end that, or say whether it is so."""
    from glm_jupyter.recordings.replayer import Replayer

    session = sessions.current()
    place = args.place
    if place is None and args.speed is not None and session.replayer:
        place = session.replayer.place  # the same from its beginning, at another pace
    if place == "off":
        session.replayer = None
        say(_("Nothing is replayed: cells ask the model again."))
    elif place:
        session.replayer = Replayer(place, 1.0 if args.speed is None else args.speed)
        for complaint in session.replayer.complaints:
            say(complaint)
        count = len(session.replayer)
        text = ngettext(
            "{count} recorded answer in {place}: cells are answered from there, without key or "
            "cost. `%glm replay off` ends it.",
            "{count} recorded answers in {place}: cells are answered from there, without key or "
            "cost. `%glm replay off` ends it.",
            count,
        )
        say(text.format(count=count, place=place))
    elif session.replayer:
        say(
            _("Cells are answered from {place}; `%glm replay off` ends it.").format(
                place=session.replayer.place
            )
        )
    else:
        say(_("Nothing is replayed; `%glm replay FILE` answers from a recording."))

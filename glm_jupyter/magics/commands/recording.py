"""The commands about recordings: record, replay."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from glm_jupyter.sessions import session as sessions

from .say import say


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

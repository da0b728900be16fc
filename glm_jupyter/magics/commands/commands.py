"""The commands of `%glm` by name; each takes its parsed arguments."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Any

from . import conversation, kept, models, money, recording, setup, tasks

COMMANDS: dict[str, Callable[[Namespace], Any]] = {
    "panel": setup.panel,
    "models": models.models,
    "use": models.use,
    "local": models.engine,
    "usage": money.usage,
    "budget": money.budget,
    "files": kept.kept_files,
    "knowledge": kept.knowledge_bases,
    "tasks": tasks.tasks,
    "history": conversation.history,
    "reset": conversation.reset,
    "export": conversation.export,
    "save": conversation.save,
    "record": recording.record,
    "replay": recording.replay,
    "login": setup.login,
    "logout": setup.logout,
    "doctor": setup.doctor,
}

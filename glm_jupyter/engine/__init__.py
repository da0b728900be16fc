"""The embedded engine: a small model, or any GGUF file, answering on this machine."""

from .child import EngineError
from .engine import Engine, Status, check_place, engine, installed
from .weights import EMBEDDED

__all__ = ["EMBEDDED", "Engine", "EngineError", "Status", "check_place", "engine", "installed"]

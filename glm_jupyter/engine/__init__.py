"""The embedded engine: a small model, or any GGUF file, answering on this machine."""

from .child import EngineError
from .engine import Engine, Status, engine, installed
from .weights import EMBEDDED

__all__ = ["EMBEDDED", "Engine", "EngineError", "Status", "engine", "installed"]

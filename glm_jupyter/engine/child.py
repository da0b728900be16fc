"""The engine's child process, seen from the parent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from glm_jupyter.api.errors import GLMError
from glm_jupyter.language import _

from .gguf import read_head
from .weights import EMBEDDED

CONTEXT_LIMIT = 16_384  # tokens; a longer window costs gigabytes that a laptop may not have
PARALLEL = 4  # requests answered at once; further ones wait
LOG_LINES = 200


class EngineError(GLMError):
    """The embedded engine could not start."""


class Child:
    """The child process around one model file."""

    def __init__(self, name: str, file: Path, key: str) -> None:
        self.name = name
        self.file = file
        self.context = min(read_head(file).context or CONTEXT_LIMIT, CONTEXT_LIMIT)
        self.threads = usable_cores()
        self.url = ""
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        settings = {
            "file": str(file),
            "name": name,
            "key": key,
            "context": self.context,
            "parallel": PARALLEL,
            "threads": self.threads,
            "temperature": EMBEDDED.temperature if name == EMBEDDED.name else None,
            "parent": os.getpid(),
        }
        self.process = subprocess.Popen(
            # -P: a notebook's folder must not shadow modules.
            [sys.executable, "-P", str(Path(__file__).with_name("server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=file.parent,
            **_apart(),
        )
        stdin, self._stdout, stderr = self._pipes()
        self._reader = threading.Thread(target=self._collect, args=(stderr,), daemon=True)
        self._reader.start()
        with suppress(OSError):  # it is gone already; wait_until_ready says why
            stdin.write(json.dumps(settings).encode() + b"\n")
            stdin.flush()

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def wait_until_ready(self) -> None:
        """Block until the model is loaded; raises EngineError with the log's end."""
        # Generous: 20 MB/s is a slow network folder.
        seconds = 60 + self.file.stat().st_size / 20e6
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self.process.kill()

        timer = threading.Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            line = self._stdout.readline()
        finally:
            timer.cancel()
        if not line:
            self.process.wait()
            self._reader.join(1)
            raise self._failure(seconds if late.is_set() else None)
        self.url = json.loads(line)["url"] + "/v1"

    def end(self) -> None:
        """End the process now; it has nothing to save."""
        stdin, stdout, _ = self._pipes()
        self.process.kill()
        self.process.wait()
        self._reader.join(1)
        stdout.close()
        with suppress(OSError):  # settings that were never read
            stdin.close()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        process = self.process
        assert process.stdin
        assert process.stdout
        assert process.stderr
        return process.stdin, process.stdout, process.stderr

    def _collect(self, stderr: IO[bytes]) -> None:
        with stderr:
            for line in stderr:
                self._log.append(line.decode("utf-8", "replace").rstrip())

    def _failure(self, late_after: float | None) -> EngineError:
        code = self.process.returncode
        if late_after is not None:
            said = _("it was not ready after {seconds:.0f} s").format(seconds=late_after)
            remedy = _("Try again when the machine is less busy, or use a smaller model file.")
        elif code == -9:
            said = _("the system ended it, most likely for want of memory")
            remedy = _("Close other notebooks, or use a smaller model file.")
        else:
            ended = _("its process ended with status {code}").format(code=code)
            said = self._last_words() or ended
            remedy = _("Use a whole GGUF file of a chat model: %glm local use FILE.gguf")
        return EngineError(
            _("The embedded engine could not load {file}: {said}.").format(
                file=self.file.name, said=said
            ),
            remedy=remedy,
        )

    def _last_words(self) -> str:
        """The first error in the log: those after it follow from it."""
        for line in self._log:
            _, mark, message = line.partition(" E ")
            if mark and "error" in message:
                return "".join(c for c in message if c.isprintable()).strip()[:300]
        return next((line[:300] for line in reversed(self._log) if line.strip()), "")


def usable_cores() -> int:
    """The physical cores that this process may use: affinity and container limits counted."""
    try:
        cpus = os.sched_getaffinity(0)
        topology = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
        cores = len({Path(topology.format(cpu)).read_text() for cpu in cpus})
    except (AttributeError, OSError):
        logical = os.cpu_count() or 1
        cores = logical if logical <= 4 else max(4, logical // 2)
    with suppress(OSError, ValueError):  # no container, or none with a limit
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, round(int(quota) / int(period)))
    return max(1, cores)


def _apart() -> dict[str, Any]:
    """Out of reach of the interrupt that stops a cell, and without a window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}

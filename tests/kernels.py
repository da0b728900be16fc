"""A real ipykernel, driven through jupyter_client, and what its cells bring."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import IPython
import pytest
from ipykernel._version import version_info
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from traitlets.config import Config

VENDOR = "application/vnd.glm-jupyter.answer+json"

# Around a cell that fails. IPython before 9.5 shows the error under %%time, but no failed cell.
WRAPPERS = ("", "%%time\n") if IPython.version_info >= (9, 5) else ("",)

WHILE_A_CELL_RUNS = pytest.mark.skipif(
    version_info < (7, 4), reason="an older ipykernel hears pages between cells only"
)


@dataclass
class Run:
    """What one cell brought."""

    reply: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    seconds_to_idle: float = 0.0

    @property
    def ok(self) -> bool:
        return bool(self.reply["status"] == "ok")

    @property
    def displays(self) -> dict[str, dict[str, Any]]:
        """The last bundle of each display id, as a front end would show it."""
        shown: dict[str, dict[str, Any]] = {}
        for message in self.messages:
            if message["msg_type"] in ("display_data", "update_display_data"):
                content = message["content"]
                shown[content["transient"].get("display_id", len(shown))] = content["data"]
        return shown

    @property
    def bundle(self) -> dict[str, Any]:
        """The bundle of the one display of the cell."""
        (bundle,) = self.displays.values()
        return bundle

    @property
    def error(self) -> str:
        """What the cell shows as its error."""
        return "\n".join(
            line
            for message in self.messages
            if message["msg_type"] == "error"
            for line in message["content"]["traceback"]
        )

    @property
    def printed(self) -> str:
        return "".join(
            message["content"]["text"]
            for message in self.messages
            if message["msg_type"] == "stream"
        )


@contextmanager
def own_connection() -> Iterator[dict[str, str]]:
    """Traits of a kernel manager, for a kernel that tests running beside it cannot disturb.

    Two managers may choose the same TCP port before either's kernel has it.
    """
    if sys.platform == "win32":
        yield {}  # which has nothing but TCP
        return
    with tempfile.TemporaryDirectory() as folder:
        yield {"transport": "ipc", "ip": f"{folder}/kernel"}


def execute(notebook: Any, **options: Any) -> None:
    """Run a notebook from top to bottom; `options` are those of NotebookClient."""
    with own_connection() as traits:
        config = Config({"AsyncKernelManager": traits})
        NotebookClient(notebook, config=config, **options).execute()


class Kernel:
    """A running kernel; `run` executes a cell and gathers what it brings until it is idle."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def run(
        self,
        code: str,
        *,
        cell_id: str | None = None,
        subshell: str | None = None,
        timeout: float = 120,
        on_message: Callable[[dict[str, Any]], None] = lambda message: None,
    ) -> Run:
        session = self.client.session
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = session.msg("execute_request", content)
        if cell_id:
            message["metadata"]["cellId"] = cell_id
        if subshell:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)
        asked = message["header"]["msg_id"]
        run = Run()
        deadline = time.monotonic() + timeout
        while True:
            got = self.client.get_iopub_msg(timeout=deadline - time.monotonic())
            if got["parent_header"].get("msg_id") != asked:
                continue
            run.messages.append(got)
            on_message(got)
            if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
                break
        while True:
            reply = self.client.get_shell_msg(timeout=30)
            if reply["parent_header"].get("msg_id") == asked:
                run.reply = reply["content"]
                return run

    def open_subshell(self) -> str:
        """Open a subshell, in which cells run beside those of the kernel's main shell."""
        session = self.client.session
        self.client.control_channel.send(session.msg("create_subshell_request", {}))
        reply = self.client.get_control_msg(timeout=30)["content"]
        assert reply["status"] == "ok", reply
        return str(reply["subshell_id"])

    def value(self, expression: str) -> str:
        """The text of an expression in the kernel."""
        run = self.run(f"print({expression}, end='')")
        assert run.ok, run.error
        return run.printed

    def complete(self, code: str, cursor: int | None = None) -> list[str]:
        return list(
            self.client.complete(code, cursor, reply=True, timeout=30)["content"]["matches"]
        )


@contextmanager
def kernel(
    env: dict[str, str] | None = None, *, load: bool = True, **process: Any
) -> Iterator[Kernel]:
    """A kernel with the extension loaded, and `env` on top of this process's environment.

    `process` are options of its subprocess.Popen.
    """
    with own_connection() as traits:
        manager = KernelManager(kernel_name="python3", **traits)
        manager.start_kernel(env={**os.environ, **(env or {})}, **process)
        client = manager.blocking_client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            running = Kernel(manager, client)
            if load:
                loaded = running.run("%load_ext glm_jupyter")
                assert loaded.ok, loaded.error
                assert not loaded.printed
            yield running
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)

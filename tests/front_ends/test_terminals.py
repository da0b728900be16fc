"""Answers in a terminal: IPython, `jupyter console`, and a plain script, on a real pty."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.kernel.conftest import environment
from tests.protocol_server import ProtocolServer, Reply

PROMPT = r"In \[\d+\]: $"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="pexpect drives no Windows console")


@pytest.fixture
def env(server: ProtocolServer, tmp_path: Path) -> dict[str, str]:
    return {**os.environ, **environment(server, tmp_path), "TERM": "dumb"}


class Terminal:
    """A program at whose prompts IPython cells are typed."""

    def __init__(self, child: Any) -> None:
        self._child = child
        self._child.expect(PROMPT)
        self.run("%load_ext glm_jupyter")

    def type(self, cell: str) -> None:
        self._child.sendline(cell)

    def read(self) -> str:
        """What has been printed until the next prompt."""
        self._child.expect(PROMPT)
        return str(self._child.before)

    def run(self, cell: str) -> str:
        self.type(cell)
        return self.read()

    def wait_for(self, text: str) -> None:
        self._child.expect_exact(text)

    def interrupt(self) -> None:
        self._child.sendintr()


@contextmanager
def terminal(module: str, env: dict[str, str]) -> Iterator[Terminal]:
    import pexpect

    options = ["-m", module, "--simple-prompt", "--no-confirm-exit"]
    child = pexpect.spawn(sys.executable, options, env=env, encoding="utf-8", timeout=60)
    try:
        yield Terminal(child)
        child.sendline("exit")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)


@POSIX
@pytest.mark.parametrize("module", ["IPython", "jupyter_console"])
def test_an_answer_is_written_as_it_comes_once(
    module: str, env: dict[str, str], server: ProtocolServer
) -> None:
    ask = "get_ipython().run_cell_magic('glm', '', 'What is 2 + 2?')"
    with terminal(module, env) as at:
        server.enqueue(Reply(text="It is **four**.", reasoning="Two and two."))
        shown = at.run(ask)
        assert shown.count("Two and") == shown.count("It is **four**.") == 1
        assert re.search(r"free · .* s", shown)
        hold = Event()
        server.enqueue(Reply(text="One two three", chunk=4, hold=hold, hold_after=2))
        at.type(ask)
        at.wait_for("One two")  # while the rest is still to come
        at.interrupt()
        assert "Stopped. What had arrived is kept" in at.read()
        hold.set()
        assert "'One two" in at.run("_glm.text")


def test_a_script_and_its_threads_ask_in_plain_python(
    env: dict[str, str], server: ProtocolServer, tmp_path: Path
) -> None:
    server.default = Reply(text="Four.")
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            from concurrent.futures import ThreadPoolExecutor

            import glm_jupyter as glm

            if __name__ == "__main__":
                print(glm.ask("What is 2 + 2?"))
                print("".join(getattr(event, "text", "") for event in glm.stream("Again?")))
                with ThreadPoolExecutor(4) as pool:
                    print([answer.text for answer in pool.map(glm.ask, "abcdefgh")])
                print(glm.session.answers)
            """
        ),
        "utf-8",
    )
    done = subprocess.run(
        [sys.executable, str(script)], env=env, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["Four.", "Four.", str(["Four."] * 8), "10"]

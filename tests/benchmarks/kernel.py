"""What the extension costs a kernel: loading, packages, the first token, bytes, stopping.

    python -m tests.benchmarks.kernel

Loading is set against `import ipywidgets`, bytes against the text. Trust the ratios, not the
seconds.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement

from tests.kernels import Kernel, kernel
from tests.protocol_server import ProtocolServer, Reply

TEXT = "".join(f"word{number} is " for number in range(1800))[:17_000]
CHUNKS = 2000
READY = """
import time
from IPython.core.interactiveshell import InteractiveShell
import ipykernel.zmqshell, comm
shell = InteractiveShell.instance()
begun = time.perf_counter()
{what}
print(time.perf_counter() - begun)
"""


def load_time(repeats: int = 9) -> None:
    """`%load_ext` and `import ipywidgets`, each in fresh processes, in turn."""
    ours, theirs = [], []
    for _ in range(repeats):
        ours.append(_timed("shell.run_line_magic('load_ext', 'glm_jupyter')"))
        theirs.append(_timed("import ipywidgets"))
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(f"%load_ext: {mine / other:.2f} x import ipywidgets ({mine * 1000:.0f} ms)")


def packages() -> None:
    """Distributions that glm-jupyter needs and ipykernel does not."""
    added = sorted(_closure("glm-jupyter") - _closure("ipykernel") - {"glm-jupyter"})
    print(f"packages added to ipykernel: {len(added)} ({', '.join(added)})")


def first_token(repeats: int = 20) -> None:
    """From the moment the service sends its first token to its display message."""
    with _running() as (running, server):
        delays = []
        for _ in range(repeats):
            hold = threading.Event()
            server.enqueue(Reply(text="First", chunk=10, hold=hold, hold_after=0))
            sent: list[float] = []
            seen: list[float] = []

            def watch(message, seen=seen) -> None:
                text = message["content"].get("data", {}).get("text/markdown", "")
                if "First" in text and not seen:
                    seen.append(time.perf_counter())

            def release(hold=hold, sent=sent) -> None:
                time.sleep(0.2)
                sent.append(time.perf_counter())
                hold.set()

            threading.Thread(target=release).start()
            running.run("%%glm -m glm-4-airx\nHi", on_message=watch)
            delays.append(seen[0] - sent[0])
        median, worst = statistics.median(delays[1:]), max(delays[1:])
        print(f"first token to the front end: {median * 1000:.1f} ms (worst {worst * 1000:.1f} ms)")


def bytes_sent(pause: float, extension: bool) -> None:
    """All that iopub carries for an answer of 17 KB in 2,000 chunks."""
    with _running() as (running, server):
        if extension:
            _say_hello(running)
        server.enqueue(Reply(text=TEXT, chunk=-(-len(TEXT) // CHUNKS), pause=pause))
        counted = _count(running, "%%glm -m glm-4-airx\nHi")
        kind = "with" if extension else "without"
        print(
            f"bytes {kind} the JupyterLab extension, {pause * 1000:.0f} ms a chunk: "
            f"{counted[1] / len(TEXT):.1f} x the text in {counted[0]} messages"
        )


def stop(repeats: int = 5) -> None:
    """From the interrupt to the idle kernel."""
    with _running() as (running, server):
        times = []
        for _ in range(repeats):
            server.enqueue(Reply(text="word " * 5000, chunk=5, pause=0.01))
            asked: list[float] = []

            def watch(message, asked=asked) -> None:
                if "word word" in str(message["content"]) and not asked:
                    asked.append(time.perf_counter())
                    running.manager.interrupt_kernel()

            running.run("%%glm -m glm-4-airx\nHi", on_message=watch)
            times.append(time.perf_counter() - asked[0])
        print(f"stop to idle: {statistics.median(times):.2f} s (worst {max(times):.2f} s)")


@contextmanager
def _running() -> Iterator[tuple[Kernel, ProtocolServer]]:
    with ProtocolServer() as server, tempfile.TemporaryDirectory() as home:
        env = {"ZAI_API_KEY": "id.secret", "ZAI_BASE_URL": server.url, "XDG_DATA_HOME": home}
        with kernel(env) as running:
            yield running, server


def _timed(what: str) -> float:
    code = [sys.executable, "-c", READY.format(what=what)]
    return float(subprocess.run(code, capture_output=True, text=True, check=True).stdout)


def _closure(name: str) -> set[str]:
    """The distribution and all it needs in this environment, without extras."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if current in found:
            continue
        try:
            needed = distribution(current).requires or []
        except PackageNotFoundError:
            continue
        found.add(current)
        for requirement in map(Requirement, needed):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def _say_hello(running: Kernel) -> None:
    client = running.client
    content = {"comm_id": "glm-jupyter.answer", "data": {"type": "hello"}}
    client.shell_channel.send(client.session.msg("comm_msg", content))
    running.run("pass")


def _count(running: Kernel, code: str) -> tuple[int, int]:
    """Messages and bytes, frames and all, until the kernel is idle."""
    client = running.client
    asked = client.execute(code)
    messages = size = 0
    while True:
        frames = client.iopub_channel.socket.recv_multipart()
        messages += 1
        size += sum(map(len, frames))
        message = client.session.deserialize(client.session.feed_identities(frames)[1])
        mine = message["parent_header"].get("msg_id") == asked
        if mine and message["content"].get("execution_state") == "idle":
            return messages, size


if __name__ == "__main__":
    load_time()
    packages()
    first_token()
    for each in (False, True):
        for seconds in (0.005, 0.0):
            bytes_sent(seconds, each)
    stop()

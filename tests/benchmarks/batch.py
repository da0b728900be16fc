"""How much memory and time `glm.amap(batch=True)` takes for an item, and whether that grows.

    python -m tests.benchmarks.batch [ITEMS]

A tenth of ITEMS, then ITEMS, each in a process of its own; the service is in another one, which
has all requests in memory, and is not measured. Trust the ratios, not the seconds. What `map`
gives in place of `amap` is a list of answers, which is what takes the memory there.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import glm_jupyter as glm
from glm_jupyter.mapping import batch_run
from tests.protocol_server import ProtocolServer, Reply

FEW = 1_000  # items that load all that is loaded once


def serve(pipe: Connection) -> None:
    """The service's process: tells its URL."""
    with ProtocolServer() as server:
        server.respond = lambda request: Reply(text="good", prompt_tokens=20)
        pipe.send(server.url)
        pipe.recv()


async def ask(first: int, count: int) -> None:
    """Ask about so many items; each must be answered."""
    items = (f"This is review {number}: nice." for number in range(first, first + count))
    answered = 0
    prompt = "Good or bad? {{ item }}"
    async for result in glm.amap(items, prompt, model="glm-4-air", batch=True, max_tokens=100):
        answered += result.answer is not None
    if answered != count:
        raise SystemExit(f"{count - answered} of {count} items have no answer")


def peak() -> int:
    """The most memory that this process has had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(count: int, url: str, pipe: Connection) -> None:
    """One map: the KiB it has taken beyond a small one, its CPU time, and the bytes on disk."""
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("CACHE", "CONFIG", "DATA"):
            os.environ[f"XDG_{kind}_HOME"] = folder
        os.environ |= {"ZAI_API_KEY": "id.secret", "ZAI_BASE_URL": url}
        batch_run.FIRST_WAIT = 0.1
        asyncio.run(ask(0, FEW))
        before, used = peak(), time.process_time()
        asyncio.run(ask(FEW, count))
        used = time.process_time() - used
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    pipe.send((before, peak() - before, used, size))


def main(items: int) -> None:
    """Print what each count takes, and how that has grown."""
    context = multiprocessing.get_context("spawn")
    taken = []
    for count in (items // 10, items):
        to_service, from_service = context.Pipe()
        context.Process(target=serve, args=(from_service,), daemon=True).start()
        ours, theirs = context.Pipe()
        begun = time.monotonic()
        process = context.Process(target=measure, args=(count, to_service.recv(), theirs))
        process.start()
        theirs.close()
        before, more, used, size = ours.recv()
        process.join()
        to_service.send("stop")
        taken.append((before + more, used / count))
        print(
            f"{count:,} items: {more / 1024:.1f} MiB above {before / 1024:.1f} MiB, "
            f"{used / count * 1000:.2f} ms of CPU and {size / count:.0f} bytes on disk an item, "
            f"{time.monotonic() - begun:.0f} s",
            flush=True,
        )
    (small, quick), (large, slow) = taken
    print(
        f"ten times the items take {large / small:.2f} times the memory, "
        f"and {slow / quick:.2f} times the CPU an item"
    )


if __name__ == "__main__":
    main(int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 60_000)

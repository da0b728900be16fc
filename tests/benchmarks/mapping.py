"""What `glm.map` makes of the requests an account may have in flight.

    python -m tests.benchmarks.mapping [ITEMS]

A server in its own process answers after 0.5 to 3 s, and refuses what is more than 40 at once.
The ideal is items x mean latency / 40. Then the same with 2 % refusals (1302) and 1 % of the
connections dropped in mid-answer. Trust the ratios, not the seconds. How long the event loop was
blocked stands beside how late the machine itself wakes a process that only sleeps meanwhile.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

import glm_jupyter as glm
from glm_jupyter.mapping import amap
from tests.protocol_server import ProtocolServer, Reply, Request

IN_FLIGHT = 40  # what V2 has for the model below
MODEL = "glm-4-airx"
SHORTEST, LONGEST = 0.5, 3.0  # seconds
BUSY = Reply(status=429, body={"error": {"code": "1302", "message": "too many at once"}})
STEP = 0.005  # seconds between looks at how late one wakes up


class Service:
    """Answers after a latency that depends on the item alone, so that every run has the same."""

    def __init__(self, faults: bool, rights: int) -> None:
        self.most = self.refused = 0
        self._rights = rights
        self._open: list[Request] = []
        self._faults = faults
        self._random = random.Random(1)

    def reply(self, request: Request) -> Reply:
        """The reply to a request."""
        self._open = [each for each in self._open if not each.ended.is_set()]
        self._open.append(request)
        open_now = len(self._open)
        if open_now > self._rights:
            self.refused += 1
            return BUSY
        self.most = max(self.most, open_now)
        item = int(request.json["messages"][-1]["content"].split()[-1])
        delay = latency(item)
        luck = self._random.random() if self._faults else 1.0
        if luck < 0.02:
            return BUSY
        if luck < 0.03:
            return Reply(delay=delay, cut_after=2, abrupt=True)
        return Reply(text=f"The answer about {item}.", delay=delay)


def latency(item: int) -> float:
    """Seconds until the item is answered."""
    return random.Random(item).uniform(SHORTEST, LONGEST)


def serve(faults: bool, pipe: Connection, rights: int = IN_FLIGHT) -> None:
    """The server's process: tells its URL, and at the end what it has seen."""
    with ProtocolServer() as server:
        service = Service(faults, rights)
        server.respond = service.reply
        pipe.send(server.url)
        pipe.recv()
        pipe.send((len(server.chats), service.most, service.refused))


def sleep_only(pipe: Connection) -> None:
    """The machine's own lateness, seen by a process that does nothing."""
    latest = 0.0
    while not pipe.poll():
        begun = time.monotonic()
        time.sleep(STEP)
        latest = max(latest, time.monotonic() - begun - STEP)
    pipe.send(latest)


class Watch:
    """How late the event loop runs a task that only sleeps."""

    def __init__(self) -> None:
        self.latest = 0.0
        self.late = 0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            begun = time.monotonic()
            await asyncio.sleep(STEP)
            late = time.monotonic() - begun - STEP
            self.latest = max(self.latest, late)
            self.late += late > 0.05


async def throughput(items: int) -> tuple[float, int, Watch]:
    """Seconds that a map of so many items takes, how many failed, and how late the loop was."""
    glm.session.settings.level = 2
    watch = Watch()
    watching = asyncio.create_task(watch.run())
    failed = 0
    begun = time.monotonic()
    async for result in amap(range(items), "What is it?", model=MODEL, fresh=True):
        failed += result.error is not None
    seconds = time.monotonic() - begun
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    return seconds, failed, watch


def measure(items: int, faults: bool) -> None:
    """One run, against a server and beside a sleeper in processes of their own."""
    ours, theirs = multiprocessing.Pipe()
    quiet, sleeper = multiprocessing.Pipe()
    processes = [
        multiprocessing.Process(target=serve, args=(faults, theirs), daemon=True),
        multiprocessing.Process(target=sleep_only, args=(sleeper,), daemon=True),
    ]
    for process in processes:
        process.start()
    os.environ["ZAI_BASE_URL"] = ours.recv()
    used = time.process_time()
    seconds, failed, watch = asyncio.run(throughput(items))
    used = time.process_time() - used
    ours.send("stop")
    quiet.send("stop")
    requests, most, refused = ours.recv()
    ideal = sum(map(latency, range(items))) / IN_FLIGHT
    print(
        f"{items} items, {'2 % refused, 1 % dropped' if faults else 'no faults'}: "
        f"{ideal / seconds:.1%} of the ideal throughput ({seconds:.1f} s, ideal {ideal:.1f} s); "
        f"{failed} failed; {requests} requests, at most {most} in flight, {refused} too many; "
        f"{used / seconds:.0%} of a core; loop late by at most {watch.latest * 1000:.0f} ms "
        f"({watch.late} times over 50 ms), a sleeping process by {quiet.recv() * 1000:.0f} ms"
    )
    for process in processes:
        process.join()


@contextmanager
def own_folders() -> Iterator[None]:
    """Cache, configuration and data of this run alone, for it and the processes it starts."""
    with tempfile.TemporaryDirectory() as folder:
        home = {f"XDG_{kind}_HOME": folder for kind in ("CACHE", "CONFIG", "DATA")}
        os.environ.update(home, ZAI_API_KEY="id.benchmark")
        yield


def main() -> None:
    """Measure without faults, then with."""
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    multiprocessing.set_start_method("spawn")
    with own_folders():
        for faults in (False, True):
            measure(items, faults)


if __name__ == "__main__":
    main()

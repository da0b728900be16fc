"""What `glm.map` over a Dask collection makes of the account's rights, beside one kernel's map.

    python -m tests.benchmarks.mapping_dask [ITEMS [IN_FLIGHT]]

Four workers of a LocalCluster, with one thread each, ask a server in its own process, which
answers after 0.5 to 3 s and refuses what is more than so many at once. The ideal is items x mean
latency / in flight; the workers have imported what they need before. Trust the ratios, not the
seconds: with fewer processors than processes it is the machine that is measured.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import time

import dask.bag as db
from distributed import Client, LocalCluster

import glm_jupyter as glm
from glm_jupyter.mapping import amap
from tests.benchmarks.mapping import MODEL, latency, own_folders, serve

WORKERS = 4
PARTITION = 500  # items


def by_dask(items: int, in_flight: int) -> None:
    """Ask with all workers."""
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        warm = db.from_sequence(range(-4 * WORKERS, 0), npartitions=WORKERS)
        glm.map(warm, "What is it?", model=MODEL, concurrency=in_flight).compute()
        bag = db.range(items, npartitions=max(WORKERS, items // PARTITION))
        answers = glm.map(bag, "What is it?", model=MODEL, concurrency=in_flight, fresh=True)
        begun = time.monotonic()
        found = answers.compute()
        report("4 workers", items, in_flight, time.monotonic() - begun, int(found.isna().sum()))


async def by_one_kernel(items: int, in_flight: int) -> None:
    """Ask with one kernel's map."""
    failed = 0
    begun = time.monotonic()
    async for result in amap(
        range(items), "What is it?", model=MODEL, concurrency=in_flight, fresh=True
    ):
        failed += result.error is not None
    report("one kernel", items, in_flight, time.monotonic() - begun, failed)


def report(who: str, items: int, in_flight: int, seconds: float, failed: int) -> None:
    """Print how near the ideal it was."""
    ideal = sum(map(latency, range(items))) / in_flight
    print(
        f"{who}: {items} items, {in_flight} in flight: {ideal / seconds:.1%} of the ideal "
        f"({seconds:.1f} s, ideal {ideal:.1f} s), {failed} failed",
        flush=True,
    )


def main() -> None:
    """Measure both, one after the other, each against a new server."""
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    in_flight = int(sys.argv[2]) if len(sys.argv) > 2 else 400
    multiprocessing.set_start_method("spawn")
    with own_folders():
        for kernel in (False, True):
            ours, theirs = multiprocessing.Pipe()
            server = multiprocessing.Process(
                target=serve, args=(False, theirs, in_flight), daemon=True
            )
            server.start()
            os.environ["ZAI_BASE_URL"] = ours.recv()
            if kernel:
                asyncio.run(by_one_kernel(items, in_flight))
            else:
                by_dask(items, in_flight)
            ours.send("stop")
            requests, most, refused = ours.recv()
            print(f"  {requests} requests, at most {most} in flight, {refused} too many")
            server.join()


if __name__ == "__main__":
    main()

"""Synchronous ways in: without a loop, inside a running loop, and inside one that cannot nest."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest

from glm_jupyter import bridge


async def work() -> int:
    await asyncio.sleep(0.01)
    return 42


async def count() -> AsyncIterator[int]:
    try:
        for number in range(3):
            await asyncio.sleep(0)
            yield number
    finally:
        closed.append(True)


closed: list[bool] = []


async def fail() -> None:
    raise ValueError("it failed")


def test_an_error_comes_without_a_history_of_the_bridge() -> None:
    with pytest.raises(ValueError, match="it failed") as caught:
        bridge.run(fail())
    assert caught.value.__context__ is None


def sync_use() -> tuple[int, list[int], list[int]]:
    closed.clear()
    first_only = []
    for number in (numbers := bridge.iterate(count())):
        first_only.append(number)
        break
    numbers.close()  # type: ignore[attr-defined]
    assert closed, "leaving early must close the iterator behind it"
    return bridge.run(work()), list(bridge.iterate(count())), first_only


async def inside() -> tuple[int, list[int], list[int]]:
    await asyncio.sleep(0)
    return sync_use()


EXPECTED = (42, [0, 1, 2], [0])


def test_without_a_running_loop() -> None:
    assert sync_use() == EXPECTED


def test_inside_a_running_loop() -> None:
    assert asyncio.run(inside()) == EXPECTED


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not exist there")
def test_inside_a_loop_that_cannot_nest() -> None:
    import uvloop

    loop = uvloop.new_event_loop()
    try:
        assert loop.run_until_complete(inside()) == EXPECTED
    finally:
        loop.close()


def test_errors_come_through() -> None:
    async def fail() -> None:
        raise ValueError("no")

    async def in_loop() -> None:
        with pytest.raises(ValueError, match="no"):
            bridge.run(fail())

    with pytest.raises(ValueError, match="no"):
        bridge.run(fail())
    asyncio.run(in_loop())

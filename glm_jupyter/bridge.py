"""The one bridge from synchronous code to the asynchronous core, whatever loop is running."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

T = TypeVar("T")
WAKING_SECONDS = 0.1
Drive: TypeAlias = Callable[[Coroutine[Any, Any, Any]], Any]


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` to its end and give its result, also inside a running event loop.

    An interrupt cancels it, waits for it to tidy up, and is raised again.
    """
    with _bridge() as drive:
        result: T = drive(coroutine)
        return result


def iterate(items: AsyncIterator[T]) -> Iterator[T]:
    """Yield the items of an asynchronous iterator as they come."""

    async def step() -> T:
        return await anext(items)

    async def close() -> None:
        if hasattr(items, "aclose"):
            await items.aclose()

    with _bridge() as drive:
        try:
            while True:
                try:
                    yield drive(step())
                except StopAsyncIteration:
                    return
        finally:
            drive(close())


async def in_thread(function: Callable[..., T], *args: Any, **options: Any) -> T:
    """Call what may take its time in another thread; in a browser, which has none, in this one."""
    if sys.platform == "emscripten":
        return function(*args, **options)
    return await asyncio.to_thread(function, *args, **options)


@contextmanager
def awake() -> Iterator[None]:
    """Keep the running loop from sleeping longer than `WAKING_SECONDS`.

    A signal does not wake a loop that waits for bytes: without this an interrupt would be seen
    only when the next ones come, which may be never.
    """

    async def tick() -> None:
        while True:  # noqa: ASYNC110, it is the waking that is wanted
            await asyncio.sleep(WAKING_SECONDS)

    ticking = asyncio.get_running_loop().create_task(tick())
    try:
        yield
    finally:
        ticking.cancel()


@contextmanager
def interruptible() -> Iterator[None]:
    """Let the interrupt reach code that does not await; it comes out as CancelledError.

    While a cell is awaited, the kernel's own handler waits for the event loop, which a function
    that computes does not let run. And in a task, KeyboardInterrupt would end the loop itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise asyncio.CancelledError from None
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


@contextmanager
def short_when_stopped(says: str) -> Iterator[None]:
    """Let a cell show an interrupt as the line `says`, not as a stack.

    The exception stays the one that was raised: code that awaits has to see `CancelledError`
    itself, and `asyncio.timeout` takes no subclass for it.
    """
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError) as stopped:
        stopped._render_traceback_ = lambda: [says]  # type: ignore[union-attr]
        raise


@contextmanager
def _bridge() -> Iterator[Drive]:
    if sys.platform == "emscripten":
        yield _in_page
        return
    loop = _running_loop()
    if loop is None:
        with asyncio.Runner() as runner:
            yield runner.run
        return
    if _nestable(loop):
        yield partial(_nested, loop)
        return
    # uvloop cannot be re-entered: the coroutine gets a loop of its own in another thread.
    from anyio.from_thread import start_blocking_portal

    with start_blocking_portal() as portal:
        yield partial(_in_thread, portal)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _nestable(loop: asyncio.AbstractEventLoop) -> bool:
    # Imported here because applying it patches asyncio for the whole process: only who
    # needs the synchronous way in pays for that.
    import nest_asyncio2

    try:
        nest_asyncio2.apply(loop)
    except ValueError:
        return False
    return True


def _nested(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    task = loop.create_task(coroutine)
    try:
        return loop.run_until_complete(task)
    except KeyboardInterrupt:
        task.cancel()
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        raise


def _in_page(coroutine: Coroutine[Any, Any, T]) -> T:
    """Pyodide has one thread and a loop that cannot be nested, but can suspend its whole stack."""
    from pyodide.ffi import can_run_sync, run_sync

    if not can_run_sync():
        coroutine.close()
        raise RuntimeError(
            "Python cannot wait in this browser. Await `glm.aask`, iterate over `glm.astream` or "
            "`glm.amap` with `async for`, or take a browser with JSPI: Chrome or Edge from 137 on."
        )
    result: T = run_sync(coroutine)
    return result


def _in_thread(portal: BlockingPortal, coroutine: Coroutine[Any, Any, T]) -> T:
    async def body() -> T:
        return await coroutine

    future = portal.start_task_soon(body)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise

"""Awaiting a `Future` on whatever asyncio loop runs here: the program's own, or that of asyncio actors.

Loaded at the first `await`, since it loads asyncio. Thread: the loop's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol


class Pending(Protocol):
    """What is awaited: a `Future`."""

    @property
    def timeout(self) -> float | None:
        """Seconds to wait; None: for ever."""
        ...

    def is_done(self) -> bool:
        """Whether the outcome is there."""
        ...

    def get(self) -> Any:
        """Return the outcome, or raise it."""
        ...

    def add_waiter(self, waiter: Callable[[], object], /) -> bool:
        """Have `waiter` called, on any thread, when there is an outcome; False if there is one."""
        ...

    def drop_waiter(self, waiter: Callable[[], object], /) -> None:
        """Take it back."""
        ...


async def until_done(future: Pending) -> bool:
    """Wait for the outcome, up to the future's own limit.

    Returns:
        False if the limit passed first.
    """
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def on_outcome() -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(wake)

    if not future.add_waiter(on_outcome):
        return True
    timer = None if future.timeout is None else loop.call_later(future.timeout, wake)
    try:
        await waiter
    finally:
        future.drop_waiter(on_outcome)
        if timer is not None:
            timer.cancel()
    return future.is_done()


async def computed(future: Pending) -> Any:
    """Return what `get` computes, on a thread beside the loop: only a hook of the user's knows how long it takes."""
    return await asyncio.get_running_loop().run_in_executor(None, future.get)

"""The asyncio loop on which all actors of a system live that await.

`Loop` is the home of such actors on any loop; `LoopThread` is a real one, with a thread; the simulation
puts a loop of its own in. A handler that holds the thread of a real one up holds all of them up: a
watch says so, with the stack, once for each class.

Thread: any, unless said otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from actorcloud.actor.errors import Unwound
from actorcloud.actor.future.future import Future
from actorcloud.actor.thread.ports import Runnable, Waits
from actorcloud.base.errors import StartError
from actorcloud.base.frames import current_frames

R = TypeVar("R")

logger = logging.getLogger("actorcloud.actor")

#: Messages of one turn; fewer than the pool's, since all actors of the loop share one thread.
_THROUGHPUT = 64

#: Seconds for which a handler may hold the loop up: asyncio's own debug mode warns from there on.
SLOW_STEP = 0.1

#: Looks of the watch without anything to do after which it sleeps.
_IDLE_LOOKS = 20

#: Classes whose handlers are reported, and lines of a reported stack.
_REPORTS_LIMIT, _STACK_LIMIT = 100, 20

#: Seconds that cancelled tasks have to end when the loop is closed.
_CLOSE_TIMEOUT = 1.0


class Loop:
    """The home of actors on an asyncio loop; a `ports.Home`.

    Args:
        loop: that runs, or will.
        waits: how a thread waits for one of these actors to start.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, waits: Waits) -> None:
        self._loop = loop
        self._waits = waits
        #: The cells that are to begin a turn.
        self._due: deque[Any] = deque()
        #: See `Home.enqueue`.
        self.enqueue = self._due.append

    def hurry(self) -> None:
        """See `Home.hurry`."""
        self.post(self._take_turn)

    def call(self, function: Callable[[], R], timeout: float | None) -> R:
        """See `Home.call`; on the loop's own thread it is a call.

        Raises:
            StartError: it did not end in time; if it had not begun either, it never will.
        """
        if self.is_here():
            return function()
        future: Future[R] = Future(self._waits)
        is_given_up = False

        def run() -> None:
            if is_given_up:
                return
            try:
                future.set(function())
            except BaseException as error:  # noqa: BLE001  travels to the caller
                future.set_exception(error)

        self.post(run)
        if not future.wait(timeout):
            is_given_up = True
            raise StartError(f"the actor did not start within {timeout} s; give options(start_timeout=...) more")
        return future.get()

    def post(self, function: Callable[[], object]) -> None:
        """Call `function` on the loop soon; never, if that is closed."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    def create_task(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine. Thread: the loop's."""
        return self._loop.create_task(coroutine)

    def is_here(self) -> bool:
        """Whether this stack is the loop's."""
        return asyncio._get_running_loop() is self._loop  # noqa: SLF001  get_running_loop raises where there is none

    def began(self, cell: Runnable) -> None:
        """A step of an actor begins. Thread: the loop's."""

    def ended(self) -> None:
        """The step is over. Thread: the loop's."""

    def _take_turn(self) -> None:
        # Who hurries twice comes twice.
        if self._due:
            with contextlib.suppress(Unwound):
                self._due.popleft().turn(_THROUGHPUT)


class LoopThread(Loop):
    """A loop with a thread of its own, both made here.

    Args:
        waits: see `Loop`.
    """

    def __init__(self, waits: Waits) -> None:
        super().__init__(asyncio.new_event_loop(), waits)
        self._watch = LoopWatch()
        self._thread = threading.Thread(target=self._run, name="actorcloud-loop", daemon=True)
        self._thread.start()

    def began(self, cell: Runnable) -> None:
        """See `Loop.began`."""
        self._watch.began(cell)

    def ended(self) -> None:
        """See `Loop.ended`."""
        self._watch.ended()

    def close(self, timeout: float) -> None:
        """Cancel what is left and end the threads; waits up to `timeout` seconds."""
        self.post(self._loop.stop)
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)
        # After the loop, whose steps wake it.
        self._watch.close()

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks, timeout=_CLOSE_TIMEOUT))
            loop.run_until_complete(loop.shutdown_asyncgens())
            # The threads of asyncio.to_thread; one that is busy holds this daemon thread up, and nobody else.
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


class LoopWatch:
    """Reports handlers that hold a loop up; has a thread, which sleeps while the loop does."""

    def __init__(self) -> None:
        self._steps = 0
        self._cell: Any = None
        self._thread_id = 0
        self._reported: set[type] = set()
        self._is_awake = False
        self._is_closed = False
        self._wakeup = threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    def began(self, cell: Any) -> None:
        """A step begins. Thread: the loop's."""
        self._steps += 1
        self._cell = cell
        if not self._is_awake:
            self._wake()

    def ended(self) -> None:
        """The step is over. Thread: the loop's."""
        self._cell = None

    def close(self) -> None:
        """End the thread."""
        self._is_closed = True
        self._wakeup.release()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _wake(self) -> None:
        self._is_awake = True
        self._thread_id = threading.get_ident()
        if self._thread is None and not self._is_closed:
            self._thread = threading.Thread(target=self._run, name="actorcloud-loop-watch", daemon=True)
            self._thread.start()
        self._wakeup.release()

    def _run(self) -> None:
        idle_looks = 0
        steps, since = -1, 0.0
        while not self._is_closed:
            if not self._is_awake:
                self._wakeup.acquire()
                idle_looks = 0
            cell = self._cell
            if cell is None or self._steps != steps:
                steps, since = self._steps, time.monotonic()
            elif time.monotonic() - since >= SLOW_STEP:
                self._report(cell, time.monotonic() - since)
            idle_looks = idle_looks + 1 if cell is None else 0
            self._is_awake = idle_looks < _IDLE_LOOKS
            # A step that began before that line found us awake: look once more.
            if self._cell is not None:
                self._is_awake = True
            self._wakeup.acquire(timeout=SLOW_STEP / 2)

    def _report(self, cell: Any, seconds: float) -> None:
        kind = cell.kind
        if kind in self._reported or len(self._reported) >= _REPORTS_LIMIT:
            return
        self._reported.add(kind)
        frame = current_frames().get(self._thread_id)
        stack = (
            "".join(traceback.format_stack(frame, limit=_STACK_LIMIT)) if frame is not None else "  it has gone on\n"
        )
        logger.warning(
            "%s has held up the loop of all asyncio actors for %.1f s; let it await, use asyncio.to_thread, or give it "
            'dispatcher = "thread" as a plain Actor. It is here:\n%s',
            cell.ref,
            seconds,
            stack,
        )

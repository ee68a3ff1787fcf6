"""An asyncio loop in virtual time: its callbacks are steps of the simulation, in the order asyncio promises.

What awaits time or other actors runs on it; there is no I/O in a simulation. A callback that blocks, in
a wait of ours, holds this loop up as it would hold up a real one, while the rest of the world goes on.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, Protocol, TypeVar

from actorcloud.actor import Waits
from actorcloud.actor.dispatch.loop import Loop
from actorcloud.base.clock import Clock
from actorcloud.base.ports import TimerHandle, Timers

R = TypeVar("R")


class SimProcess(Timers, Waits, Protocol):
    """What a loop needs of its simulated process."""


class SimLoop(asyncio.AbstractEventLoop):
    """See the module.

    Args:
        clock: the virtual one.
        timers: of the simulated process; what is due at once is the next step, or a later one.
    """

    def __init__(self, clock: Clock, timers: Timers) -> None:
        self._clock = clock
        self._timers = timers
        self._ready: deque[asyncio.Handle] = deque()
        self._waiting: dict[int, TimerHandle] = {}
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._is_expected = False
        self._is_closed = False

    # -- what asyncio calls -----------------------------------------------------------------------

    def time(self) -> float:
        """Return the virtual time."""
        return self._clock.monotonic()

    def get_debug(self) -> bool:
        """Return False."""
        return False

    def is_running(self) -> bool:
        """Whether it was not closed."""
        return not self._is_closed

    def is_closed(self) -> bool:
        """Whether it was."""
        return self._is_closed

    def call_soon(  # type: ignore[override]  # *args are of any type
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """See asyncio."""
        handle = asyncio.Handle(callback, args, self, context)
        if not self._is_closed:
            self._ready.append(handle)
            self._expect()
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # as above

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)

        def fire() -> None:
            del self._waiting[id(handle)]
            self._ready.append(handle)
            self._expect()

        # By identity: two handles of equal content are equal.
        self._waiting[id(handle)] = self._timers.call_at(when, fire)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        # asyncio's own loops count theirs here.
        waiting = self._waiting.pop(id(handle), None)
        if waiting is not None:
            waiting.cancel()

    def call_later(  # type: ignore[override]  # as above
        self, delay: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        """See asyncio."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]  # as above
        self, coro: Coroutine[Any, Any, Any], **kwargs: Any
    ) -> asyncio.Task[Any]:
        """See asyncio."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, **kwargs)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Raise what a callback raised: a simulation ends by it."""
        error = context.get("exception")
        if error is not None and not self._is_closed:
            raise error

    def run_in_executor(self, executor: object, func: Callable[..., object], *args: object) -> NoReturn:
        """Refuse: a simulation has no threads that it does not schedule."""
        raise NotImplementedError(
            f"asyncio.to_thread({func!r}) is not to be had in a simulation; ask an actor that does the work"
        )

    # -- what the simulation calls ----------------------------------------------------------------

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Run on this stack what belongs to the loop."""
        outer = asyncio._get_running_loop()  # noqa: SLF001  documented for those who write loops
        asyncio._set_running_loop(self)  # noqa: SLF001  as above
        try:
            yield
        finally:
            asyncio._set_running_loop(outer)  # noqa: SLF001  as above

    def close(self) -> None:
        """Vanish with the process: what is suspended is unwound, cut off from everything."""
        self._is_closed = True
        self._ready.clear()
        tasks, self._tasks = self._tasks, {}
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001  as asyncio.gather does
            coroutine: Any = task.get_coro()
            coroutine.close()

    def _expect(self) -> None:
        """Let the next callback be a step of its own, unless one runs now or is on its way."""
        if not self._is_expected:
            self._is_expected = True
            self._timers.call_at(self.time(), self._step)

    def _step(self) -> None:
        while self._ready and not self._is_closed:
            handle = self._ready.popleft()
            if not handle.cancelled():
                with self.entered():
                    handle._run()  # noqa: SLF001  what a loop does with a handle
                break
        self._is_expected = False
        if self._ready:
            self._expect()


class SimHome(Loop):
    """The home of a simulated process's asyncio actors."""

    def __init__(self, clock: Clock, process: SimProcess) -> None:
        self._sim_loop = SimLoop(clock, process)  # type: ignore[abstract]  # what is left raises, as there
        super().__init__(self._sim_loop, process)

    def call(self, function: Callable[[], R], timeout: float | None) -> R:  # noqa: ARG002  nothing to wait for
        """See `actor.Home`; on the starter's stack, as everything that starts in a simulation."""
        with self._sim_loop.entered():
            return function()

    def crash(self) -> None:
        """See `SimLoop.close`."""
        self._sim_loop.close()

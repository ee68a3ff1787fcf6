"""The thread of one actor that says `dispatcher = "thread"`."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from actorcloud.actor.errors import Unwound
from actorcloud.actor.future.future import Future
from actorcloud.actor.thread.ports import Runnable
from actorcloud.base.errors import StartError

R = TypeVar("R")


class PinnedThread:
    """The thread of one actor; ends with it."""

    def __init__(self, name: str, throughput: int, *, daemon: bool) -> None:
        self._throughput = throughput
        self._is_over = False
        self._work: deque[Runnable | Callable[[], None]] = deque()
        #: See `Home.enqueue`.
        self.enqueue = self._work.append
        self._wakeup = threading.Lock()
        self._wakeup.acquire()
        self._thread = threading.Thread(target=self._run, name=f"actorcloud-{name}", daemon=daemon)
        self._has_begun = False

    def hurry(self) -> None:
        """See `Home.hurry`."""
        if not self._has_begun:
            self._has_begun = True
            self._thread.start()
        with contextlib.suppress(RuntimeError):  # it is awake, and looks at the queue before it sleeps
            self._wakeup.release()

    def call(self, function: Callable[[], R], timeout: float | None) -> R:
        """See `Home.call`; a function that raises ends the thread.

        Raises:
            StartError: it did not end in time.
        """
        future: Future[R] = Future()

        def run() -> None:
            try:
                future.set(function())
            except BaseException as error:  # noqa: BLE001  travels to the caller
                self._is_over = True
                future.set_exception(error)

        self.enqueue(run)
        self.hurry()
        if not future.wait(timeout):
            raise StartError(f"the actor did not start within {timeout} s; give options(start_timeout=...) more")
        return future.get()

    def _run(self) -> None:
        while not self._is_over:
            try:
                work = self._work.popleft()
            except IndexError:
                self._wakeup.acquire()
                continue
            if callable(work):
                work()
            else:
                self._turn(work)

    def _turn(self, cell: Runnable) -> None:
        try:
            cell.turn(self._throughput)
        except Unwound:
            self._is_over = True
        else:
            self._is_over = cell.is_dead()

"""The tiny parent of a head: starts it, passes signals on, starts it again when it dies.

::

    start --> ready --> ended well, or with a code that a new start would end with too --> end
      ^                   | otherwise
      +---- pause <-------+            0 after one that has served; 0.2 s doubling to 30 s while it keeps dying

The head has a session of its own, so that a Ctrl-C at the terminal reaches it only through here:
the first signal lets it end in order, the second kills it, which loses nothing that was acknowledged.

`pause` is pure. `Keeper` owns the process, the signal handlers and the wake-up descriptor; main
thread only.

Reference: erl's heart.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from actorcloud.base.exitcode import FINAL_CODES, ExitCode
from actorcloud.base.poll import wait_readable
from actorcloud.base.rendezvous import SERVED_AFTER

#: Seconds before the second new start; it doubles from there.
PAUSE_FIRST = 0.2

#: Seconds at most: somebody who mends what is wrong does not wait longer.
PAUSE_LONGEST = 30.0

#: Starts longer ago than so many seconds are forgiven.
FORGIVEN_AFTER = 60.0

#: Seconds between two looks whether the new process is ready.
_LOOK_EVERY = 0.05

#: What a person or a service manager ends us with.
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def pause(code: int, starts: Sequence[float], now: float, *, was_ready: bool) -> float | None:
    """Return the seconds until a new start, None if there is to be none.

    Args:
        code: with which the process ended; negative: the signal that killed it.
        starts: when it was started without having served, ascending, the last being the one that ended.
        now: on the same clock.
        was_ready: whether any start has been ready.
    """
    if code == ExitCode.OK or code in FINAL_CODES or not was_ready:
        return None
    recent = sum(start > now - FORGIVEN_AFTER for start in starts)
    return 0.0 if recent <= 1 else min(PAUSE_LONGEST, PAUSE_FIRST * 2.0 ** min(recent - 2, 20))


class Keeper:
    """Keeps one process alive.

    Args:
        start: starts the process; told whether one has been ready before.
        is_ready: pid -> whether it serves; looked at until it does.
        tell: says something to the person who started this.
        on_ready: called once, when it serves for the first time.
        on_killed: called once, when the process was killed and is not started again: what it leaves behind is to go.
        served_after: seconds; see `base.rendezvous`.
    """

    def __init__(
        self,
        start: Callable[[bool], subprocess.Popen[bytes]],
        *,
        is_ready: Callable[[int], bool],
        tell: Callable[[str], None],
        on_ready: Callable[[], None],
        on_killed: Callable[[], None] = lambda: None,
        served_after: float = SERVED_AFTER,
    ) -> None:
        self._start = start
        self._is_ready = is_ready
        self._tell = tell
        self._on_ready = on_ready
        self._on_killed = on_killed
        self._served_after = served_after
        self._starts: list[float] = []
        self._was_ready = False
        self._signals: list[int] = []
        self._wake = -1

    def run(self) -> int:
        """Keep the process until it ends for good or is told to; returns the exit code.

        Blocks: until then.
        """
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        os.set_blocking(reader, False)
        self._wake = reader
        handled = (*PASSED_ON, signal.SIGCHLD)
        known: list[Any] = [signal.signal(number, self._on_signal) for number in handled]
        known_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        try:
            return self._keep()
        finally:
            signal.set_wakeup_fd(known_fd)
            for number, handler in zip(handled, known, strict=True):
                signal.signal(number, handler)
            os.close(reader)
            os.close(writer)

    def _keep(self) -> int:
        while True:
            code = self._run_once()
            wait = pause(code, self._starts, time.monotonic(), was_ready=self._was_ready)
            if code < 0 and (self._signals or wait is None):
                self._on_killed()
            if self._signals:
                return ExitCode.INTERRUPTED if code < 0 else code
            if wait is None:
                return code if code >= 0 else 128 - code
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            self._tell(f"the head {how}; starting it again" + (f" in {wait:g} s" if wait else ""))
            if self._sleep(wait):
                self._on_killed()
                return ExitCode.OK

    def _run_once(self) -> int:
        now = time.monotonic()
        self._starts = [*(start for start in self._starts if start > now - FORGIVEN_AFTER), now]
        child = self._start(self._was_ready)
        try:
            return self._watch(child)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()

    def _watch(self, child: subprocess.Popen[bytes]) -> int:
        ready_at, passed_on = None, len(self._signals)
        while (code := child.poll()) is None:
            if ready_at is None and self._look(child.pid):
                ready_at = time.monotonic()
            self._wait(_LOOK_EVERY if ready_at is None else None)
            if len(self._signals) > passed_on:
                passed_on = len(self._signals)
                self._end(child)
        if ready_at is not None and time.monotonic() - ready_at >= self._served_after:
            self._starts.clear()
        return code

    def _look(self, pid: int) -> bool:
        if not self._is_ready(pid):
            return False
        if not self._was_ready:
            self._on_ready()
        else:
            self._tell(f"the head is back (pid {pid})")
        self._was_ready = True
        return True

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        if len(self._signals) == 1:
            self._tell("ending; once more ends at once")
            child.terminate()
        else:
            self._tell("ended at once; nothing that was acknowledged is lost")
            child.kill()

    def _sleep(self, seconds: float) -> bool:
        """Wait; return whether a signal says to end."""
        deadline = time.monotonic() + seconds
        while not self._signals and (left := deadline - time.monotonic()) > 0:
            self._wait(left)
        return bool(self._signals)

    def _wait(self, seconds: float | None) -> None:
        """Wait until a signal arrives or the time is over."""
        if wait_readable(self._wake, seconds=seconds):
            os.read(self._wake, 4096)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number in PASSED_ON:
            self._signals.append(number)

"""The baton: real threads of which exactly one runs at any time.

Each thread of a simulation waits at a gate of its own. Whoever has the baton opens the gate of
another thread and waits at its own; so what the threads do is as sequential, and as repeatable, as
if there were one.

Owns the gates and the threads; knows nothing about actors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

#: Seconds of real time that a thread may take to end; one that blocks outside our waits never does.
_JOIN_TIMEOUT = 5.0


class Gate:
    """Where one thread waits for the baton."""

    __slots__ = ("_lock", "thread")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.thread: threading.Thread | None = None

    def open(self) -> None:
        """Give the baton to the thread that waits here."""
        self._lock.release()

    def pass_through(self) -> None:
        """Wait for the baton; only the gate's own thread calls this."""
        self._lock.acquire()


class Threads:
    """The threads of one simulation."""

    def __init__(self) -> None:
        self._all: list[threading.Thread] = []
        #: The gate of the thread that calls; the driver's until a thread sets its own.
        self.local = threading.local()

    def start(self, name: str, function: Callable[[Gate], None]) -> Gate:
        """Make a thread that runs `function(gate)` once its gate is opened."""
        gate = Gate()

        def run() -> None:
            self.local.gate = gate
            gate.pass_through()
            function(gate)

        gate.thread = threading.Thread(target=run, name=f"simulation-{name}", daemon=True)
        self._all.append(gate.thread)
        gate.thread.start()
        return gate

    def my_gate(self) -> Gate | None:
        """Return the calling thread's gate; None if it is no thread of this simulation."""
        return getattr(self.local, "gate", None)

    def join(self) -> None:
        """Wait for all threads; their gates must have been opened for the last time.

        Raises:
            RuntimeError: one does not end: it blocks in something else than our waits.
        """
        for thread in self._all:
            thread.join(_JOIN_TIMEOUT)
        left = [thread.name for thread in self._all if thread.is_alive()]
        self._all.clear()
        if left:
            raise RuntimeError(f"these threads block outside of system.wait and cannot be simulated: {left}")

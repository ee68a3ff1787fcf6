"""The way to the head, as the client needs it: one ask, one word when all must be asked anew, one wait.

::

    client                          Head                                  the head's actors
      | -- ask("jobs", message) --> |  over ipc or tcp, over a worker's    | "jobs", "store"
      | <-- on_reply(m, more) ----- |  socketpair, or in the simulation    |
      | <-- on_reset() ------------ |  the head was lost, another answers: |
      |                             |  every ask before this is void       |

A lost head is no error: nothing is answered until one is back, and then `on_reset` is called.
Errors that do reach `on_reply` are final.

Implementations: `client.connect` (a process of its own), `client.inline` (workers=0), the worker's
(over its agent), the simulation's (a baton), the tests' model. `Waiters` is the wait of all that
have real threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from actorcloud.base.clock import Clock
from actorcloud.protocol.message import Message

#: Gets a part of an answer, and whether more of it will come; an error is always the last part.
OnReply = Callable[[Message | Exception, bool], None]


class Asking(Protocol):
    """An ask on its way."""

    def forget(self) -> None:
        """Want no more answers; harmless if there is nothing to forget."""
        ...


class Head(Protocol):
    """A connection to the head that comes back by itself; belongs to one `Session`.

    Thread: every method may be called from any thread.
    """

    @property
    def clock(self) -> Clock:
        """What time it is for whoever waits."""
        ...

    @property
    def away_since(self) -> float | None:
        """When the head was lost, in seconds of `clock.monotonic`; None while it answers."""
        ...

    def ask(self, to: str, message: Message, on_reply: OnReply) -> Asking:
        """Send `message` to the actor registered as `to` on the head; does not block.

        Args:
            to: a registered name, "jobs" or "store".
            message: the request; a worker's implementation has its node stamp it with the job's fence.
            on_reply: called for each part of the answer, one call at a time, on any thread, perhaps
                before `ask` returns. It does not block. An error (of the head's own, by
                `base.errors.from_code`) is the last part. It is never called for an ask made before
                the last reset.

        Returns:
            The handle by which further answers are refused.
        """
        ...

    def on_reset(self, callback: Callable[[], None]) -> None:
        """Call this whenever an answering head knows nothing of what was asked before; one callback."""
        ...

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        """Return when `ready()` is true or the time is over: the one place where a client blocks.

        Args:
            ready: cheap, raises nothing; called on any thread, after each answer.
            timeout: seconds of `clock.monotonic`; None waits on.

        Returns:
            What `ready()` returned last.

        Raises:
            KeyboardInterrupt: Ctrl-C, at once.
        """
        ...

    def wake(self) -> None:
        """Have `ready` of every wait looked at again: something changed that was no answer."""
        ...

    def close(self) -> None:
        """Say goodbye and free everything, then wake all waits; idempotent."""
        ...


class Waiters:
    """Threads that wait until something is true, woken only when it is.

    Whoever delivers answers calls `check` after each: it looks at the conditions on its own thread,
    so that a thread that waits for ten thousand jobs is woken once, not ten thousand times (a wake-up
    costs some 50 us).
    """

    def __init__(self) -> None:
        self._waiting: dict[threading.Lock, Callable[[], bool]] = {}

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        """See `Head.wait`."""
        gate = threading.Lock()
        gate.acquire()
        deadline = None if timeout is None else time.monotonic() + timeout
        # Registered before the first look: what becomes true between the two is seen by `check`.
        self._waiting[gate] = ready
        try:
            while not ready():
                left = -1.0 if deadline is None else deadline - time.monotonic()
                if deadline is not None and left <= 0:
                    return False
                gate.acquire(timeout=min(left, threading.TIMEOUT_MAX))
            return True
        finally:
            del self._waiting[gate]

    def check(self) -> None:
        """Wake those whose condition has become true."""
        for gate, ready in list(self._waiting.items()):
            if gate.locked() and ready():
                _open(gate)


def _open(gate: threading.Lock) -> None:
    # Two deliveries may open the same gate at once; the second has nothing to do.
    try:
        gate.release()
    except RuntimeError:
        return

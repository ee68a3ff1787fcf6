"""The one way to block: a latch.

Every wait of this package, and of the rooms above it, goes through `ports.Waits.wait`. The pool counts
the thread as blocked there and lets another one run; the simulation takes its baton back there.

Protocol: one thread makes a latch, hands `latch.set` to whoever will wake it, and waits. A latch
is used once. It may be woken early (its actor was told to exit), so the waiter looks again at what
it waits for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

#: What `lock.acquire` takes at most.
_LONGEST = threading.TIMEOUT_MAX


class Latch:
    """A one-shot event for one waiting thread; a bare lock, since an `Event` costs ten times that."""

    __slots__ = ("_is_set", "_lock", "_on_set")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self._is_set = False
        self._on_set: Callable[[], object] | None = None

    @property
    def is_set(self) -> bool:
        """Whether the latch was set."""
        return self._is_set

    def set(self) -> None:
        """Wake the waiter, now or when it comes. Thread: any."""
        self._is_set = True
        try:  # noqa: SIM105  `suppress` would cost a microsecond of an ask's twenty
            self._lock.release()
        except RuntimeError:
            pass  # it was set twice: by the outcome and by an exit; once is enough
        if self._on_set is not None:
            self._on_set()

    def call_when_set(self, function: Callable[[], object]) -> None:
        """Call `function` when the latch is set, on the thread that sets it; it must not block. Dispatchers only.

        Who looks at `is_set` afterwards misses nothing.
        """
        self._on_set = function

    def acquire(self, timeout: float | None) -> bool:
        """Block this thread until the latch is set; for dispatchers only.

        Returns:
            False if `timeout` seconds passed first.
        """
        if timeout is None:
            return self._lock.acquire()
        return self._lock.acquire(True, timeout if 0.0 <= timeout <= _LONGEST else min(max(timeout, 0.0), _LONGEST))

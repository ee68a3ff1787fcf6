"""The hidden identities of code outside actors that watches one: where their `DownSignal` goes.

Thread: any.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from actorcloud.actor.errors import ActorDeadError
from actorcloud.actor.future.future import Future
from actorcloud.actor.signals import Demonitor, Down, DownSignal, MonitorRef, Signal
from actorcloud.actor.thread.ports import Waits
from actorcloud.base.exits import ExitReason


class Watcher:
    """Calls a function with the `Down`."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[Down], object]) -> None:
        self._function = function

    def signal(self, signal: Signal) -> None:
        """See `Target.signal`."""
        if isinstance(signal, DownSignal):
            self._function(signal.down)


class _Faint:
    """Sets a `Watch` that somebody still has."""

    __slots__ = ("_watch", "kept")

    def __init__(self, watch: Watch) -> None:
        self._watch = weakref.ref(watch)
        #: The watch itself while somebody is to be called.
        self.kept: Watch | None = None

    def signal(self, signal: Signal) -> None:
        """See `Target.signal`."""
        watch = self._watch()
        if watch is not None and isinstance(signal, DownSignal):
            watch.set(signal.down)
            self.kept = None


class Watch(Future[Down]):
    """What `ActorRef.monitor` returns; the watched actor does not keep it, so that it can be given up.

    Args:
        waits: as of `Future`.
        ref: who is watched.
        name: the monitor's.
        what: as of `Future`.
    """

    def __init__(
        self, waits: Waits | None = None, ref: Any = None, name: MonitorRef | None = None, what: object = None
    ) -> None:
        super().__init__(waits, None, what)
        self._ref = ref
        self.name: Any = name
        self.watcher = _Faint(self)

    def _note_waiters(self) -> None:
        """See `Future`; it is kept while somebody is to be called, whoever drops it."""
        self.watcher.kept = self if self._waiters else None

    def __del__(self) -> None:
        # Whatever this thread does: it may hold a lock, so that nothing is sent here.
        if self._outcome is None and self._ref is not None:
            GIVEN_UP.append((self._ref, self.name))


#: Monitors of watches that nobody has any more; `ActorRef.monitor` takes them back before it makes the next.
GIVEN_UP: deque[tuple[Any, MonitorRef]] = deque()


def take_back_given_up() -> None:
    """Take back the monitors of watches that nobody has any more. Thread: any."""
    while GIVEN_UP:
        try:
            ref, name = GIVEN_UP.popleft()
        except IndexError:
            return  # another thread has taken the last
        ref.signal(Demonitor(name))


#: In place of a reason: it does not matter.
ANY: Final = object()


class StopWatcher:
    """Answers whether what was stopped was alive, or raises what it ended with instead of `asked`."""

    __slots__ = ("_asked", "_future")

    def __init__(self, future: Future[bool], asked: object) -> None:
        self._future = future
        self._asked = asked

    def signal(self, signal: Signal) -> None:
        """See `Target.signal`."""
        if not isinstance(signal, DownSignal):
            return
        reason = signal.down.reason
        if reason is ExitReason.NOPROC:
            self._future.set(False)
        elif self._asked is ANY or self._is_asked(reason):
            self._future.set(True)
        else:
            text = f"{signal.down.target} was to stop with {self._asked} and ended with {reason}"
            self._future.set_exception(ActorDeadError(text, reason))

    def _is_asked(self, reason: object) -> bool:
        try:
            return bool(reason == self._asked)
        except Exception:  # noqa: BLE001  the user's `__eq__`: who waits must hear of the end all the same
            return reason is self._asked

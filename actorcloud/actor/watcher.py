"""The hidden identities of code outside actors that watches one: where their `DownSignal` goes.

Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from actorcloud.actor.errors import ActorDeadError
from actorcloud.actor.future import Future
from actorcloud.actor.signals import Down, DownSignal, Signal
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

"""Monitors that the process of an isolated actor has outside of it.

Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable

from actorcloud.actor.signals import DownSignal, Signal


class Watcher:
    """Watches one actor for the host.

    Args:
        fire: gets the reason of its end, once.
    """

    __slots__ = ("_fire",)

    def __init__(self, fire: Callable[[object], None]) -> None:
        self._fire = fire

    def signal(self, signal: Signal) -> None:
        """See `Target.signal`."""
        if isinstance(signal, DownSignal):
            self._fire(signal.down.reason)

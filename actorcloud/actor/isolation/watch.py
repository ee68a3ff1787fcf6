"""Monitors that the process of an isolated actor has outside of it.

Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable

from actorcloud.actor.isolation import parcel
from actorcloud.actor.isolation.ref import IsolatedRef
from actorcloud.actor.signals import Down, DownSignal, MonitorRef, Signal
from actorcloud.protocol.isolation import Fired
from actorcloud.protocol.message import Message


class OwnWatch:
    """A monitor of the isolated actor: its `Down` comes in the order of the mail."""

    __slots__ = ("_number", "_ref")

    def __init__(self, ref: IsolatedRef, number: int) -> None:
        self._ref = ref
        self._number = number

    def signal(self, signal: Signal) -> None:
        """See `Target.signal`."""
        if isinstance(signal, DownSignal):
            self._ref.queue(DownSignal(Down(MonitorRef(self._number), None, signal.down.reason)))


class OtherWatch:
    """A monitor of another thread in the host: it may be what the actor waits for, so it goes at once."""

    __slots__ = ("_number", "_send")

    def __init__(self, send: Callable[[Message], None], number: int) -> None:
        self._send = send
        self._number = number

    def signal(self, signal: Signal) -> None:
        """See `Target.signal`."""
        if isinstance(signal, DownSignal):
            self._send(Fired(self._number, parcel.pack_reason(signal.down.reason)))

"""The port through which a node has worker processes: real ones here, threads in the simulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from actorcloud.node.message import Exited, Said
from actorcloud.protocol.message import Message

#: Gets `Said` and at last `Exited`, in order, from any thread; must not block.
Sink = Callable[[Said | Exited], object]


class Worker(Protocol):
    """One worker process."""

    def send(self, message: Message) -> None:
        """Queue a message; never blocks, never raises: a dead worker says so by `Exited`."""
        ...

    def kill(self) -> None:
        """Kill the whole process group; `Exited` follows."""
        ...


class Spawner(Protocol):
    """Starts worker processes. Thread: any; nothing blocks."""

    def spawn(self, number: int, sink: Sink) -> Worker:
        """Begin to start the worker of this number; it says `WorkerReady` when it can take work."""
        ...

    def kill_all(self) -> None:
        """Kill all worker processes; nobody is told."""
        ...

    def close(self) -> None:
        """Kill all workers and free what they used; returns when they are dead."""
        ...

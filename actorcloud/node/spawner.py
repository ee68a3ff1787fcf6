"""The port through which a node has worker processes: real ones here, threads in the simulation."""

from __future__ import annotations

from typing import Protocol

from actorcloud.base.ports import Child, Sink


class Spawner(Protocol):
    """Starts worker processes. Thread: any; nothing blocks."""

    def spawn(self, number: int, sink: Sink) -> Child:
        """Begin to start the worker of this number; it says `WorkerReady` when it can take work."""
        ...

    def kill_all(self) -> None:
        """Kill all worker processes; nobody is told."""
        ...

    def close(self) -> None:
        """Kill all workers and free what they used; returns when they are dead."""
        ...

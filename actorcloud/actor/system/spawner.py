"""Starts the processes of isolated actors: `python -m actorcloud.actor.isolation`, each in a session of its own.

They are started on the thread that reads their pipes, which lives as long as there may be one: a child
asks the kernel to be killed when its parent dies, and the kernel means the thread. That thread is made
when the first process is wanted.

Thread: any.
"""

from __future__ import annotations

import threading

from actorcloud.base.pipes import PipeProcess, Pipes
from actorcloud.base.ports import Child, Exited, Sink
from actorcloud.base.starting import start_process
from actorcloud.protocol.message import decode, encode

#: What the child runs.
MODULE = "actorcloud.actor.isolation"

#: Seconds that `close` waits for killed processes.
CLOSE_TIMEOUT = 5.0


class ProcessSpawner:
    """See the module; a `ports.Spawner`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pipes: Pipes | None = None

    def spawn(self, name: str, sink: Sink) -> Child:
        """See `Spawner.spawn`."""
        with self._lock:
            if self._pipes is None:
                self._pipes = Pipes(encode, decode)
            pipes = self._pipes
        child = PipeProcess(name, sink, pipes)
        pipes.call(lambda: _start(child))
        return child

    def close(self) -> None:
        """See `Spawner.close`."""
        with self._lock:
            pipes, self._pipes = self._pipes, None
        if pipes is not None:
            pipes.close(CLOSE_TIMEOUT)


def _start(child: PipeProcess) -> None:
    try:
        child.began(*start_process(MODULE))
    except OSError as error:
        child.fail(Exited(f"no start: {error.strerror or error}"))

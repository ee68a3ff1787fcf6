"""The `Spawner` of a real node: starts worker processes on the main thread, kills them by group.

The main thread waits here for what to start, and for signals, while everything else runs on other
threads; see `starting` for why it must be this one. Workers may have been started before, while the
rest of the node was loading.

Owns the processes until they are reaped.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from actorcloud.base.pipes import PipeProcess, Pipes
from actorcloud.base.ports import Exited, Sink
from actorcloud.base.starting import WORKER, Started, start_process
from actorcloud.protocol.message import decode, encode

#: Seconds between two reads of what the workers say, shorter than anybody notices. Workers write each end at
#: once, and many follow each other closely: taken together they cost half (20,000 no-op jobs: 39 to 19 us each).
GATHER = 0.001

#: Seconds that `close` waits for killed processes.
CLOSE_TIMEOUT = 5.0


def _start_worker() -> Started:
    return start_process(WORKER)


class Launcher:
    """See the module. `run` is for the main thread, the rest for any.

    Args:
        started: workers that run already, to be used first.
        start: starts one more; called on the main thread.
    """

    def __init__(
        self, started: Iterable[Started] = (), start: Callable[[], Started] = lambda: start_process(WORKER)
    ) -> None:
        self._started = deque(started)
        self._start = start
        #: The sockets of the workers; a guest for the network's thread.
        self.pipes = Pipes(encode, decode, GATHER)
        self._todo: deque[PipeProcess] = deque()
        self._wake = threading.Semaphore(0)
        self._is_closing = False

    # -- any thread -------------------------------------------------------------------------------

    def spawn(self, number: int, sink: Sink) -> PipeProcess:
        """See `Spawner.spawn`."""
        worker = PipeProcess(number, sink, self.pipes)
        try:
            worker.began(*self._started.popleft())
        except IndexError:
            self._todo.append(worker)
            self._wake.release()
        return worker

    def kill_all(self) -> None:
        """See `Spawner.kill_all`."""
        self.pipes.kill_all()

    def stop(self) -> None:
        """Let `run` return."""
        self._is_closing = True
        self._wake.release()

    def close(self) -> None:
        """See `Spawner.close`."""
        self.stop()
        for left in self._started:
            left.socket.close()
            left.process.kill()
            left.process.wait()
        self.pipes.close(CLOSE_TIMEOUT)

    # -- the main thread --------------------------------------------------------------------------

    def run(self) -> None:
        """Start what is asked for, until `stop`; signal handlers run meanwhile.

        Blocks: until then.
        """
        while not self._is_closing:
            self._wake.acquire()
            self.start_pending()

    def start_pending(self) -> None:
        """Start what has been asked for."""
        while self._todo and not self._is_closing:
            worker = self._todo.popleft()
            try:
                worker.began(*self._start())
            except OSError as error:
                worker.fail(Exited(error.strerror or str(error)))

"""The worker process: takes jobs from its agent, runs them one by one, tells how they ended.

::

    reader thread                                  main thread
      frames from the agent                          take the next job  <---+
        Work ----------> Backlog ------------------>   run it               |
        Revoke --------> Backlog -> Revoked            put things back      |
        Code ----------> Functions                     Finished ------------+
        Reply, Failed -> Link (the job's own calls)
        Outage --------> Link
      end of file: the process ends at once

Owns the socketpair (inherited as a number in argv), the reader thread, the standard streams. The
main thread runs the jobs, so that they may set signal handlers. After a job that leaves threads or
children behind, this process begins nothing more: it gives back what it had and waits for its end.

Expected: `python -m actorcloud.worker FD PID`, FD the inherited end of a stream socketpair, PID the
parent; in a session of its own; descriptors 1 and 2 open.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from typing import NoReturn

from actorcloud.base import lifeline
from actorcloud.base.pipe import PipeDecoder
from actorcloud.protocol.message import Message, decode
from actorcloud.protocol.node import Code, DoneItem, RunItem
from actorcloud.protocol.record import Fence, Outcome
from actorcloud.protocol.worker import Finished, Outage, Revoke, Revoked, Work, WorkerReady
from actorcloud.worker.backlog import Backlog, fence_of
from actorcloud.worker.job import End, current_job, finish
from actorcloud.worker.link import Link
from actorcloud.worker.outbox import Outbox
from actorcloud.worker.output import Printed, Streams, use_descriptors
from actorcloud.worker.place import Place
from actorcloud.worker.runner import Functions, run

#: Bytes asked for in one read; a buffer of more than glibc's threshold for mmap costs 15 us a read.
_READ_BYTES = 64 * 1024

#: What a job sees as the name of its program.
_PROGRAM = "actorcloud-worker"

#: Text of a `SystemExit` -> exit status, for children that a job forked; anything else is 1.
_EXIT_STATUS = {"": 0, "None": 0} | {str(status): status for status in range(256)}


def main(argv: list[str]) -> NoReturn:
    """Be a worker until the agent is gone.

    Args:
        argv: program, number of the inherited descriptor, pid of the parent.
    """
    descriptor, parent = int(argv[1]), int(argv[2])
    lifeline.die_with(parent)
    lifeline.adopt_orphans()
    # Ctrl-C is the client's: the job goes on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    os.set_inheritable(descriptor, False)
    sys.argv = [_PROGRAM]
    Worker(descriptor).run()


class Worker:
    """See the module.

    Args:
        descriptor: this side of the socketpair; owned from now on.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pid = os.getpid()
        self._decoder = PipeDecoder()
        self._outbox = Outbox(descriptor)
        self._printed = Printed(self._outbox.send)
        self._streams = Streams(self._printed)
        self._place = Place(self._streams)
        self._backlog = Backlog()
        self._functions = Functions()
        self._link = Link(self._outbox.send)
        os.register_at_fork(after_in_child=self._leave_to_parent)

    def run(self) -> NoReturn:
        """Serve until the agent closes the socket. Thread: the main thread."""
        self._streams.put_in_place()
        reader = threading.Thread(target=self._read, name="actorcloud-reader", daemon=True)
        reader.start()
        self._place.threads.add(reader)
        self._outbox.send(WorkerReady(os.getpid()))
        _load_ahead()
        while self._run_one(self._backlog.take()):
            pass
        # Something of the job lives on here: this process is spent, the agent ends it.
        self._give_back(self._backlog.close())
        while True:
            reader.join()

    # -- the main thread -----------------------------------------------------------------------------

    def _run_one(self, item: RunItem) -> bool:
        """Run a job and tell its end; returns whether this process may run another."""
        started = time.perf_counter()
        self._printed.begin(fence_of(item))
        with current_job(item, self._link) as job:
            outcome = run(item, self._functions)
            self._end_forked_child(outcome)
            end = finish(job, outcome)
        self._printed.end()
        # Before its end is told: what keeps this process from going on is still this job's doing.
        is_restored = self._place.restore()
        return self._tell_end(item, end, time.perf_counter() - started, is_restored=is_restored)

    def _end_forked_child(self, outcome: Outcome) -> None:
        # The job forked and its child came back from the function, or left it by an exception.
        if os.getpid() == self._pid:
            return
        status = 0
        if outcome.error is not None:
            is_exit = outcome.error.type == SystemExit.__name__
            status = _EXIT_STATUS.get(outcome.error.message, 1) if is_exit else 1
            sys.stderr.write("" if is_exit else outcome.error.traceback)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    def _tell_end(self, item: RunItem, end: End, seconds: float, *, is_restored: bool) -> bool:
        reusable = is_restored and self._place.is_clean() and not self._functions.is_full
        done = DoneItem(item.ref, item.run, end.kind, end.outcome)
        self._outbox.send(Finished(done, reusable, end.stored, seconds))
        return reusable

    # -- the reader thread ---------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            while data := os.read(self._descriptor, _READ_BYTES):
                for frame in self._decoder.feed(data):
                    self._receive(decode(frame))
        except OSError:
            pass
        except Exception as error:  # noqa: BLE001  a worker that cannot read is of no use: say why, and end
            os.write(2, f"actorcloud worker {os.getpid()}: {type(error).__name__}: {error}\n".encode())
        # The agent is gone, and with it everybody who could want something from this process.
        os._exit(1)

    def _give_back(self, runs: list[Fence]) -> None:
        if runs:
            self._outbox.send(Revoked(tuple(runs)))

    def _receive(self, message: Message) -> None:
        match message:
            case Work(items):
                self._give_back(self._backlog.add(items))
            case Code(function, code):
                self._functions.add(function, code)
            case Revoke(runs):
                self._outbox.send(Revoked(tuple(self._backlog.revoke(runs))))
            case Outage(away):
                self._link.outage(away=away)
            case _:
                self._link.receive(message)

    def _leave_to_parent(self) -> None:
        # In a forked child: its copy of the socket would hide the worker's end from the agent.
        self._outbox.mute()
        os.close(self._descriptor)
        use_descriptors()


def _load_ahead() -> None:
    """Load what nearly every job needs, while there is nothing else to do."""
    import actorcloud.base.byvalue  # noqa: F401, PLC0415  cloudpickle: 30 ms

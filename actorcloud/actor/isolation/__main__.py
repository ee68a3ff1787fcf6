"""`python -m actorcloud.actor.isolation FD PID`: the process of one isolated actor.

::

    main thread      runs `__init__`, then waits for the end     reader thread   what the warden says
    pool, loop, ...  the actor, as everywhere

FD is the inherited end of a stream socketpair, PID the parent; in a session of its own. It ends with its
actor, and with its parent: by PDEATHSIG, or at the end of the stream, which also kills what it started.
"""

from __future__ import annotations

import faulthandler
import io
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import NoReturn

from actorcloud.actor.isolation.host import Host
from actorcloud.actor.isolation.memory import lift_limit, limit_memory
from actorcloud.actor.system.system import System
from actorcloud.base import lifeline
from actorcloud.base.pipe import Pipe, PipeClosed
from actorcloud.protocol.isolation import OUT_OF_MEMORY, Launch
from actorcloud.protocol.message import Message, decode, encode

#: Seconds that the last turn has to end once its actor is dead: what it owes is on its way by then.
_LAST_TURN = 1.0


def main(argv: list[str]) -> NoReturn:
    """Be the process of an isolated actor until it ends."""
    descriptor, parent = int(argv[1]), int(argv[2])
    lifeline.die_with(parent)
    # Ctrl-C is the program's: it decides what becomes of its actors.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable(all_threads=False)
    os.set_inheritable(descriptor, False)
    sys.argv = ["actorcloud-actor"]
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What is printed would be lost by a kill.
        sys.stdout.reconfigure(line_buffering=True)
    _HostProcess(Pipe(socket.socket(fileno=descriptor))).run()


class _HostProcess:
    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._frames = iter(pipe)
        self._host = Host(System(name="isolated"), self._send, lift_limit)

    def run(self) -> NoReturn:
        launch = decode(next(self._frames, b""))
        if not isinstance(launch, Launch):
            os._exit(1)
        threading.Thread(target=self._read, args=(self._frames,), name="actorcloud-reader", daemon=True).start()
        if launch.memory:
            limit_memory(launch.memory)
        host = self._host
        host.launch(launch)
        host.over.acquire(None)
        deadline = time.monotonic() + _LAST_TURN
        while host.is_at_work and time.monotonic() < deadline:
            time.sleep(0.0005)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def _send(self, message: Message) -> None:
        try:
            self._pipe.send((encode(message),))
        except PipeClosed:
            _end_group()

    def _read(self, frames: Iterator[bytes]) -> None:
        try:
            for frame in frames:
                self._host.receive(decode(frame))
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        _end_group()


def _end_group() -> NoReturn:
    """The parent is gone, and with it everybody who could want something from here."""
    os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv)

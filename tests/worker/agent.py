"""Plays a node's agent: starts a real worker process and talks to it over a socketpair."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import actorcloud.base
from actorcloud.base.code import dump_function
from actorcloud.base.codec import dump_call
from actorcloud.base.pipe import PipeDecoder, encode_frame
from actorcloud.protocol.message import Message, decode, encode
from actorcloud.protocol.node import Code, RunItem
from actorcloud.protocol.worker import Finished, Output, Work, WorkerReady

M = TypeVar("M", bound=Message)

ROOT = Path(actorcloud.base.__file__).parents[2]

#: Seconds for anything that a worker does; reached only by a test that fails.
PATIENCE = 30.0


class WorkerGone(EOFError):
    """The worker's end of the socket is closed."""


class FakeAgent:
    """A worker process and this end of its socketpair.

    Args:
        cwd: where the worker starts.
    """

    def __init__(self, cwd: Path = ROOT) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(PATIENCE)
        command = [sys.executable, "-m", "actorcloud.worker", str(theirs.fileno()), str(os.getpid())]
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        theirs.close()
        self.socket = ours
        self._decoder = PipeDecoder()
        self._received: deque[Message] = deque()
        self._jobs = 0
        self._known: set[bytes] = set()
        self.seen: list[Message] = []

    def __enter__(self) -> Self:
        assert self.receive() == WorkerReady(self.process.pid)
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=PATIENCE)

    # -- to the worker -------------------------------------------------------------------------------

    def send(self, *messages: Message) -> None:
        self.socket.sendall(b"".join(encode_frame(encode(message)) for message in messages))

    def item(self, function: Callable[..., object], *args: object, **kwargs: object) -> RunItem:
        """Return a new job, and see to it that the worker has its function."""
        digest, code = dump_function(function)
        if digest not in self._known:
            self._known.add(digest)
            self.send(Code(digest, code))
        self._jobs += 1
        number = self._jobs.to_bytes(16, "big")
        return RunItem(number, b"run-" + number[-12:], digest, dump_call(args, kwargs))

    def give(self, function: Callable[..., object], *args: object, **kwargs: object) -> RunItem:
        item = self.item(function, *args, **kwargs)
        self.send(Work((item,)))
        return item

    # -- from the worker -----------------------------------------------------------------------------

    def receive(self) -> Message:
        """Return the next message.

        Raises:
            WorkerGone: at the end of file, when all was received.
        """
        while not self._received:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                raise WorkerGone
            self._received.extend(map(decode, self._decoder.feed(data)))
        message = self._received.popleft()
        self.seen.append(message)
        return message

    def wait_for(self, kind: type[M]) -> M:
        """Return the next message of this class; what comes before it is in `seen`."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            message = self.receive()
            if isinstance(message, kind):
                return message
        raise TimeoutError(f"no {kind.__name__} within {PATIENCE} s")

    def run(self, function: Callable[..., object], *args: object, **kwargs: object) -> Finished:
        """Run one job and return its end."""
        item = self.give(function, *args, **kwargs)
        finished = self.wait_for(Finished)
        assert (finished.item.ref, finished.item.run) == (item.ref, item.run)
        return finished

    def printed(self, items: Sequence[RunItem]) -> dict[RunItem, bytes]:
        """Return what each of these jobs has printed so far."""
        return {
            item: b"".join(
                part.text for part in self.seen if isinstance(part, Output) and part.run == (item.ref, item.run)
            )
            for item in items
        }

    def wait_end(self) -> int:
        """Wait until the process has ended; return its status."""
        return self.process.wait(PATIENCE)


def value_of(finished: Finished) -> Any:
    """Return the result of a job that is done."""
    from actorcloud.base.codec import load_value

    assert finished.item.kind == "done", finished.item.outcome.error
    return load_value(finished.item.outcome.value)

"""What a job prints, on its way to whoever wants to read it.

`sys.stdout` and `sys.stderr` are replaced once, when the worker starts: what Python code prints
becomes `Output` frames that name the run, in the order in which it was printed, both streams
alike. A line goes out when it ends; the rest when the job does. The descriptors 1 and 2 stay what
they were: what C code prints there, and the last words of a crash, reach the node's own stream.

Thread: any; one lock keeps the pieces in order. A job's threads print under its name.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from actorcloud.protocol.record import Fence
from actorcloud.protocol.worker import Output

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: Bytes in one frame.
PIECE_LIMIT_BYTES = 32 * 1024


class Printed:
    """Collects what the current run prints and sends it.

    Args:
        send: takes a frame; may block.
    """

    def __init__(self, send: Callable[[Output], None]) -> None:
        self._send = send
        self._run: Fence | None = None
        self._pending = bytearray()
        self._lock = threading.Lock()

    def begin(self, run: Fence) -> None:
        """From now on it is this run that prints."""
        self._run = run

    def end(self) -> None:
        """Send what is left of the current run; what comes now goes to the process's own stderr."""
        run = self._run
        with self._lock:
            if run is not None and self._pending:
                self._send_lines(run)
                if self._pending:
                    self._send(Output(run, bytes(self._pending)))
                    self._pending.clear()
            self._run = None

    def write(self, data: bytes) -> None:
        """Take bytes; complete lines are sent."""
        with self._lock:
            if self._run is None:
                os.write(2, data)
                return
            self._pending += data
            if b"\n" in data or b"\r" in data or len(self._pending) >= PIECE_LIMIT_BYTES:
                self._send_lines(self._run)

    def _send_lines(self, run: Fence) -> None:
        """Send what is complete; of a line without end, pieces."""
        pending = self._pending
        while pending:
            piece = pending[:PIECE_LIMIT_BYTES]
            size = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
            if not size and len(piece) == PIECE_LIMIT_BYTES:
                size = _whole_characters(piece)
            if not size:
                return
            self._send(Output(run, bytes(pending[:size])))
            del pending[:size]


def _whole_characters(data: bytes | bytearray) -> int:
    """Return how many bytes of `data` are whole UTF-8 characters; all of them if it is no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data)
    unfinished, _ = decoder.getstate()
    return len(data) - len(unfinished)


class _Stream(io.RawIOBase):
    """The bottom of a text stream: hands bytes to `Printed`."""

    def __init__(self, printed: Printed, descriptor: int, name: str) -> None:
        self._printed = printed
        self._descriptor = descriptor
        self.name = name
        self.mode = "wb"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        # For subprocess.run(stdout=sys.stdout): a child writes to the node's stream.
        return self._descriptor

    def close(self) -> None:
        """Stay open: the next job prints here too."""

    def write(self, data: ReadableBuffer, /) -> int:
        taken = bytes(data)
        self._printed.write(taken)
        return len(taken)


class Streams:
    """The replaced `sys.stdout` and `sys.stderr`.

    Args:
        printed: gets what is written.
    """

    def __init__(self, printed: Printed) -> None:
        self._stdout = _text(_Stream(printed, 1, "<stdout>"))
        self._stderr = _text(_Stream(printed, 2, "<stderr>"))

    def put_in_place(self) -> None:
        """Make them the process's streams, also when a job has put others there."""
        sys.stdout = self._stdout
        sys.stderr = self._stderr


def use_descriptors() -> None:
    """In a forked child: print to the process's own descriptors, the frames are the parent's."""
    sys.stdout, sys.stderr = (_text(io.FileIO(descriptor, "w", closefd=False)) for descriptor in (1, 2))


def _text(raw: io.RawIOBase) -> io.TextIOWrapper:
    # write_through: no second buffer, so that the two streams keep their order.
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)  # type: ignore[arg-type]  # like python -u

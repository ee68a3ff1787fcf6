"""Where heads and nodes show what they and their jobs have to say: written by a thread of its own.

Somebody who scrolls, or a pipe that nobody reads, must hold up neither a job nor the network. What
does not fit into the queue is not shown, which is said; the tail of a job's output is kept with it all
the same.

Owns a thread. After a kill -9 what was not written is gone.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import threading
from collections import deque

#: Bytes that wait to be shown.
WAITING_LIMIT_BYTES = 1024 * 1024

#: Seconds that `close` gives what still waits.
CLOSE_TIMEOUT = 1.0


class Console:
    """Writes whole lines to a descriptor. Thread: any.

    Args:
        descriptor: open as long as this process lives; standard error.
    """

    def __init__(self, descriptor: int = 2) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()  # guards what follows, and the lines
        self._waiting_bytes = 0
        self._left_out = 0
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="actorcloud-console", daemon=True)
        self._thread.start()

    def write(self, lines: str) -> None:
        """Show whole lines soon; never blocks."""
        data = lines.encode("utf-8", "replace")
        with self._changed:
            if self._waiting_bytes + len(data) > WAITING_LIMIT_BYTES:
                self._left_out += lines.count("\n")
                return
            if self._left_out:
                data = b"[%d lines were not shown here]\n" % self._left_out + data
                self._left_out = 0
            self._lines.append(data)
            self._waiting_bytes += len(data)
            self._changed.notify()

    def close(self) -> None:
        """Show what waits, if that is possible at once, and end the thread.

        Blocks: at most `CLOSE_TIMEOUT`; a thread that cannot write is left behind.
        """
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(CLOSE_TIMEOUT)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._is_closing)
                if not self._lines:
                    return
                data = self._lines.popleft()
            self._show(data)
            with self._changed:
                self._waiting_bytes -= len(data)
                self._changed.notify_all()

    def _show(self, data: bytes) -> None:
        # In one piece where the system allows, so that the lines of two processes do not mix.
        rest = memoryview(data)
        with contextlib.suppress(OSError):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]


class ConsoleHandler(logging.Handler):
    """Logs to a console.

    Args:
        console: takes the lines.
    """

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        try:
            self._console.write(self.format(record) + "\n")
        except Exception:  # noqa: BLE001  as every handler does
            self.handleError(record)


@functools.cache
def standard_error() -> Console:
    """Return the console of this process; what waits is shown at its end."""
    console = Console()
    atexit.register(console.close)
    return console


def log_to_standard_error() -> None:
    """Let warnings and errors of this process be shown, for a process that has no other log."""
    handler = ConsoleHandler(standard_error())
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING, handlers=[handler])

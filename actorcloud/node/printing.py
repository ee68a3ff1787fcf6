"""What jobs print: shown at once, each line with its job and node, and the tail kept with the job.

Owned by one port each; the function that writes is shared and takes whole lines.
"""

from __future__ import annotations

from collections.abc import Callable

from actorcloud.base.ids import SHORT_LENGTH, JobRef
from actorcloud.protocol.record import Fence

#: Bytes of output kept with a job.
TAIL_LIMIT_BYTES = 64 * 1024


class Printing:
    """The output of one worker.

    Args:
        node: name of the node.
        write: takes whole lines; must not block.
    """

    def __init__(self, node: str, write: Callable[[str], object]) -> None:
        self._node = node
        self._write = write
        self._tails: dict[Fence, bytearray] = {}

    def show(self, run: Fence, text: bytes) -> None:
        """Show what a run printed, and keep its tail."""
        tail = self._tails.setdefault(run, bytearray())
        tail += text
        if len(tail) > TAIL_LIMIT_BYTES:
            del tail[: len(tail) - TAIL_LIMIT_BYTES]
        prefix = f"[job {str(JobRef(run[0]))[-SHORT_LENGTH:]} {self._node}] "
        lines = text.decode("utf-8", "replace").splitlines()
        self._write("".join(f"{prefix}{line}\n" for line in lines))

    def tail(self, run: Fence) -> bytes:
        """Forget and return the tail of what a run printed."""
        return bytes(self._tails.pop(run, b""))

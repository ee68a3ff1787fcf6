"""Waiting for descriptors, however many this process has open: `select.select` fails beyond number 1023."""

from __future__ import annotations

import math
import select


def wait_readable(*descriptors: int, seconds: float | None = None) -> set[int]:
    """Wait until one of `descriptors` can be read, or its other end is gone.

    Args:
        descriptors: open ones.
        seconds: at most so long; None: without limit.

    Returns:
        Those for which that is so; empty if the time is over.

    Blocks: until then.
    """
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    milliseconds = None if seconds is None else math.ceil(max(seconds, 0.0) * 1000)
    return {descriptor for descriptor, _ in poll.poll(milliseconds)}

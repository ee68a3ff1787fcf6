"""The node of a head's own, for whoever is not that head: the lock by which it is found, and its end.

Loads little: a starting head uses it before anything else.
"""

from __future__ import annotations

import fcntl
import os
import signal

from actorcloud.base.poll import wait_readable
from actorcloud.base.rendezvous import NODE_LOCK

#: Seconds that a node may take to end its workers.
END_TIMEOUT = 5.0


def take_node_lock(runtime: str) -> int | None:
    """Return the descriptor that holds the lock of the head's own node, None if a node has it.

    Args:
        runtime: the head's runtime directory.
    """
    descriptor = os.open(f"{runtime}/{NODE_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def end_node(runtime: str, *, at_once: bool = False) -> None:
    """End the node that a head has left behind, if there is one.

    Args:
        runtime: the head's runtime directory.
        at_once: whether to kill it, with what it runs.

    Blocks: until it has ended, `END_TIMEOUT` at most.
    """
    # One that has not found its next head yet cannot be told over the network; it would wait for two minutes.
    try:
        with open(f"{runtime}/{NODE_LOCK}") as file:  # noqa: PTH123  a name, as everywhere in here
            process = os.pidfd_open(int(file.read()))
    except (AttributeError, OSError, ValueError):  # no descriptors here, no such process, no number
        return
    try:
        # Still held: so the number is still that of its holder.
        lock = take_node_lock(runtime)
        if lock is not None:
            os.close(lock)
            return
        signal.pidfd_send_signal(process, signal.SIGKILL if at_once else signal.SIGTERM)
        if not wait_readable(process, seconds=END_TIMEOUT):
            signal.pidfd_send_signal(process, signal.SIGKILL)
    except ProcessLookupError:  # it has just ended
        pass
    finally:
        os.close(process)

"""The node of a head's own: started with it, kept alive, and found again after the head was killed.

The node is a process in a session of its own, and outlives a killed head with its jobs: the next
head finds `node.lock` held in its runtime directory, and does not start another; but it ends that one.

Owns the child process, if this head has started it. Loads little: it is used before anything else.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import time

from actorcloud.base.headnode import END_TIMEOUT, end_node, take_node_lock

#: The name of a head's own node.
NAME = "n1"

#: Deaths in a row, each within so many seconds of its start, after which a node is left alone.
QUICK_DEATHS_LIMIT, QUICK_DEATH_SECONDS = 5, 3.0

#: Seconds without a head after which nobody will come back for this node: whoever would start the
#: head again gives it a minute.
ORPHAN_TIME = 120.0


class NodeProcess:
    """See the module. Thread: the head's main thread.

    Args:
        runtime: the head's runtime directory, which it holds.
        workers: worker processes; 0: there is no node.
        node_timeout: seconds.
    """

    def __init__(self, runtime: str, workers: int, node_timeout: float) -> None:
        self._runtime = runtime
        self._workers = workers
        self._node_timeout = node_timeout
        self._child: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._quick_deaths = 0
        self._is_anothers = False

    @property
    def is_wanted(self) -> bool:
        """Whether this head has a node of its own."""
        return self._workers > 0

    def begin(self) -> None:
        """Start the node, unless there is to be none or one of an earlier head lives."""
        if not self.is_wanted:
            return
        lock = take_node_lock(self._runtime)
        if lock is None:
            return
        try:
            self._start(lock)
        finally:
            # The node has it now, from its first moment on: two heads that start at once start one.
            os.close(lock)

    def _start(self, lock: int) -> None:
        command = [sys.executable, "-P", "-m", "actorcloud.node", "--name", NAME, "--runtime", self._runtime]
        command += ["--head", f"ipc://{self._runtime}/head.sock", "--workers", str(self._workers)]
        command += ["--node-timeout", str(self._node_timeout), "--private", "--orphan-time", str(ORPHAN_TIME)]
        command += ["--lock-fd", str(lock)]
        os.ftruncate(lock, 0)
        self._started_at = time.monotonic()
        self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=(lock,))
        # For whoever did not start it, and is to end it all the same.
        os.write(lock, str(self._child.pid).encode())

    def keep(self) -> None:
        """Start the node again if it has died."""
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                return
            self._child = None
            logger = logging.getLogger("actorcloud.head")
            if self._is_hopeless():
                self._workers = 0
                logger.error("this head's own node ends at once, with exit code %d, and is left alone", code)
                return
            logger.warning("this head's own node ended with exit code %d; starting it again", code)
        try:
            self.begin()
        except OSError as error:
            # Out of memory or processes: the head goes on, and tries again at the next look.
            logging.getLogger("actorcloud.head").warning("this head's own node cannot be started: %s", error)

    def _is_hopeless(self) -> bool:
        is_quick = time.monotonic() - self._started_at < QUICK_DEATH_SECONDS
        self._quick_deaths = self._quick_deaths + 1 if is_quick else 0
        return self._quick_deaths >= QUICK_DEATHS_LIMIT

    def leave_to_another(self) -> None:
        """Say that another head has the store: `end` leaves alone what was found here."""
        self._is_anothers = True

    def end(self) -> None:
        """End the node with this head, also one of an earlier head."""
        if self._child is None:
            if self.is_wanted and not self._is_anothers:
                end_node(self._runtime)
            return
        self._child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(END_TIMEOUT)
        if self._child.returncode is None:
            self._child.kill()
            self._child.wait()

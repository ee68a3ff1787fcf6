"""The processes of `actorcloud demo`: a head and nodes, each started as a user would, in one directory.

Their output goes to files there, and is shown only if something goes wrong. Owns the processes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from actorcloud.base.config import SETTINGS
from actorcloud.base.errors import HeadUnreachable
from actorcloud.base.rendezvous import remove_unheld
from actorcloud.cli.look import wait_for
from actorcloud.client import Connection, child_environment, find_head, runtime_directory

T = TypeVar("T")

#: Seconds that a head may take to start, or to come back, on a busy machine.
START_TIMEOUT = 60.0

#: Seconds that a process may take to end.
END_TIMEOUT = 5.0

#: Lines of each process that are shown when something goes wrong.
_LAST_LINES = 15


def need(look: Callable[[], T | None], what: str) -> T:
    """Look until there is something, and return it.

    Raises:
        HeadUnreachable: not within `START_TIMEOUT`; `what` says what did not happen.
    """
    found = wait_for(look, START_TIMEOUT)
    if found is None:
        raise HeadUnreachable(f"{what} within {START_TIMEOUT:g} s")
    return found


class Processes:
    """A head and its nodes.

    Args:
        directory: an empty one for the store, keys and logs.
        node_timeout: seconds of silence after which a node counts as lost.
    """

    def __init__(self, directory: Path, *, node_timeout: float) -> None:
        self._directory = directory
        self._node_timeout = str(node_timeout)
        self._store = directory / "store"
        self._runtime = runtime_directory(self._store)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_head(self) -> Connection:
        """Start a head for this machine alone, under the parent that starts it again; returns when it listens."""
        self._start("head", "head", "--listen", "off")
        return self.wait_head()

    def start_node(self, name: str, workers: int) -> None:
        """Start a node that joins the head of this directory."""
        self._start(name, "node", "--name", name, "--workers", str(workers))

    def wait_head(self, other_than: int = 0) -> Connection:
        """Return the head's connection once it listens.

        Args:
            other_than: the process id of a head that was killed.

        Raises:
            HeadUnreachable: not within `START_TIMEOUT`.
        """

        def look() -> Connection | None:
            found = find_head(self._runtime)
            if found is not None and found.pid != other_than:
                return found
            if self._running["head"].poll() is not None:
                raise HeadUnreachable("the head of the demo has ended")
            return None

        return need(look, "the head of the demo did not start")

    def kill_node(self, name: str) -> int:
        """Kill a node with SIGKILL; return its process id."""
        process = self._running.pop(name)
        process.kill()
        process.wait()
        return process.pid

    def kill_head(self) -> int:
        """Kill the head with SIGKILL, not its parent; return its process id."""
        pid = self.wait_head().pid
        os.kill(pid, signal.SIGKILL)
        return pid

    def last_words(self) -> str:
        """Return the last lines that the processes said."""
        said = []
        for log in sorted(self._directory.glob("*.log")):
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
            said += [f"[{log.stem}] {line}" for line in lines]
        return "\n".join(said)

    def close(self) -> None:
        """End all processes, by force those that do not end; remove what they left outside the directory."""
        for process in reversed(self._running.values()):
            process.terminate()
        deadline = time.monotonic() + END_TIMEOUT
        for process in self._running.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                # A second signal makes the head's parent kill the head.
                process.terminate()
        self._end_by_force()
        remove_unheld(str(self._runtime))
        with contextlib.suppress(OSError):
            # Where the last head of this user goes, its place goes too.
            self._runtime.parent.rmdir()

    def _end_by_force(self) -> None:
        for process in self._running.values():
            try:
                process.wait(END_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, label: str, command: str, *arguments: str) -> None:
        shared = ["--store", str(self._store), "--node-timeout", self._node_timeout]
        with (self._directory / f"{label}.log").open("ab") as log:
            self._running[label] = subprocess.Popen(
                [sys.executable, "-P", "-m", "actorcloud", command, *shared, *arguments],
                cwd=self._directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        # The user's own settings are for the user's own cloud.
        environment = child_environment()
        for setting in SETTINGS.values():
            environment.pop(setting.variable, None)
        own = str(self._directory)
        return {**environment, "XDG_CONFIG_HOME": own, "XDG_DATA_HOME": own}

"""Who may use what an engine has open: the process that opened it, and to commit one thread.

A forked child has the same connection, and whatever it did there would be done to its parent. A second
thread that writes is a bug above, which no engine survives as well as being told.

Thread: any.
"""

from __future__ import annotations

import os
import threading
from typing import TypeVar

from actorcloud.store.engine.port import EngineFailed

T = TypeVar("T")


class Guard:
    """See the module.

    Args:
        name: of the store.
    """

    def __init__(self, name: object) -> None:
        self._name = name
        self._pid = 0
        self._writer: int | None = None

    def begin(self) -> None:
        """Let this process use the store, and commit whichever of its threads does so first."""
        self._pid, self._writer = os.getpid(), None

    def is_ours(self) -> bool:
        """Tell whether this process has opened it."""
        return os.getpid() == self._pid

    def checked(self, opened: T | None) -> T:
        """Return what is open.

        Raises:
            EngineFailed: nothing is, or not in this process.
        """
        if not opened:
            raise EngineFailed(f"the store {self._name} is not open")
        if not self.is_ours():
            raise EngineFailed(f"the store {self._name} was opened by process {self._pid}, before a fork")
        return opened

    def check_writer(self, why: str) -> None:
        """Refuse each thread but the one that has committed first.

        Args:
            why: there is only one.

        Raises:
            EngineFailed: this is another one.
        """
        thread = threading.get_ident()
        if self._writer is None:
            self._writer = thread
        if self._writer != thread:
            raise EngineFailed(f"a second thread wants to write to {self._name}; {why}")

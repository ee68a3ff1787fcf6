"""A file that one process has locked for as long as it lives, and whose text says who that is.

Owns: the descriptor. A lock of the kernel's: a process that was killed holds nothing.

Reference: flock(2).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from actorcloud.base.errors import StoreLocked

#: Bytes of the text that are looked at.
_TEXT_LIMIT = 200


class LockFile:
    """See the module.

    Args:
        path: of the file; made when it is taken.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self, store: str, owner: str) -> str:
        """Become the only one.

        Args:
            store: what it guards, for errors.
            owner: who this is, for the error of the next one.

        Returns:
            The text that the last one left.

        Raises:
            StoreLocked: another process is; the text says which.
            OSError: the file cannot be made or written.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            text = self._lock(descriptor, store)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} ({owner})\n".encode()[:_TEXT_LIMIT], 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return text

    @staticmethod
    def _lock(descriptor: int, store: str) -> str:
        text = os.pread(descriptor, _TEXT_LIMIT, 0).decode(errors="replace")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # It may not have said yet who it is.
            other = text.strip() if text.startswith("process") else "an unknown process"
            raise StoreLocked(f"the store {store} is open in {other}; use that head, or stop it first") from None
        # Read again: it may have been closed since.
        return os.pread(descriptor, _TEXT_LIMIT, 0).decode(errors="replace")

    def release(self, text: str = "") -> None:
        """Let the next one in; safe to call twice.

        Args:
            text: is left for it.
        """
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        # Whoever misses the text does without.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode(), 0)
        os.close(descriptor)

    def is_there(self) -> bool:
        """Tell whether its path still leads to it; only of one that is taken."""
        assert self._descriptor is not None
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

"""The directory of this machine in which the owner of a store on a server keeps what is its own.

::

    HOME/head.lock      flock for the life of the owner, as in a store in files; its text says who that is
    HOME/holder         who it is for the server: after a kill the next one in this home is the same one

Only one process is in a home at a time, so that it may go on at once with what the last one had. That
holds within one running kernel and one directory, so both are part of the holder: of a home that was
copied, or is seen by several machines, each is another one and waits for the lease.

Owns: the lock.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from actorcloud.net import write_private
from actorcloud.store.engine.directory import refusal
from actorcloud.store.engine.lockfile import LockFile

_LOCK = "head.lock"
_HOLDER = "holder"

#: Bytes of a holder's name.
_HOLDER_BYTES = 16

#: What tells machines with one host name apart, and one start of a machine from the next, where there is such a file.
_MACHINE = (Path("/etc/machine-id"), Path("/proc/sys/kernel/random/boot_id"))


class Home:
    """See the module.

    Args:
        path: the directory; made, for this user alone, if it is missing.
        random: n -> n random bytes.
    """

    def __init__(self, path: Path, random: Callable[[int], bytes]) -> None:
        self._path = path
        self._random = random
        self._lock = LockFile(path / _LOCK)

    def enter(self, store: str, owner: str) -> str:
        """Become the only one here.

        Args:
            store: what it is about, for errors.
            owner: who this is, for the error of the next one.

        Returns:
            The holder that whoever is here is.

        Raises:
            StoreLocked: another process is here; the text says which.
            NotAStore: the directory cannot be used.
            NoSpace: there is no room in it.
            InsecureKey: others may enter it.
        """
        try:
            for directory in [*reversed(self._path.parents), self._path]:
                # `parents=True` would make them open to others.
                directory.mkdir(mode=0o700, exist_ok=True)
            self._lock.take(store, owner)
            return self._holder()
        except OSError as error:
            self.leave()
            raise refusal(f"{self._path} cannot be the home of the head of {store}", error) from error
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Let the next one in; safe to call twice."""
        self._lock.release()

    def is_there(self) -> bool:
        """Tell whether its path still leads to it; only while we are in it."""
        return self._lock.is_there()

    def _holder(self) -> str:
        file = self._path / _HOLDER
        name = file.read_text(encoding="ascii", errors="replace").strip() if file.exists() else ""
        if len(name) != 2 * _HOLDER_BYTES:
            name = self._random(_HOLDER_BYTES).hex()
            write_private(file, name.encode())
        machine = [source.read_text(encoding="ascii").strip() for source in _MACHINE if source.exists()]
        status = self._path.stat()
        return f"{name}@{socket.gethostname()} {' '.join(machine)} {status.st_dev}:{status.st_ino}"

"""The directory of a temporary store: kept while any client holds it, removed by the last.

::

    TMPDIR/actorcloud-UID/store-RANDOM/clients.lock      flock, shared, by each client that uses it
    TMPDIR/actorcloud-UID/store-RANDOM/store/            the store itself

A lock of the kernel's, so that a killed client holds nothing: what it left behind is swept by the
next one that opens a temporary store. A forked child shares its parent's lock, which errs on the
safe side (design 6.1, rule 1).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from actorcloud.net import private_directory

#: Held, shared, by each client; taken alone by whoever removes the directory.
LOCK_NAME = "clients.lock"

_PREFIX = "store-"


class TemporaryStore:
    """A new directory for a store, held by this client.

    Raises:
        InsecureKey: the directory for temporary stores belongs to somebody else.
    """

    def __init__(self) -> None:
        parent = private_directory(Path(tempfile.gettempdir()) / f"actorcloud-{os.geteuid()}")
        sweep(parent)
        # Under another name until it is locked: a sweep must not take it for an abandoned one.
        draft = Path(tempfile.mkdtemp(prefix="new-", dir=parent))
        self._lock = _open_lock(draft)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self._place = draft.rename(parent / draft.name.replace("new-", _PREFIX, 1))
        #: Where the store is to be.
        self.path = self._place / "store"

    def release(self) -> None:
        """Let go of the directory, and remove it if nobody else holds it; idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
            remove_abandoned(self._place)
            # With the last store goes the place where they are.
            with contextlib.suppress(OSError):
                self._place.parent.rmdir()


def sweep(parent: Path) -> None:
    """Remove the temporary stores in `parent` that no client holds any more."""
    for entry in parent.glob(f"{_PREFIX}*"):
        remove_abandoned(entry)


def remove_abandoned(place: Path) -> bool:
    """Remove a temporary store, lock and all, unless a client holds it; return whether it is gone."""
    try:
        lock = _open_lock(place)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        shutil.rmtree(place, ignore_errors=True)
        return not place.exists()
    finally:
        os.close(lock)


def _open_lock(place: Path) -> int:
    return os.open(place / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

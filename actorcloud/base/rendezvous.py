"""The files by which the processes of one machine find each other: names and locks that two sides share.

A head's runtime directory is held, by a shared lock on the directory itself, by each process that makes
something in there: the head, and an `actorcloud head` that starts it again. Whoever holds it last removes it, and
after a kill -9 the next one that comes by; who holds one knows that it is still the one of that name. A program
holds it only while it ends the node of its private head: the head that it starts makes another one.

Loads little: a head's first steps are made with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

#: In a head's runtime directory: where it listens, written when it does, gone when it ends in order.
CONNECTION_FILE: Final = "head.json"

#: In the same: held by a private head's own node as long as that lives (`base.headnode`).
NODE_LOCK: Final = "node.lock"

#: In the same: held by an `actorcloud head` as long as it lives, also while its head is away.
KEEPER_LOCK: Final = "keeper.lock"

#: Seconds for which a head was ready, after which its end says nothing about how long the next one will live:
#: that one is started at once. Time enough to read what is stored, and what clients and nodes send again.
SERVED_AFTER: Final = 1.0

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_held(file: Path | str, *, shared: bool = False) -> bool:
    """Tell whether a process holds the lock of `file`; does not block.

    For a moment the lock is held here, shared where its holders do not share it: one that comes in just
    that moment finds it taken.

    Args:
        file: nobody holds one that is not there.
        shared: whether several may hold it at a time.
    """
    mode = fcntl.LOCK_EX if shared else fcntl.LOCK_SH
    try:
        with open(file, "rb") as lock:  # noqa: PTH123  pathlib is not loaded yet, here and below
            fcntl.flock(lock, mode | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextlib.contextmanager
def holding(directory: str) -> Iterator[None]:
    """Hold a runtime directory, made if it is missing; remove it at the end, unless somebody else holds it.

    Args:
        directory: private to this user, as its parent is.

    Blocks: while another process removes it.
    """
    descriptor = _hold(directory)
    try:
        yield
    finally:
        os.close(descriptor)
        remove_unheld(directory)


def remove_unheld(directory: str) -> None:
    """Remove a runtime directory that nobody holds, nor a lock in it: a killed head's node may live on."""
    try:
        descriptor = os.open(directory, _OPEN_DIRECTORY)
    except OSError:  # gone, or none
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever comes now waits for us, and makes another one.
        if _is_named(directory, descriptor) and not _has_held_lock(directory):
            import shutil  # noqa: PLC0415  only now

            shutil.rmtree(directory, ignore_errors=True)
    except OSError:  # it is held; or nothing can be locked in there, and it stays
        pass
    finally:
        os.close(descriptor)


def _hold(directory: str) -> int:
    while True:
        # Each for itself: `makedirs` would leave the first open to others.
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.dirname(directory), 0o700)  # noqa: PTH102,PTH120
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, 0o700)  # noqa: PTH102
            descriptor = os.open(directory, _OPEN_DIRECTORY)
        except FileNotFoundError:
            # The last one that used it, or its parent, has just removed it.
            continue
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if _is_named(directory, descriptor):
            return descriptor
        os.close(descriptor)


def _is_named(directory: str, descriptor: int) -> bool:
    """Tell whether what is open is what has that name now, not a removed one."""
    try:
        return os.path.samestat(os.stat(directory), os.fstat(descriptor))  # noqa: PTH116
    except FileNotFoundError:
        return False


def _has_held_lock(directory: str) -> bool:
    locks = [name for name in os.listdir(directory) if name.endswith(".lock")]  # noqa: PTH208
    return any(is_held(f"{directory}/{name}", shared=True) for name in locks)

"""The files by which the processes of one machine find each other: names and locks that two sides share."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Final

#: In a head's runtime directory: where it listens, written when it does, gone when it ends in order.
CONNECTION_FILE: Final = "head.json"

#: In the same: held by a private head's own node as long as that lives (`base.headnode`).
NODE_LOCK: Final = "node.lock"

#: In the same: held by an `actorcloud head` as long as it lives, also while its head is away.
KEEPER_LOCK: Final = "keeper.lock"


def is_held(file: Path, *, shared: bool = False) -> bool:
    """Tell whether a process holds the lock of `file`; does not block.

    For a moment the lock is held here, shared where its holders do not share it: one that comes in just
    that moment finds it taken.

    Args:
        file: nobody holds one that is not there.
        shared: whether several may hold it at a time.
    """
    mode = fcntl.LOCK_EX if shared else fcntl.LOCK_SH
    try:
        with file.open("rb") as lock:
            fcntl.flock(lock, mode | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False

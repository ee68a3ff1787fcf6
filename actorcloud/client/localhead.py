"""The head of this machine: found by the connection file in its runtime directory.

A head writes `head.json` (0600, whole or not at all) when it listens. The file may outlive it, and
its pid may be another's by now. What proves a head is its lock on its store, where that is known
(`is_locked`), else a listener (`find_head`), who will wonder about a visitor that says nothing.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec

from actorcloud.base.rendezvous import CONNECTION_FILE, is_held

#: Name of the file in a store that its head keeps locked, as long as it lives.
LOCK_FILE = "head.lock"


class Connection(msgspec.Struct, frozen=True):
    """What `head.json` says."""

    #: `ipc:///.../head.sock`.
    endpoint: str
    #: Of this start of the head.
    incarnation: int
    pid: int
    #: The join string, where it also listens on tcp.
    join: str = ""


def read_connection(runtime: Path) -> Connection | None:
    """Return what the last head of a runtime directory said, dead or alive; None if there was none."""
    try:
        return msgspec.json.decode((runtime / CONNECTION_FILE).read_bytes(), type=Connection)
    except (OSError, msgspec.MsgspecError):
        return None


def is_locked(store: Path) -> bool:
    """Tell whether a head has this store.

    A head that comes up in just that moment finds its store locked, and whoever started it tries again.
    """
    return is_held(store / LOCK_FILE)


def owner_of(store: Path) -> str:
    """Return what the head that has this store wrote of itself: its pid and runtime directory; empty if nothing."""
    try:
        text = (store / LOCK_FILE).read_text(errors="replace").strip()
    except OSError:
        return ""
    # A head that ended in order has left there how its file was.
    return text if text.startswith("process ") else ""


def is_alive(pid: int) -> bool:
    """Tell whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def find_head(runtime: Path) -> Connection | None:
    """Return the head that listens in a runtime directory, None if there is none."""
    found = read_connection(runtime)
    if found is None:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(found.endpoint.removeprefix("ipc://"))
        except OSError:
            return None
    return found

"""Opening a private head: its directories, its process, the connection to it.

::

    Cloud()            TMPDIR/actorcloud-UID/store-RANDOM   gone with its last client
    Cloud(path=P)      P                                  kept; a second program with P finds the same head

    $XDG_RUNTIME_DIR/actorcloud/NAME/     0700; NAME is made from the store's path; gone with its head
        head.sock                         the head listens here
        head.json                         and says so here (`localhead.Connection`)
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from actorcloud.base.errors import ConfigError
from actorcloud.base.location import Location, locate
from actorcloud.base.rendezvous import remove_unheld
from actorcloud.client import connect
from actorcloud.client.headprocess import HeadProcess
from actorcloud.client.room import Room
from actorcloud.client.session import Session
from actorcloud.client.temporary import TemporaryStore
from actorcloud.net import private_directory

#: Bytes of a unix socket's path on Linux; macOS has a few less.
_SOCKET_PATH_LIMIT = 100

#: Bytes of the digest that names a store's runtime directory.
_NAME_BYTES = 8

#: Such a directory; beside them there may be temporary stores.
_NAME = re.compile(rf"[0-9a-f]{{{2 * _NAME_BYTES}}}")


def open_private(path: str | PathLike[str] | None, workers: int | None) -> Room:
    """Return a room over a private head.

    Args:
        path: of its durable store, or its address (`base.location`); None: a temporary one.
        workers: worker processes; None: the usable CPUs.

    Raises:
        ConfigError: `path` is a file, or no address.
        HeadUnreachable: the head did not start; what it said is on stderr.

    Blocks: until the head answers.
    """
    if path is None:
        temporary = TemporaryStore()
        fate = "discarded with the temporary store; Cloud(path=...) would keep them"
        return _open(locate(temporary.path), workers, "temporary store", fate, temporary)
    store = locate(path)
    if store.home.exists() and not store.home.is_dir():
        raise ConfigError(f"path={store.name!r}: {store.file_in_the_way}")
    fate = f"kept in {store}; they go on while a program has it open"
    return _open(store, workers, f"store {store}", fate, None)


def _open(store: Location, workers: int | None, kind: str, fate: str, temporary: TemporaryStore | None) -> Room:
    runtime = runtime_directory(store.home)
    count = usable_cpus() if workers is None else workers
    process = HeadProcess(store, runtime, count, temporary=temporary is not None)

    def release() -> None:
        try:
            process.leave()
        finally:
            if temporary is not None:
                process.end()
                temporary.release()
            # Of a head that was killed; one that ended in order has taken it along.
            remove_unheld(str(runtime))

    return Room(_session(process, release), kind=f"private, {kind}", fate=fate, release=release)


def _session(process: HeadProcess, release: Callable[[], None]) -> Session:
    try:
        process.begin()
        # While the head starts, this process loads what it needs to talk to it.
        connect.load()
        sweep_runtime_directories(process.runtime.parent)
        connection = process.wait_ready()
        # From now on, not once we are in: it may die of somebody else before that, and nobody would start it again.
        process.watch(connection)
        head = connect.connect(connection.endpoint)
    except BaseException:
        release()
        raise
    return Session(head)


def runtime_directory(store: Path) -> Path:
    """Return the private directory in which the head whose home is `store` has its socket; the head makes it.

    Raises:
        InsecureKey: its parent belongs to somebody else, or is open to others.
    """
    from hashlib import blake2b  # noqa: PLC0415  loads OpenSSL

    name = blake2b(os.fsencode(store), digest_size=_NAME_BYTES).hexdigest()
    own = os.environ.get("XDG_RUNTIME_DIR")
    fallback = Path("/tmp") / f"actorcloud-{os.geteuid()}"  # noqa: S108  made 0700 and checked below
    base = Path(own) / "actorcloud" if own and os.access(own, os.W_OK) else fallback
    if len(os.fsencode(base / name / "head.sock")) > _SOCKET_PATH_LIMIT:
        base = fallback
    return private_directory(base) / name


def sweep_runtime_directories(base: Path) -> None:
    """Remove what killed heads have left behind in `base`, where `runtime_directory` has its directories."""
    for entry in base.glob("*"):
        if _NAME.fullmatch(entry.name):
            remove_unheld(str(entry))


def usable_cpus() -> int:
    """Return how many CPUs this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1

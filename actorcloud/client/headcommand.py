"""How the process of a head is started, and what it is told of its store: `python -m actorcloud.head`.

Whoever looks at processes sees arguments and environments. So of a database's address only the name
is among these; the whole of it, with the password, goes through a pipe, and no further than the head.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path

from actorcloud.base.errors import ConfigError
from actorcloud.base.location import Location, locate

#: -P: the working directory is no place to import from; a script's `queue.py` must not shadow the library's.
COMMAND = (sys.executable, "-P", "-m", "actorcloud.head")

#: Where a user may have named the store, as `base.config` says.
STORE_VARIABLE = "ACTORCLOUD_STORE"


def start_head(  # noqa: PLR0913  what one process is started with
    store: Location,
    arguments: Sequence[str],
    *,
    existing: bool = False,
    command: Sequence[str] = COMMAND,
    pass_fds: Sequence[int] = (),
    stdout: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start the process of a head, in a session of its own.

    Args:
        store: where its store is.
        arguments: further ones, as `actorcloud.head` takes them.
        existing: there has been a store, and an empty one must not be made in its place.
        command: the program; tests have one of their own.
        pass_fds: descriptors that it inherits.
        stdout: as for `subprocess.Popen`.

    Raises:
        OSError: it cannot be started.
    """
    with _told(store) as (where, descriptors):
        return subprocess.Popen(
            [*command, *where, *arguments, *(["--existing"] if existing else [])],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            pass_fds=(*pass_fds, *descriptors),
            start_new_session=True,
            env=child_environment(),
        )


def child_environment() -> dict[str, str]:
    """Return the environment of a child process that is to run this very actorcloud."""
    # It must find this very actorcloud, wherever that was imported from.
    home = str(Path(__file__).parents[2])
    path = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": home if not path else f"{home}{os.pathsep}{path}"}
    hide_store(environment)
    return environment


def hide_store(environment: MutableMapping[str, str]) -> None:
    """Leave of the address of a store in an environment what may be seen: jobs get to see it."""
    try:
        store = locate(environment.get(STORE_VARIABLE, ""))
    except ConfigError:
        # Whatever it is, it is no use to anybody.
        del environment[STORE_VARIABLE]
        return
    if store.has_secrets:
        environment[STORE_VARIABLE] = store.name


@contextlib.contextmanager
def _told(store: Location) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """Give the arguments and the descriptors from which a head learns where its store is."""
    if not store.has_secrets:
        yield ["--store", store.name], ()
        return
    reader, writer = os.pipe()
    try:
        # It fits the pipe: its length is limited.
        os.write(writer, store.address.encode())
        os.close(writer)
        yield ["--store", store.name, "--store-fd", str(reader)], (reader,)
    finally:
        os.close(reader)

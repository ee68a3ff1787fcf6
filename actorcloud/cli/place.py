"""Which head a command speaks to: the one it is told, else the one of this machine.

The head of this machine is known by its store: the runtime directory, where its connection file
is, follows from the store's path.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click
import msgspec

from actorcloud.base.errors import HeadUnreachable
from actorcloud.base.location import Location, default_location, locate
from actorcloud.base.rendezvous import KEEPER_LOCK, holding, is_held
from actorcloud.cli import report
from actorcloud.cli.look import wait_for
from actorcloud.cli.option import option, stronger
from actorcloud.client import Cloud, Connection, find_head, read_connection, runtime_directory

#: What else most commands can do where this machine has no head.
_OTHER_HEADS = ", or name one by --head (a join string, or HOST:PORT of one that is known here)"

#: Seconds without an answer after which a person begins to wonder.
_WONDERING_AFTER = 3.0

#: Seconds that a head which was killed may take to be back.
_RETURN_TIMEOUT = 3.0

#: Seconds that it may take where somebody starts it again: as long as a program waits for a head.
_KEPT_TIMEOUT = 20.0


class Place(msgspec.Struct, frozen=True):
    """What the options say about the head to speak to, and how much to say."""

    head: str | None
    store: str | None
    quiet: bool

    def open(self) -> AbstractContextManager[Cloud]:
        """Open the cloud, for one command.

        Raises:
            HeadUnreachable: there is no head.
        """
        opener: Callable[[str], AbstractContextManager[Cloud]] = click.get_current_context().obj or functools.partial(
            opened, talk=self.talk
        )
        return opener(self.head or local_head(self.store, or_else=_OTHER_HEADS).endpoint)

    def open_store(self) -> AbstractContextManager[Cloud]:
        """Open the cloud for a command that looks at what is stored: without its head where a named store has none.

        Raises:
            HeadUnreachable: there is no head, and no store was named.
        """
        store = location_of(self.store)
        if self.head is not None or self.store is None or find_local_head(store) is not None:
            return self.open()
        from actorcloud.head import open_offline  # noqa: PLC0415  loads the engine, which few commands need

        self.talk(f"no head has the store {store}; opening it without one")
        return open_offline(store)

    def talk(self, text: str) -> None:
        """Say something to the person at the terminal, unless that is not wanted."""
        report.talk(text, quiet=self.quiet)


def speaks_to_head(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which head it speaks to; it gets them as `place`."""

    @functools.wraps(command)
    def run(*args: Any, head: str | None, store: str | None, quiet: bool, **kwargs: Any) -> None:
        named = head if stronger("head", "store") == "head" else None
        command(*args, place=Place(named, store, quiet), **kwargs)

    for add in (option("quiet", "-q"), option("store"), option("head")):
        run = add(run)
    return run


@contextlib.contextmanager
def opened(where: str, talk: Callable[[str], None]) -> Iterator[Cloud]:
    """Open a cloud for a command, which says itself what becomes of its jobs.

    Args:
        where: its head.
        talk: told that the head has not answered yet.
    """
    wondering = threading.Timer(_WONDERING_AFTER, talk, ["no head has answered yet; still waiting"])
    wondering.daemon = True
    wondering.start()
    try:
        cloud = Cloud(where)
    finally:
        wondering.cancel()
    try:
        yield cloud
    finally:
        # Not `cloud.close()`: that tells a program what becomes of its jobs, and a command has none.
        cloud.room.session.close()


def local_head(store: str | None, *, or_else: str = "") -> Connection:
    """Return the connection of this machine's head.

    Args:
        store: that it has; None: the default.
        or_else: what else the command can do where none runs.

    Raises:
        HeadUnreachable: none runs; the message says what to do.
    """
    path = location_of(store)
    found = find_local_head(path)
    if found is None and is_kept(runtime_directory(path.home)):
        raise HeadUnreachable(
            f"the head of the store {path} does not answer: its `{local_command('head', path)}` runs on this machine, "
            "and starts it again; that one says what it waits for"
        )
    if found is None:
        raise HeadUnreachable(
            f"no head runs on this machine with the store {path}: "
            f"start one with `{local_command('head', path)}`{or_else}"
        )
    return found


@contextlib.contextmanager
def keeping(runtime: Path) -> Iterator[None]:
    """Let commands know that somebody starts the head of this runtime directory whenever it ends."""
    with holding(str(runtime)), (runtime / KEEPER_LOCK).open("wb") as lock:
        # Shared: there may be two, of which one waits for the store.
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def is_kept(runtime: Path) -> bool:
    """Tell whether somebody starts the head of this runtime directory whenever it ends."""
    return is_held(runtime / KEEPER_LOCK, shared=True)


def find_local_head(store: Location) -> Connection | None:
    """Return the connection of the head of this machine that has this store, None if there is none."""
    runtime = runtime_directory(store.home)

    def look() -> tuple[Connection | None] | None:
        found = find_head(runtime)
        # A head that ends takes its file along; one that was killed is started again by its parent.
        is_returning = found is None and read_connection(runtime) is not None
        return None if is_returning else (found,)

    (found,) = wait_for(look, _KEPT_TIMEOUT if is_kept(runtime) else _RETURN_TIMEOUT) or (None,)
    return found


def local_command(command: str, store: Location) -> str:
    """Return how to write a command about the head of this machine that has this store."""
    named = "" if store == default_location() else f" --store {shlex.quote(store.name)}"
    return f"actorcloud {command}{named}"


def location_of(store: str | None) -> Location:
    """Return where the head's store is; None: where it is by default.

    Raises:
        ConfigError: that is no location.
    """
    return locate(store) if store else default_location()

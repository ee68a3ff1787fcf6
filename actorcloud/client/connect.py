"""Connecting to a head: over ipc to a private one, over tcp and CURVE to a cluster's.

Everything that loads a network library is loaded here, by `load`, not by importing this package.
"""

from __future__ import annotations

import os
import re
import socket
import sys

from actorcloud.base.clock import SystemClock
from actorcloud.base.errors import BadJoinString, ConfigError
from actorcloud.base.ids import new_incarnation
from actorcloud.base.location import hide_secrets
from actorcloud.base.version import VERSION
from actorcloud.client.link import Head
from actorcloud.net import JoinString, KeyPair, ReactorOptions

#: Seconds until a head that should be there must have answered: some dials, with their back-off.
CONNECT_TIMEOUT_DEFAULT = 20.0

#: Where a head listens unless told otherwise.
PORT_DEFAULT = 7710

_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/]+)(?::(?P<port>\d{1,5}))?")


def load() -> None:
    """Load what `connect` needs, so that it is quick later."""
    from actorcloud.client import transporthead  # noqa: F401, PLC0415  loaded for its own sake
    from actorcloud.net import Reactor  # noqa: F401, PLC0415  as above


def connect(endpoint: str, *, timeout: float = CONNECT_TIMEOUT_DEFAULT) -> Head:
    """Return the private head that listens at `endpoint`.

    Args:
        endpoint: `ipc:///...`, in a directory of this user's own.
        timeout: seconds.

    Raises:
        HeadUnreachable: nobody answers there.

    Blocks: until it answers.
    """
    return _open((endpoint,), _options(), timeout)


def join(where: str, *, timeout: float = CONNECT_TIMEOUT_DEFAULT) -> Head:
    """Return the head of a cluster.

    Args:
        where: a join string, `host:port` (port 7710 by default) of a head that is pinned, or the
            `ipc://` endpoint of one of this machine.
        timeout: seconds.

    Raises:
        BadJoinString: it is neither.
        UnknownHead: the address is not pinned.
        JoinRefused: the head does not let us in.
        HeadUnreachable: nobody answers there.

    Blocks: until it answers.
    """
    if where.startswith("ipc://"):
        return connect(where, timeout=timeout)
    from actorcloud.client.knownhead import KnownHeads  # noqa: PLC0415  not for private heads

    known = KnownHeads()
    if where.strip().startswith("ac1."):
        text = JoinString.parse(where)
        options = _options(key_pair=known.key_pair(), head_key=text.head_key, secret=text.secret)
        head = _open(tuple(text.endpoints), options, timeout)
        known.pin([endpoint.removeprefix("tcp://") for endpoint in text.endpoints], text.head_key)
        return head
    address = address_of(where)
    options = _options(head_key=known.find(address), key_pair=known.key_pair())
    return _open((f"tcp://{address}",), options, timeout)


def describe(where: str) -> str:
    """Return what may be shown and logged of `join`'s `where`: never the secret of a join string.

    >>> describe("db1:7710")
    'db1:7710'
    """
    text = where.strip()
    return ", ".join(JoinString.parse(text).endpoints) if text.startswith("ac1.") else text


def address_of(where: str) -> str:
    """Return `host:port` of what a user wrote.

    >>> address_of("tcp://db1")
    'db1:7710'

    Raises:
        BadJoinString: it is no address.
        ConfigError: it is one of a store.
    """
    # Anywhere: with quotes around it, it has a password all the same.
    if re.search(r"(sqlite|postgres|postgresql):|password\s*=", where):
        raise ConfigError(
            f"{hide_secrets(where)!r} is where a store is, and no head: Cloud(path=...), or --store, takes it"
        )
    found = _ADDRESS.fullmatch(where.strip().removeprefix("tcp://"))
    if found is None or not 0 < int(found["port"] or PORT_DEFAULT) < 65536:  # noqa: PLR2004  the last port
        raise BadJoinString(f"{where!r} is neither a join string (ac1. ...) nor host:port of a head")
    return f"{found['host']}:{found['port'] or PORT_DEFAULT}"


def _options(
    key_pair: KeyPair | None = None, head_key: bytes | None = None, secret: bytes | None = None
) -> ReactorOptions:
    # A new name for each connection: two programs of one user are two peers.
    host = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:20] or "client"
    name = f"{host}-{os.getpid()}-{os.urandom(3).hex()}"
    return ReactorOptions(
        name=name,
        role="client",
        incarnation=new_incarnation(),
        key_pair=key_pair,
        head_key=head_key,
        secret=secret,
        facts=facts(),
    )


def facts() -> dict[str, str]:
    """Return what the head is told of this process: which Python pickles here, and who may be dead."""
    # By the pid a private head knows that its last client is gone: by its goodbye, or by its death.
    return {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "pid": str(os.getpid()), "version": VERSION}


def _open(endpoints: tuple[str, ...], options: ReactorOptions, timeout: float) -> Head:
    from actorcloud.client.transporthead import TransportHead  # noqa: PLC0415  see `load`
    from actorcloud.net import Reactor  # noqa: PLC0415  loads zmq

    head = TransportHead(Reactor(options), endpoints, SystemClock())
    try:
        head.start(timeout)
    except BaseException:
        head.close()
        raise
    return head

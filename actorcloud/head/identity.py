"""Who this head is for other machines: its keys, its secret, the peers it has pinned.

::

    STORE/head.key      its key pair, 0600
    STORE/secret        16 random bytes: who has them, in a join string, may enrol
    STORE/pins.json     the name and the key of each peer that has enrolled

They lie beside the store, because a head is its store: moved together, they are the same head.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec

from actorcloud.net import (
    JoinString,
    KeyPair,
    PinFile,
    Pins,
    load_key_pair,
    private_directory,
    read_private,
    write_private,
)

_SECRET_BYTES = 16

#: Addresses that name every interface: no address to dial.
_WILDCARDS = {"0.0.0.0", "[::]", "::", "*"}  # noqa: S104  compared with, not listened at


class Identity(msgspec.Struct, frozen=True):
    """See the module."""

    key_pair: KeyPair
    secret: bytes
    pins: Pins

    def join_string(self, listen: str) -> JoinString:
        """Return the line with which others join a head that listens at `host:port`."""
        return JoinString(self.key_pair.public, [f"tcp://{address}" for address in addresses(listen)], self.secret)


def load_identity(store: Path) -> Identity:
    """Return the identity of the head of `store`, made at the first use.

    Raises:
        InsecureKey: the files can be read by others.
    """
    private_directory(store)
    path = store / "secret"
    if not path.exists():
        write_private(path, os.urandom(_SECRET_BYTES), replace=False)
    return Identity(load_key_pair(store / "head.key"), read_private(path), PinFile(store / "pins.json"))


def addresses(listen: str) -> list[str]:
    """Return the addresses by which others may reach a head that listens at `host:port`.

    >>> addresses("127.0.0.1:7710")
    ['127.0.0.1:7710']
    """
    host, _, port = listen.rpartition(":")
    if host not in _WILDCARDS:
        return [listen]
    # The name first: addresses change, and a name says more in an error.
    return [f"{socket.gethostname()}:{port}"]

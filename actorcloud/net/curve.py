"""The few functions of libzmq's CURVE that are needed without a socket."""

from __future__ import annotations

import zmq
from zmq.utils import z85

from actorcloud.base.errors import CurveMissing

_KEY_BYTES = 32


def require_curve() -> None:
    """Do nothing if libzmq can encrypt.

    Raises:
        CurveMissing: if it cannot; there is no way on without.
    """
    if not zmq.has("curve"):
        raise CurveMissing


def make_key_pair() -> tuple[bytes, bytes]:
    """Return (public, secret), 32 bytes each, fresh and random."""
    require_curve()
    public, secret = zmq.curve_keypair()
    return z85.decode(public), z85.decode(secret)


def derive_public(secret: bytes) -> bytes:
    """Return the 32 public bytes of 32 secret ones.

    Raises:
        ValueError: if they are not 32.
    """
    require_curve()
    if len(secret) != _KEY_BYTES:
        raise ValueError(f"a secret key has {_KEY_BYTES} bytes, not {len(secret)}")
    return z85.decode(zmq.curve_public(z85.encode(secret)))


def as_option(key: bytes) -> bytes:
    """Return a 32-byte key in the form that socket options take."""
    return z85.encode(key)

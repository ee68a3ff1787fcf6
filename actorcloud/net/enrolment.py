"""Who may come in: names pinned to keys, and the join string's secret for those not yet known. Pure.

A connection is authenticated as a *user* before a byte of it is read:

==================  ====================================================================
user                meaning
==================  ====================================================================
`local:<uid>`       ipc: the kernel vouched for the uid; no name is pinned
`key:<hex>`         CURVE with a key that is pinned to a name
`pending:<hex>`     CURVE with an unknown key: may say exactly one thing, a hello with a proof
==================  ====================================================================

A node's name and key are pinned one to one: a second key that claims a known name is refused, and so
is a known key with a new name. Clients are many and short-lived: one key may have many names.

The proof is HMAC-SHA256(secret, "join" | client key | head key | name | nonce): it shows that the peer
holds the join string, and is worth nothing to anyone with another key. Replay is CURVE's business.

Reference: net-design 2.2; Salt's CVE-2013-4439 for pinning.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Protocol

import msgspec

from actorcloud.protocol.handshake import Hello, Reject

KEY_PREFIX = "key:"
PENDING_PREFIX = "pending:"
LOCAL_PREFIX = "local:"


class Pin(msgspec.Struct, frozen=True):
    """A key that was let in, and under which name and role."""

    name: str
    role: str
    #: The public key, 32 bytes.
    key: bytes


class Pins(Protocol):
    """Where pins are kept; `save` is durable when it returns.

    Thread: `load` is called before the transport starts, `save` from the transport's thread; it may
    take as long as an fsync, since a peer enrols once in its life.
    """

    def load(self) -> Sequence[Pin]:
        """Return all pins."""
        ...

    def save(self, pin: Pin) -> None:
        """Keep one more."""
        ...


class NoPins:
    """Keeps nothing: for processes that let nobody in but by ipc, and for tests."""

    def load(self) -> Sequence[Pin]:
        """Return nothing."""
        return ()

    def save(self, pin: Pin) -> None:
        """Forget it."""


def make_proof(secret: bytes, client_key: bytes, head_key: bytes, hello: Hello) -> bytes:
    """Return the proof for `hello`, 32 bytes."""
    text = b"|".join((b"join", client_key, head_key, hello.name.encode(), hello.nonce))
    return hmac.new(secret, text, hashlib.sha256).digest()


class Gate:
    """Decides over every hello.

    Thread: the transport's own.

    Args:
        pins: where pins are kept; read here once.
        head_key: the head's public key; None where there is no tcp.
        secret: of the join string; None: nobody enrols.
    """

    def __init__(self, pins: Pins, head_key: bytes | None = None, secret: bytes | None = None) -> None:
        self._pins = pins
        self._head_key = head_key
        self._secret = secret
        self._by_key: dict[bytes, Pin] = {}
        self._by_name: dict[str, Pin] = {}
        for pin in pins.load():
            self._add(pin)

    def user_of(self, key: bytes) -> str | None:
        """Return as whom a connection with this CURVE key comes in; None: not at all."""
        if key in self._by_key:
            return KEY_PREFIX + key.hex()
        return PENDING_PREFIX + key.hex() if self._secret is not None else None

    def judge(self, hello: Hello, user: str) -> Reject | None:
        """Return why this hello is refused; None if it is let in.

        Args:
            hello: what the peer says.
            user: as whom its connection was authenticated.
        """
        if hello.role not in {"node", "client"}:
            return Reject(code="auth", text=f"role {hello.role!r} is not let in; node and client are")
        if user.startswith(LOCAL_PREFIX):
            return None
        if user.startswith(KEY_PREFIX):
            return self._judge_known(hello, bytes.fromhex(user.removeprefix(KEY_PREFIX)))
        if user.startswith(PENDING_PREFIX):
            return self._judge_pending(hello, bytes.fromhex(user.removeprefix(PENDING_PREFIX)))
        return Reject(code="auth", text="this connection is not authenticated")

    def _judge_known(self, hello: Hello, key: bytes) -> Reject | None:
        pin = self._by_key.get(key)
        if pin is None:
            return Reject(code="auth", text="this key is no longer known")
        if taken := self._taken(hello.name, key):
            return taken
        if pin.role == "node" and hello.name != pin.name:
            return Reject(code="auth", text=f"this key belongs to node {pin.name}; {hello.name} needs a key of its own")
        return None

    def _judge_pending(self, hello: Hello, key: bytes) -> Reject | None:
        if key in self._by_key:
            # It enrolled on this very connection, or on one that was opened at the same time.
            return self._judge_known(hello, key)
        if self._secret is None or self._head_key is None:
            return Reject(code="auth", text="this head enrols nobody")
        expected = make_proof(self._secret, key, self._head_key, hello)
        if not hmac.compare_digest(expected, hello.proof):
            return Reject(code="auth", text="the join string is not the one of this head; get a new one on its machine")
        if taken := self._taken(hello.name, key):
            return taken
        pin = Pin(hello.name, hello.role, key)
        self._pins.save(pin)
        self._add(pin)
        return None

    def _taken(self, name: str, key: bytes) -> Reject | None:
        pin = self._by_name.get(name)
        if pin is None or pin.key == key:
            return None
        return Reject(
            code="name-taken", text=f"the name {name} belongs to another key; choose another, or restore that key"
        )

    def _add(self, pin: Pin) -> None:
        self._by_key[pin.key] = pin
        self._by_name[pin.name] = pin

"""What a head is told when it starts, checked at once."""

from __future__ import annotations

import math

import msgspec

from actorcloud.base.errors import ConfigError
from actorcloud.base.ids import PEER_NAME
from actorcloud.base.location import Location

#: Seconds until a node that does not answer is given up. Long enough for a swapping machine.
NODE_TIMEOUT_DEFAULT = 15.0

#: What `store.quota` has, which is not loaded yet; a test compares them.
QUOTA_KEYS_DEFAULT, QUOTA_BYTES_DEFAULT = 10_000_000, 16 * 1024**3

#: Worker processes of a head's own node.
WORKERS_LIMIT = 4096


class HeadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one head.

    Raises:
        ConfigError: when built with a wrong value; the message names the field, the value and the limit.
    """

    #: Where the store is; made if it is missing.
    store: Location
    #: There has been a store: an empty one must not be made in its place.
    existing: bool = False
    #: A directory of this user's own, 0700: the socket and `head.json` are there.
    runtime: str
    #: `host:port` to listen at, with CURVE; None: only this machine.
    listen: str | None = None
    #: Worker processes of its own node; 0: it has none.
    workers: int = 0
    #: Seconds.
    node_timeout: float = NODE_TIMEOUT_DEFAULT
    #: Keys that one job or named space may have in the store.
    quota_keys: int = QUOTA_KEYS_DEFAULT
    #: The same in bytes.
    quota_bytes: int = QUOTA_BYTES_DEFAULT
    #: The store goes when the last client has left.
    temporary: bool = False
    name: str = "head"
    #: An inherited descriptor: a byte is written there when the head can be used. A head that was
    #: started by a client in this way ends when its last client has left.
    ready_fd: int | None = None

    def __post_init__(self) -> None:
        if not PEER_NAME.fullmatch(self.name):
            raise ConfigError(f"name={self.name!r}: a-z 0-9 . _ -, at most 64, not beginning with . _ - is needed")
        if not 0 <= self.workers <= WORKERS_LIMIT:
            raise ConfigError(f"workers={self.workers!r}: 0 to {WORKERS_LIMIT} worker processes are possible")
        if not (math.isfinite(self.node_timeout) and 0.1 <= self.node_timeout <= 86_400):  # noqa: PLR2004  named below
            raise ConfigError(f"node_timeout={self.node_timeout!r}: 0.1 to 86400 seconds are possible")

        for field in ("quota_keys", "quota_bytes"):
            if getattr(self, field) < 1:
                raise ConfigError(f"{field}={getattr(self, field)!r}: at least 1 is needed")

    @property
    def is_private(self) -> bool:
        """Whether a client started it, for itself and its like."""
        return self.ready_fd is not None

    @property
    def endpoint(self) -> str:
        """Where this machine's programs find it."""
        return f"ipc://{self.runtime}/head.sock"

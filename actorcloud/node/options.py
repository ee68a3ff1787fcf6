"""What a node is told when it starts, checked at once."""

from __future__ import annotations

import math

import msgspec

from actorcloud.base.errors import ConfigError
from actorcloud.base.ids import PEER_NAME

#: Seconds; the head's own setting decides once it has welcomed us.
NODE_TIMEOUT_DEFAULT = 15.0

#: Seconds that a node goes on with its jobs without a head.
ORPHAN_TIME_DEFAULT = 600.0

#: Worker processes.
WORKERS_LIMIT = 4096


class NodeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one node.

    Raises:
        ConfigError: when built with a wrong value; the message names the field, the value and the limit.
    """

    #: Kept over restarts, and pinned to this machine's key at the head.
    name: str
    #: A directory of this user's own, 0700.
    runtime: str
    #: Worker processes.
    workers: int
    #: A join string: the head is dialled, or, with `listen`, waited for.
    join: str | None = None
    #: `ipc://` endpoint of a head on this machine.
    head: str | None = None
    #: `host:port` where the head is to dial us (`cloud.add_node`).
    listen: str | None = None
    #: Where this node's own key is; None: `keys` in the user's configuration directory.
    keys: str | None = None
    node_timeout: float = NODE_TIMEOUT_DEFAULT
    orphan_time: float = ORPHAN_TIME_DEFAULT
    #: Belongs to one head, and ends when that says goodbye.
    private: bool = False
    #: Of a private node: the descriptor that holds its lock already, as whoever started it took it.
    lock_fd: int | None = None

    def __post_init__(self) -> None:
        if not PEER_NAME.fullmatch(self.name):
            raise ConfigError(f"name={self.name!r}: a-z 0-9 . _ -, at most 64, not beginning with . _ - is needed")
        if not 1 <= self.workers <= WORKERS_LIMIT:
            raise ConfigError(f"workers={self.workers!r}: 1 to {WORKERS_LIMIT} worker processes are possible")
        if (self.join is None) == (self.head is None):
            raise ConfigError("a node joins with a join string, or by the endpoint of a head on this machine: give one")
        if self.listen is not None and self.join is None:
            raise ConfigError(f"listen={self.listen!r} needs join: only a head whose key is known is let in")
        for field in ("node_timeout", "orphan_time"):
            seconds = getattr(self, field)
            if not (math.isfinite(seconds) and 0.1 <= seconds <= 864_000):  # noqa: PLR2004  named below
                raise ConfigError(f"{field}={seconds!r}: 0.1 to 864000 seconds are possible")

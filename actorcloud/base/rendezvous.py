"""The files by which the processes of one machine find each other: names that two sides share."""

from __future__ import annotations

from typing import Final

#: In a head's runtime directory: where it listens, written when it does, gone when it ends in order.
CONNECTION_FILE: Final = "head.json"

#: In the same: held by a private head's own node as long as that lives.
NODE_LOCK: Final = "node.lock"

#: In the same: held by an `actorcloud head` as long as it lives, also while its head is away.
KEEPER_LOCK: Final = "keeper.lock"

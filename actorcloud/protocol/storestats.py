"""How the store is doing (tags 50-51): asked of the actor named "store", answered at once.

History: version 1, the first.
"""

from __future__ import annotations

import msgspec

from actorcloud.protocol.message import Message


class StoreFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics of a store; counts are those since its head started."""

    #: Number of the last commit.
    seq: int = 0
    #: Transactions committed; runs of others that came to nothing, at a read or at the commit.
    commits: int = 0
    conflicts: int = 0
    #: Reads and commits refused for good, and commits refused as too many were waiting.
    refused: int = 0
    busy: int = 0
    #: Writes to the disk; transactions in one, the median and what 99 of 100 do not exceed.
    batches: int = 0
    batch_p50: float = 0.0
    batch_p99: float = 0.0
    #: Seconds of one, until it is durable.
    commit_p50: float = 0.0
    commit_p99: float = 0.0
    #: Transactions that wait to be judged, now.
    pending: int = 0
    #: Prefixes that are yet to be cleaned up, now.
    cleaning: int = 0
    #: Keys, the engine's own included.
    entries: int = 0
    #: Bytes in use, and that may be used.
    used_bytes: int = 0
    limit_bytes: int = 0
    #: Slots of the reader table that have been used; 0 where there is none.
    readers: int = 0


class GetStoreStats(Message, tag=50, frozen=True):
    """How is the store?"""


class StoreStats(Message, tag=51, frozen=True):
    """The answer to `GetStoreStats`."""

    figures: StoreFigures

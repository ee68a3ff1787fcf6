"""The store: serializable transactions over an engine port, one sequencer, LMDB by default.

The server's half (`StoreActor`, `WriterActor`, the engines) lives in the head; the callers' half
(`Transactions`) in clients and workers, which never load lmdb: `LmdbEngine` is imported at its first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorcloud.store import keys
from actorcloud.store.actor import StoreActor
from actorcloud.store.caller import (
    TRANSACTION_TIMEOUT_DEFAULT,
    Abort,
    Ask,
    Codec,
    Commit,
    Fail,
    FencedRun,
    Inspected,
    Inspector,
    Means,
    Space,
    Staged,
    Transaction,
    Transactions,
    rehearsed,
    run_callbacks,
    user_key,
)
from actorcloud.store.change import Applied, Apply, Change, Expect, Fed, Get, Got, Page, Recipient, Refused, Scan
from actorcloud.store.engine import (
    Batch,
    CheckLevel,
    Engine,
    EngineCaps,
    EngineFailed,
    EngineStats,
    FencedOut,
    Opened,
    ReadPlan,
    ReadView,
    Report,
    Unresolved,
)
from actorcloud.store.engine import Scan as EngineScan
from actorcloud.store.engine.memory import MemoryDisk, MemoryEngine
from actorcloud.store.key_codec import KEY_LIMIT_BYTES, Key, decode_key, encode_key
from actorcloud.store.single import SingleStore
from actorcloud.store.stored import pack_time, time_of
from actorcloud.store.validation import check_footprint
from actorcloud.store.writer import WriterActor

if TYPE_CHECKING:
    from actorcloud.store.engine.lmdb import LmdbEngine

__all__ = [
    "KEY_LIMIT_BYTES",
    "TRANSACTION_TIMEOUT_DEFAULT",
    "Abort",
    "Applied",
    "Apply",
    "Ask",
    "Batch",
    "Change",
    "CheckLevel",
    "Codec",
    "Commit",
    "Engine",
    "EngineCaps",
    "EngineFailed",
    "EngineScan",
    "EngineStats",
    "Expect",
    "Fail",
    "Fed",
    "FencedOut",
    "FencedRun",
    "Get",
    "Got",
    "Inspected",
    "Inspector",
    "Key",
    "LmdbEngine",
    "Means",
    "MemoryDisk",
    "MemoryEngine",
    "Opened",
    "Page",
    "ReadPlan",
    "ReadView",
    "Recipient",
    "Refused",
    "Report",
    "Scan",
    "SingleStore",
    "Space",
    "Staged",
    "StoreActor",
    "Transaction",
    "Transactions",
    "Unresolved",
    "WriterActor",
    "check_footprint",
    "decode_key",
    "encode_key",
    "keys",
    "pack_time",
    "rehearsed",
    "run_callbacks",
    "time_of",
    "user_key",
]


def __getattr__(name: str) -> object:
    if name == "LmdbEngine":
        from actorcloud.store.engine.lmdb import LmdbEngine

        return LmdbEngine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

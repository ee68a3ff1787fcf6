"""The store: serializable transactions over an engine port, one sequencer, LMDB by default.

The server's half (`StoreActor`, `WriterActor`, the engines) lives in the head; the callers' half
(`Transactions`) in clients and workers, which never load lmdb: `LmdbEngine` is imported at its first use.
What is done to a store as a whole, by its administrator or at its opening, is `maintenance`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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
    called,
    rehearsed,
    run_callbacks,
    user_key,
)
from actorcloud.store.change import Applied, Apply, Change, Expect, Fed, Get, Got, Page, Recipient, Refused, Scan, Tidy
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
from actorcloud.store.maintenance.migration import PLAN_DEFAULT, Plan
from actorcloud.store.quota import QUOTA_DEFAULT, Quota
from actorcloud.store.single import SingleStore
from actorcloud.store.stored import pack_time, time_of
from actorcloud.store.validation import check_footprint
from actorcloud.store.writer import WriterActor

if TYPE_CHECKING:
    from actorcloud.store.engine.directory import sync
    from actorcloud.store.engine.lmdb import LmdbEngine
    from actorcloud.store.engine.postgres import PostgresEngine
    from actorcloud.store.engine.sqlite import SqliteEngine
    from actorcloud.store.maintenance.bulk import Bulk
    from actorcloud.store.maintenance.census import recount
    from actorcloud.store.maintenance.export import ExportReader, write_export
    from actorcloud.store.maintenance.renewal import header_of, import_items, renew
    from actorcloud.store.maintenance.replacement import find_store, has_store, is_sqlite, new_store, replaced_store
    from actorcloud.store.maintenance.soundness import find_problems

__all__ = [
    "KEY_LIMIT_BYTES",
    "PLAN_DEFAULT",
    "QUOTA_DEFAULT",
    "TRANSACTION_TIMEOUT_DEFAULT",
    "Abort",
    "Applied",
    "Apply",
    "Ask",
    "Batch",
    "Bulk",
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
    "ExportReader",
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
    "Plan",
    "PostgresEngine",
    "Quota",
    "ReadPlan",
    "ReadView",
    "Recipient",
    "Refused",
    "Report",
    "Scan",
    "SingleStore",
    "Space",
    "SqliteEngine",
    "Staged",
    "StoreActor",
    "Tidy",
    "Transaction",
    "Transactions",
    "Unresolved",
    "WriterActor",
    "called",
    "check_footprint",
    "decode_key",
    "encode_key",
    "find_problems",
    "find_store",
    "has_store",
    "header_of",
    "import_items",
    "is_sqlite",
    "keys",
    "new_store",
    "pack_time",
    "recount",
    "rehearsed",
    "renew",
    "replaced_store",
    "run_callbacks",
    "sync",
    "time_of",
    "user_key",
    "write_export",
]


#: What only a head, or whoever administers a store, needs.
_HOMES = {
    "Bulk": "maintenance.bulk",
    "ExportReader": "maintenance.export",
    "LmdbEngine": "engine.lmdb",
    "find_problems": "maintenance.soundness",
    "PostgresEngine": "engine.postgres",
    "SqliteEngine": "engine.sqlite",
    "header_of": "maintenance.renewal",
    "recount": "maintenance.census",
    "import_items": "maintenance.renewal",
    "find_store": "maintenance.replacement",
    "has_store": "maintenance.replacement",
    "is_sqlite": "maintenance.replacement",
    "new_store": "maintenance.replacement",
    "renew": "maintenance.renewal",
    "sync": "engine.directory",
    "replaced_store": "maintenance.replacement",
    "write_export": "maintenance.export",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

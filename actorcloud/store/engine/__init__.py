"""The engines: an ordered map of bytes with whole-batch commits, behind one port.

`port` says what an engine is; `lmdb` is the one that ships, `memory` the one that crashes on request.
"""

from __future__ import annotations

from actorcloud.store.engine.port import (
    RENEWALS,
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
    Scan,
    Unresolved,
)

__all__ = [
    "RENEWALS",
    "Batch",
    "CheckLevel",
    "Engine",
    "EngineCaps",
    "EngineFailed",
    "EngineStats",
    "FencedOut",
    "Opened",
    "ReadPlan",
    "ReadView",
    "Report",
    "Scan",
    "Unresolved",
]

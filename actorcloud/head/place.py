"""Where a head's store is: which engine opens it, what lies beside it, where its old self goes.

Pure but for the engine's door.
"""

from __future__ import annotations

import logging
from pathlib import Path

from actorcloud.store import Engine, LmdbEngine, Plan, SqliteEngine, is_sqlite

#: What a head and its clients keep beside the store.
COMPANIONS = ("clients.lock", "head.key", "secret", "pins.json")

logger = logging.getLogger("actorcloud.head")


def engine_at(store: str | Path) -> Engine:
    """Return the engine of a store, not yet opened: the one that made it, LMDB where there is none yet."""
    if is_sqlite(store):
        return SqliteEngine(store, companions=COMPANIONS)
    return LmdbEngine(store, companions=COMPANIONS)


def plan_at(store: str | Path) -> Plan:
    """Return what to do when a store is of an older format: a backup beside it comes first."""

    def backup(engine: Engine, major: int) -> None:
        place = Path(f"{store}.format{major}")
        number = 1
        while place.exists():
            # Of an earlier try, which may have been the older release's last day.
            number += 1
            place = Path(f"{store}.format{major}-{number}")
        engine.backup(place)
        logger.warning("the store as it was before the migration is in %s", place)

    return Plan(backup)

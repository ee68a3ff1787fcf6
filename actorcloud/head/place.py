"""Where a head's store is: which engine opens it, what lies beside it, where its old self goes.

Pure but for the engines' doors, which are opened one by one: SQLite costs a head 30 ms to load.
"""

from __future__ import annotations

import logging
from pathlib import Path

from actorcloud import store as engines
from actorcloud.base.errors import ActorCloudError, NotAStore, StoreDamaged
from actorcloud.base.location import Location, Where, locate
from actorcloud.store import Engine, LmdbEngine, Plan, find_store, has_store, is_sqlite

#: What a head and its clients keep beside the store.
COMPANIONS = ("clients.lock", "head.key", "secret", "pins.json")

logger = logging.getLogger("actorcloud.head")


def engine_at(store: Where, *, create: bool = True, waits: bool = True) -> Engine:
    """Return the engine of a store, not yet opened.

    Of a directory it is the one that made the store there, LMDB where there is none yet.

    Args:
        store: see `base.location`.
        create: make it, if it is not there.
        waits: in a database, wait for the end of the lease of an owner that may be dead.
    """
    place = locate(store)
    if place.is_database:
        return engines.PostgresEngine(place.address, home=place.home, create=create, waits=waits)
    if place.kind == "sqlite" or is_sqlite(place.home):
        return engines.SqliteEngine(place.home, companions=COMPANIONS, create=create)
    return LmdbEngine(place.home, companions=COMPANIONS, create=create)


def existing(store: Where) -> Location:
    """Return where a store is that must be there.

    Raises:
        NotAStore: it is not.
        StoreUnreachable, StoreForbidden: that cannot be found out.
    """
    place = locate(store)
    is_there = _is_made(place) if place.is_database else (place.home / "data").is_dir()
    if not is_there:
        raise NotAStore(f"there is no store in {place}: name another one (`actorcloud head` makes one)")
    return place


def _is_made(place: Location) -> bool:
    return engines.PostgresEngine(place.address).is_made()


def vacuum(store: Location) -> None:
    """Have a database give back to its disk what is free in its store, which is ours meanwhile.

    Raises:
        StoreLocked, StoreUnreachable, NoSpace, EngineFailed: as the engine says.
    """
    engine = engines.PostgresEngine(store.address, home=store.home, create=False, waits=True)
    engine.open("a compaction")
    try:
        engine.vacuum()
    finally:
        engine.close()


class Place:
    """Makes the engine at each start of a head's core: the first may make the store, later ones must find it.

    A first one that fails ends the head, so that at a second one there has been a store.

    Args:
        store: see `base.location`.
        existing: the first must find it, too.
    """

    def __init__(self, store: Where, *, existing: bool = False) -> None:
        self._store = locate(store)
        self._may_create = not existing
        self._is_first = True

    def engine(self) -> Engine:
        """Return an engine, not yet opened."""
        create, is_first = self._may_create, self._is_first
        self._may_create = self._is_first = False
        # One that had the store and has it no more was overtaken by somebody who lives.
        return engine_at(self._store, create=create, waits=is_first)

    def check(self) -> None:
        """See to it that nothing is made where a store in files has vanished.

        Raises:
            StoreDamaged: it has.
        """
        if not self._may_create and not self._store.is_database:
            find_store(self._store.home)

    def trouble(self) -> ActorCloudError | None:
        """Return what keeps the store from being opened, now that its head has given up; None: nothing.

        Blocks: for a database, until it has answered or let a few seconds go by.
        """
        store = self._store
        if store.is_database:
            return _trouble(engines.PostgresEngine(store.address, home=store.home, create=False, patience=0))
        # Whoever started this process would start it again, with an empty store.
        return None if has_store(store.home) else StoreDamaged(f"the store {store} is gone: put it back, then start it")


def _trouble(engine: Engine) -> ActorCloudError | None:
    try:
        engine.open("a last look")
    except ActorCloudError as error:
        return error
    finally:
        engine.close()
    return None


def plan_at(store: Where) -> Plan:
    """Return what to do when a store is of an older format: a backup beside it comes first."""
    home = locate(store).home

    def backup(engine: Engine, major: int) -> None:
        place = Path(f"{home}.format{major}")
        number = 1
        while place.exists():
            # Of an earlier try, which may have been the older release's last day.
            number += 1
            place = Path(f"{home}.format{major}-{number}")
        engine.backup(place)
        logger.warning("the store as it was before the migration is in %s", place)

    return Plan(backup)

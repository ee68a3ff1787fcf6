"""How many durable transactions the store does in a second, beside what people would use instead.

Through real client processes: each transaction is a function that reads a counter and stores it plus
one, run by `mutate_store`; the peer is PostgreSQL at SERIALIZABLE, on a Unix socket, with the same
number of processes and connections, repeating what it could not serialize. Both sync to the same disk
before they answer. Each client has a counter of its own, but for the hot key.

In process: the store alone, without processes and wire, 64 requests in flight, in an interpreter that is
set as a head's; beside LMDB itself, one commit each or 64 grouped, SQLite (WAL, synchronous=FULL), and the
disk's own fdatasync.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import lmdb

from actorcloud import Cloud
from actorcloud.actor import ActorRef, Future
from actorcloud.base import interpreter
from actorcloud.protocol.transaction import TXN_ID_BYTES, Atomic, AtomicStep, Commit, Committed, Read
from actorcloud.store import LmdbEngine, StoreActor, user_key
from actorcloud.store.value import INT, pack_int, unpack_int, with_codec
from bench.crowd import PATIENCE, Crowd, crowd
from bench.measure import REPEATS, durable_path, in_turns, median, seconds
from bench.postgres import find_programs, server
from bench.registry import Figure, benchmark

try:
    import psycopg
except ModuleNotFoundError:  # the extra `bench`; the other benchmarks, and our own figures, do without
    has_postgres = False
else:
    has_postgres = find_programs() is not None

#: Where the counters are.
SPACE = "counters"

#: Keys that one scan returns.
SCANNED = 100

#: Transactions of one sample by one client, by 8, by 64 in flight, and in process.
ALONE, EIGHT, MANY, INSIDE = 500, 4_000, 16_000, 30_000

SERIALIZABLE = "PostgreSQL SERIALIZABLE"

ONE = AtomicStep("add", with_codec(INT, pack_int(1)))


# -- the clients of ours --------------------------------------------------------------------------


class CloudClient:
    """One thread of a program that has opened the cloud."""

    def __init__(self, cloud: Cloud, number: int) -> None:
        self._cloud = cloud
        self._number = number

    def rmw(self, _: int) -> None:
        """Add one to our counter."""
        self._cloud.mutate_store(self._increment).value  # noqa: B018  raises unless it is a commit

    def blind(self, turn: int) -> None:
        """Store without reading."""

        def store() -> None:
            self._cloud.store(SPACE, self._number, turn)

        self._cloud.mutate_store(store).value  # noqa: B018

    def add(self, _: int) -> None:
        """Add one to everybody's counter."""
        self._cloud.mutate_store(lambda: self._cloud.add(SPACE, "hot", 1)).value  # noqa: B018

    def read(self, _: int) -> None:
        """Read our counter."""
        self._cloud.snapshot(lambda: self._cloud.fetch(SPACE, self._number))

    def scan(self, _: int) -> None:
        """Read a hundred counters."""
        found = self._cloud.snapshot(lambda: self._cloud.scan("scanned", limit=SCANNED))
        if len(found) != SCANNED:
            raise RuntimeError(f"{len(found)} keys were found, not {SCANNED}")

    def _increment(self) -> None:
        self._cloud.store(SPACE, self._number, self._cloud.fetch(SPACE, self._number, 0) + 1)


#: One for all threads of a process, as programs have it.
_cloud: list[Cloud] = []


@contextmanager
def open_cloud(where: str, number: int) -> Iterator[CloudClient]:
    """Attach to the head of a durable store."""
    if _cloud:
        yield CloudClient(_cloud[0], number)
        return
    with Cloud(path=where) as cloud:
        _cloud.append(cloud)
        yield CloudClient(cloud, number)


# -- the clients of PostgreSQL --------------------------------------------------------------------


class PostgresClient:
    """One connection."""

    def __init__(self, connection: Any, number: int) -> None:
        self._connection = connection
        self._number = number

    def rmw(self, _: int) -> None:
        """Add one to our counter, as an application does it: read, compute, write."""
        self._repeat(self._increment)

    def blind(self, turn: int) -> None:
        """Store without reading."""
        self._repeat(lambda: self._execute("update counters set n = %s where k = %s", turn, str(self._number)))

    def add(self, _: int) -> None:
        """Add one to everybody's counter, in the server."""
        self._repeat(lambda: self._execute("update counters set n = n + 1 where k = 'hot'"))

    def read(self, _: int) -> None:
        """Read our counter."""
        self._repeat(lambda: self._execute("select n from counters where k = %s", str(self._number)).fetchone())

    def scan(self, _: int) -> None:
        """Read a hundred counters."""
        text = "select k, n from counters where k >= 'scanned' order by k limit 100"
        self._repeat(lambda: self._execute(text).fetchall())

    def _increment(self) -> None:
        (found,) = self._execute("select n from counters where k = %s", str(self._number)).fetchone()
        self._execute("update counters set n = %s where k = %s", found + 1, str(self._number))

    def _execute(self, text: str, *values: object) -> Any:
        return self._connection.execute(text, values)

    def _repeat(self, work: Callable[[], object]) -> None:
        while True:
            try:
                with self._connection.transaction():
                    work()
            except psycopg.errors.SerializationFailure:
                continue
            return


@contextmanager
def open_postgres(where: str, number: int) -> Iterator[PostgresClient]:
    """Connect."""
    with psycopg.connect(where, autocommit=True) as connection:
        connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        yield PostgresClient(connection, number)


@contextmanager
def both() -> Iterator[tuple[str, str | None]]:
    """Open a durable cloud, and PostgreSQL where it is installed; each with its counters."""
    with ExitStack() as stack:
        path = stack.enter_context(durable_path())
        cloud = stack.enter_context(Cloud(path=path, workers=1))
        cloud.mutate_store(partial(_fill, cloud)).value  # noqa: B018
        if not has_postgres:
            yield str(path), None
            return
        where = stack.enter_context(server(stack.enter_context(durable_path())))
        with psycopg.connect(where) as connection:
            connection.execute("create table counters (k text primary key, n bigint) with (fillfactor=80)")
            names = [*map(str, range(64)), "hot", *(f"scanned{index:03}" for index in range(SCANNED))]
            connection.cursor().executemany("insert into counters values (%s, 0)", [(name,) for name in names])
        yield str(path), where


def _fill(cloud: Cloud) -> None:
    for index in range(SCANNED):
        cloud.store("scanned", index, index)


# -- through client processes ---------------------------------------------------------------------


@benchmark("store")
def through_clients() -> Iterator[Figure]:
    """Measure client processes."""
    with both() as (ours, peer):
        with _crowds(ours, peer, processes=1) as pair:
            yield _through(pair, "rmw 1 client", "rmw", ALONE)
        with _crowds(ours, peer, processes=8) as pair:
            yield _through(pair, "rmw 8 clients", "rmw", EIGHT)
            yield _through(pair, "blind", "blind", EIGHT)
            yield _through(pair, "read-only", "read", EIGHT)
            yield _through(pair, "scan", "scan", EIGHT)
        with _crowds(ours, peer, processes=8, threads=8) as pair:
            yield _through(pair, "rmw 64 in flight", "rmw", MANY)
            yield _through(pair, "add hot key, 64 in flight", "add", MANY)


@contextmanager
def _crowds(ours: str, peer: str | None, *, processes: int, threads: int = 1) -> Iterator[tuple[Crowd, Crowd | None]]:
    with ExitStack() as stack:
        mine = stack.enter_context(crowd(open_cloud, ours, processes=processes, threads=threads))
        theirs = None
        if peer is not None:
            theirs = stack.enter_context(crowd(open_postgres, peer, processes=processes, threads=threads))
        yield mine, theirs


def _through(pair: tuple[Crowd, Crowd | None], name: str, work: str, number: int) -> Figure:
    mine, theirs = pair
    ours, peer = in_turns(
        lambda: mine.rate(work, number), lambda: theirs.rate(work, number // 2) if theirs is not None else 0.0
    )
    return Figure(
        name=name,
        ours=median(ours),
        peer=median(peer) if theirs is not None else None,
        unit="txn/s",
        better="higher",
        against=SERIALIZABLE if theirs is not None else "PostgreSQL, or psycopg, is not installed",
    )


# -- in process -----------------------------------------------------------------------------------


@benchmark("store")
def in_process() -> Iterator[Figure]:
    """Measure the store without processes and wire."""
    interpreter.settle()
    with durable_path() as path:
        store = StoreActor.start(LmdbEngine(path))
        try:
            mine, grouped = in_turns(lambda: _rate(store, INSIDE, 64), lambda: _lmdb_rate(64))
            alone, single = in_turns(lambda: _rate(store, ALONE, 1), lambda: _lmdb_rate(1))
            hot, _ = in_turns(lambda: _rate(store, INSIDE, 64, _Adding), lambda: 0.0)
        finally:
            store.stop()
    yield _inside("rmw 64 in process", mine, median(grouped), "bare LMDB, 64 a commit")
    yield _inside("add hot key", hot, None, "64 in flight, in process")
    yield _inside("rmw 1 in process", alone, median(single), "bare LMDB, one a commit")
    sqlite_rates = [_sqlite_rate() for _ in range(REPEATS)]
    yield _inside("rmw 1 in process, SQLite", alone, median(sqlite_rates), "SQLite WAL FULL, bare")
    yield _inside("rmw 1 in process, disk", alone, median([_sync_rate() for _ in range(REPEATS)]), "fdatasync of 4 KiB")


def _rate(store: ActorRef[StoreActor], number: int, in_flight: int, kind: type[_Chain] | None = None) -> float:
    """Return the transactions in a second of `in_flight` chains, `number` in all."""
    over = threading.Event()
    left = Countdown(number, over)
    chains = [(kind or _Chain)(store, index, left) for index in range(in_flight)]

    def work() -> None:
        for chain in chains:
            chain.begin()
        if not over.wait(PATIENCE):
            raise RuntimeError(f"the store did not answer within {PATIENCE:g} s")

    return number / seconds(work)


class Countdown:
    """Counts the transactions that are to begin, and those that have ended; one thread at a time."""

    def __init__(self, number: int, over: threading.Event) -> None:
        self._begin = self._end = number
        self._over = over

    def take(self) -> bool:
        """Tell whether another one is to begin."""
        self._begin -= 1
        return self._begin >= 0

    def done(self) -> None:
        """One has ended."""
        self._end -= 1
        if self._end == 0:
            self._over.set()


class _Chain:
    """One of those in flight: a caller whose next transaction begins when its last has ended."""

    def __init__(self, store: ActorRef[StoreActor], index: int, left: Countdown) -> None:
        self._store = store
        self._key = user_key(SPACE, index)
        self._left = left
        self._acked: tuple[bytes, ...] = ()
        self._txn = b""

    def begin(self) -> None:
        if self._left.take():
            self._store.ask(Read((self._key,)), block=False).add_done_callback(self._read)

    def commit(self, **parts: Any) -> None:
        self._txn = os.urandom(TXN_ID_BYTES)
        commit = Commit(self._txn, 1, acked=self._acked, **parts)
        self._store.ask(commit, block=False).add_done_callback(self._committed)

    def _read(self, answer: Future[Any]) -> None:
        values = answer.get()
        seq, value = values.values[0] or (0, with_codec(INT, pack_int(0)))
        written = with_codec(INT, pack_int(unpack_int(value[1:]) + 1))
        self.commit(snapshot=values.snapshot, reads=((self._key, seq),), writes=((self._key, written),))

    def _committed(self, answer: Future[Any]) -> None:
        if not isinstance(answer.get(), Committed):
            raise TypeError(f"{answer.get()!r} is no commit: this is no measurement")
        self._acked = (self._txn,)
        self._left.done()
        self.begin()


class _Adding(_Chain):
    """Adds one to everybody's counter, without reading it."""

    def begin(self) -> None:
        if self._left.take():
            self.commit(atomics=(Atomic(user_key(SPACE, "hot"), (ONE,)),))


def _sync_rate() -> float:
    with durable_path() as path:
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
        try:
            return ALONE / seconds(partial(_write_and_sync, descriptor))
        finally:
            os.close(descriptor)


def _write_and_sync(descriptor: int) -> None:
    for turn in range(ALONE):
        os.pwrite(descriptor, bytes(4096), turn * 4096)
        os.fdatasync(descriptor)


def _lmdb_rate(group: int) -> float:
    number = ALONE * min(group, 8)

    def work() -> None:
        for first in range(0, number, group):
            with environment.begin(write=True) as transaction:
                for key in range(first, first + group):
                    name = str(key % 64).encode()
                    found = transaction.get(name, b"0")
                    transaction.put(name, str(int(found) + 1).encode())

    with durable_path() as path:
        environment = lmdb.open(str(path), map_size=64 * 1024 * 1024)
        try:
            return number / seconds(work)
        finally:
            environment.close()


def _sqlite_rate() -> float:
    def work() -> None:
        for _ in range(ALONE):
            connection.execute("begin immediate")
            (found,) = connection.execute("select n from counters where k = 'k'").fetchone()
            connection.execute("update counters set n = ? where k = 'k'", (found + 1,))
            connection.execute("commit")

    with durable_path() as path:
        path.mkdir()
        connection = sqlite3.connect(Path(path) / "counters.db", isolation_level=None)
        try:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            connection.execute("create table counters (k text primary key, n int) without rowid")
            connection.execute("insert into counters values ('k', 0)")
            return ALONE / seconds(work)
        finally:
            connection.close()


def _inside(name: str, ours: list[float], peer: float | None, against: str) -> Figure:
    return Figure(name=name, ours=median(ours), peer=peer, unit="txn/s", better="higher", against=against)

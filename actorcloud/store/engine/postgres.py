"""The engine that another machine can take over: PostgreSQL, one statement a commit.

::

    SCHEMA.kv(k bytea, v bytea)                all records, as in every engine
    SCHEMA.head(id 1, epoch, token, seq, ...)  who may write, until when, and how far it is
    HOME/                                      who we are: see `home`

The head's row orders everything: a commit changes it if epoch, token and number are the expected ones,
and its records in the same statement; so no transaction stays open that could hold up a successor, and
sending it twice does it once. The lease (by the database's clock) only decides when another may take
over; what keeps an owner that was taken over from writing, or reading, are epoch and token.

What is only *seen* in the row may have reached no standby yet. So a commit whose answer was lost counts
as done when a later write was answered: the server answers them in order.

Owns: two connections, one for commits, one for reads; the home, where it has one. Never a standby:
those may show commits in another order. What is acknowledged is as durable as the server's settings:
`synchronous_commit` is on here, `fsync` and synchronous standbys are the server's.

Thread: `commit`, `resolve` and `renew` from one; `read` from any, one at a time.

Reference: store-design 3.2; Jepsen's report on Amazon RDS for PostgreSQL 17.4.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from actorcloud.base.errors import (
    ActorCloudError,
    ConfigError,
    StoreDamaged,
    StoreForbidden,
    StoreLeased,
    StoreUnreachable,
)
from actorcloud.store import keys
from actorcloud.store.engine.guard import Guard
from actorcloud.store.engine.header import EPOCH, INCARNATION, INCARNATION_BYTES, SEQ, pack_number
from actorcloud.store.engine.home import Home
from actorcloud.store.engine.port import (
    RENEWALS,
    Batch,
    CheckLevel,
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
from actorcloud.store.engine.postgres_link import PATIENCE_DEFAULT, Link
from actorcloud.store.engine.postgres_sql import Sql
from actorcloud.store.engine.sqlite import write_copy
from actorcloud.store.format import FORMAT, FormatRecord, check_format, pack_format

logger = logging.getLogger("actorcloud.store")

#: Seconds that an owner which says nothing keeps the store.
LEASE_DEFAULT = 10.0

#: Seconds: a lease that lasts longer is not waited for.
WAIT_LIMIT = 30.0

#: Seconds between two looks at whether the owner of a lease lives.
_LOOK_EVERY = 0.5

#: Bytes.
_TOKEN_BYTES = 16

#: Of the server: 10.0.
_OLDEST = 100_000

#: A table's limit at pages of 8 KiB.
_LIMIT_BYTES = 32 << 40

#: Rows that a backup takes at a time.
_ROWS_AT_ONCE = 1000


class PostgresEngine:
    """See `engine.Engine`.

    Args:
        dsn: `postgresql://HOST/DATABASE`; better without a password, which `~/.pgpass` has.
        schema: where the tables are; made if they are missing.
        home: directory of this machine for the head of this store; an owner that was killed is succeeded at once
            by the next one in its home. None: nobody is known again.
        create: make a store where there is none; else that is `StoreDamaged`.
        waits: wait for the end of the lease of another owner, unless that one renews it.
        lease: seconds.
        patience: seconds that an outage may last.
        sleep: waits that many seconds.
        random: n -> n random bytes.

    Raises:
        ConfigError: psycopg is missing, or the DSN is wrong.
    """

    caps = EngineCaps(keys.ENGINE_KEY_LIMIT_BYTES, 1 << 29, shared=True, lease=LEASE_DEFAULT)

    def __init__(  # noqa: PLR0913  all but one are for who knows why
        self,
        dsn: str,
        *,
        schema: str = "actorcloud",
        home: str | os.PathLike[str] | None = None,
        create: bool = True,
        waits: bool = False,
        lease: float = LEASE_DEFAULT,
        patience: float = PATIENCE_DEFAULT,
        random: Callable[[int], bytes] = os.urandom,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.caps = self.caps._replace(lease=lease)
        self._writer = Link(dsn, patience=patience)
        self._reader = Link(dsn, patience=patience)
        self._sql = Sql(schema)
        self._home = None if home is None else Home(Path(home), random)
        self._holder = random(_TOKEN_BYTES).hex()
        #: Of this open: what tells us from all others, even where the holder is the same.
        self._token = b""
        self._may_create = create
        self._waits = waits
        self._sleep = sleep
        self._random = random
        # What `open` gave out, and what the row says of us: `resolve` lifts that.
        self._epoch = self._fence = 0
        # Number of the last commit that was acknowledged.
        self._acknowledged = 0
        self._guard = Guard(self._writer.name)
        # Held during a read, one connection being one snapshot, and while the fence is lifted.
        self._reading = threading.Lock()

    def __repr__(self) -> str:
        return f"<PostgresEngine {self._writer.name} {'open' if self._epoch else 'closed'}>"

    # -- opening and closing ----------------------------------------------------------------------

    def open(self, owner: str) -> Opened:
        """See `Engine.open`; succeeds an owner whose lease is over, or of the same home.

        Raises:
            StoreLeased: another owner has it, and lives.
            StoreDamaged: tables or records are gone.
            StoreUnreachable, StoreForbidden: the server is away, or does not let us in.
        """
        self._guard.begin()
        self._token = self._random(_TOKEN_BYTES)
        try:
            if self._home is not None:
                self._holder = self._home.enter(self._writer.name, owner)
            return self._take_over(owner)
        except Unresolved as error:
            self._leave()
            raise StoreUnreachable(str(error)) from error
        except BaseException:
            self._leave()
            raise

    def close(self) -> None:
        """See `Engine.close`; the lease ends now, so that nobody need wait for it."""
        if self._epoch and self._guard.is_ours():
            self._leave()

    def _leave(self) -> None:
        if self._epoch:
            try:
                self._writer.run(self._sql.leave, (self._token,), patience=0)
            except Exception as error:  # noqa: BLE001  then it ends by itself
                logger.warning("the lease of %s could not be given back: %s", self._writer.name, error)
        self._epoch = self._fence = 0
        self._writer.close()
        with self._reading:
            self._reader.close()
        if self._home is not None:
            self._home.leave()

    def _take_over(self, owner: str) -> Opened:
        name = self._writer.name
        self._check_server()
        self._create()
        epoch, seq, server = self._lead(f"process {os.getpid()} on {socket.gethostname()} ({owner})")
        self._epoch = self._fence = epoch
        self._acknowledged = seq
        self._settle(server)
        header = dict(self._writer.run(self._sql.get, ([FORMAT, INCARNATION],)).rows)
        check_format(f"{name} has tables", header.get(FORMAT))
        self._may_create = False
        return Opened(header.get(INCARNATION, b""), epoch, seq)

    def _check_server(self) -> None:
        name = self._writer.name
        ((version, number, fsync),) = self._writer.run(self._sql.server).rows
        if number < _OLDEST:
            raise ConfigError(f"{name} is a PostgreSQL {version}; 10 is the oldest that can have a store")
        if fsync == "off":
            logger.critical("%s runs with fsync=off: a power cut there loses or damages the store", name)

    def _create(self) -> None:
        """Make the tables where there are none, and may be; all of it is done, or nothing."""
        ((has_head, has_records, is_complete),) = self._writer.run(self._sql.tables).rows
        if has_head and not is_complete:
            self._writer.run(self._sql.complete)
        has_row = has_head and bool(self._writer.run(self._sql.look).rows)
        if has_row and has_records:
            return
        is_used = has_row or (has_records and self._writer.run(self._sql.has_records).rows == [(True,)])
        if is_used or not self._may_create:
            raise self._gone()
        header = {FORMAT: pack_format(FormatRecord()), INCARNATION: self._random(INCARNATION_BYTES)}
        self._writer.run(self._sql.create(header))

    def _gone(self) -> StoreDamaged:
        return StoreDamaged(
            f"{self._writer.name} has lost its tables, or what was in them, since a head opened it; empty ones were "
            "not made in their place: restore a backup, then start again"
        )

    def _lead(self, owner: str) -> tuple[int, int, str]:
        """Return epoch, number and the last owner's server, once the store is ours."""
        values = (self._holder, self._token, owner, self.caps.lease, self._holder)
        # Until when another one has it, as it was when we first looked.
        seen: datetime | None = None
        while not (found := self._writer.run(self._sql.lead, values).rows):
            rows = self._writer.run(self._sql.holder).rows
            if not rows:
                raise self._gone()
            ((other, until, left),) = rows
            if not self._waits or left > WAIT_LIMIT or (seen is not None and seen != until):
                self._refuse_open(other, until, left)
            if seen is None:
                text = "the store %s was held by %s; waiting %.0f s for the end of its lease, unless that one lives"
                logger.warning(text, self._writer.name, other, max(0.0, left))
            seen = until
            self._sleep(max(0.0, min(_LOOK_EVERY, left)))
        ((epoch, seq, server),) = found
        return epoch, seq, server

    def _settle(self, before: str) -> None:
        """Give the store a new incarnation where its server is not the last owner's: what clients remember may be void.

        Args:
            before: the server as the last owner found it; empty: there was none.
        """
        name = self._writer.name
        try:
            ((server,),) = self._writer.run(self._sql.identity).rows
        except (EngineFailed, StoreForbidden) as error:
            logger.warning("a failover while no head runs would not be noticed: %s", error)
            return
        if server == before:
            return
        if before:
            text = (
                "%s is another server, timeline or table than when it was opened last (%s, then %s): a failover, or a "
                "copy. What was acknowledged since may be missing; the store has a new incarnation"
            )
            logger.critical(text, name, server, before)
        values = (server, self._fence, self._token, self._random(INCARNATION_BYTES), INCARNATION)
        self._writer.run(self._sql.settle, values)

    def _refuse_open(self, other: str, until: datetime, left: float) -> NoReturn:
        raise StoreLeased(
            f"the store {self._writer.name} is held by {other} until {until:%H:%M:%S %Z} by the database's clock "
            f"({left:.0f} s from now), and longer if it renews its lease; use that head, stop it, or try again then"
        )

    # -- reading ----------------------------------------------------------------------------------

    def read(self, plan: ReadPlan) -> ReadView:
        """See `Engine.read`; fenced in the same snapshot."""
        with self._reading:
            self._guard.checked(self._epoch)
            statement, values = self._sql.read(plan)
            rows = self._reader.run(statement, values).rows
            fence = self._fence
        found: list[dict[bytes, bytes]] = [{} for _ in range(len(plan.scans) + 1)]
        token, epoch, seq = b"", 0, 0
        for place, key, value, row_epoch, row_seq in rows:
            if place < 0:
                token, epoch, seq = key, row_epoch, row_seq
            else:
                found[place][key] = value
        self._check_ours(epoch, token, fence)
        scans = [sorted(items.items(), reverse=scan.reverse) for scan, items in zip(plan.scans, found[1:], strict=True)]
        return ReadView(seq, {key: found[0].get(key) for key in plan.keys}, scans)

    def stats(self) -> EngineStats:
        """See `Engine.stats`; of a large store the number of keys is the server's estimate."""
        with self._reading:
            self._guard.checked(self._epoch)
            ((entries, used),) = self._reader.run(self._sql.stats).rows
        return EngineStats(entries, used, _LIMIT_BYTES)

    # -- writing ----------------------------------------------------------------------------------

    def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
        """See `Engine.commit`; renews the lease."""
        self._check_writer(epoch)
        items = sorted(batch.puts.items())
        values: list[object] = [new, self.caps.lease, self._fence, self._token, expect]
        values += [[key for key, _ in items], [value for _, value in items], list(batch.deletes)]
        answer = self._writer.run(self._sql.commit, values)
        if answer.rows != [(1,)]:
            self._explain(expect, new, doubted=answer.doubted)
        self._acknowledged = new

    def resolve(self, *, epoch: int, expect: int, new: int) -> bool:  # noqa: ARG002  the port's
        """See `Engine.resolve`; lifts the fence, so that what is still on its way is refused when it arrives."""
        self._check_writer(epoch)
        # A read meanwhile would find an epoch that is not ours yet.
        with self._reading:
            self._writer.run(self._sql.lift, (self._fence, self._token))
            # An earlier try may have lifted it; then nobody has acknowledged that.
            seq = self._confirm(self._fence + 1)
            self._fence += 1
        if seq == new:
            self._acknowledged = new
        return seq == new

    def renew(self) -> None:
        """See `Engine.renew`."""
        self._check_writer(self._epoch)
        self._confirm(self._fence)

    def _confirm(self, fence: int) -> int:
        """Renew the lease and return the store's number; what was written before is then as durable as this write."""
        rows = self._writer.run(self._sql.renew, (self.caps.lease, fence, self._token)).rows
        if not rows:
            self._refuse_overtaken()
        ((seq,),) = rows
        if seq < self._acknowledged:
            self._refuse_loss(seq)
        return int(seq)

    def _explain(self, expect: int, new: int, *, doubted: bool) -> None:
        """Return if the commit was applied by an earlier try; else raise what keeps it from being so."""
        seq = self._confirm(self._fence)
        if not doubted or seq != new:
            raise EngineFailed(f"a commit expected {self._writer.name} at {expect}, but it is at {seq}")

    def _refuse_loss(self, seq: int) -> NoReturn:
        """End the head: a standby took over that had not got all, and what clients remember is of another history."""
        logger.critical("%s is at commit %d, and %d was acknowledged", self._writer.name, seq, self._acknowledged)
        self._writer.run(self._sql.renew_incarnation, (self._random(INCARNATION_BYTES), INCARNATION))
        raise EngineFailed(
            f"{self._writer.name} has lost commits: {self._acknowledged} was acknowledged, but it is at {seq}"
        )

    # -- administration ---------------------------------------------------------------------------

    def is_made(self) -> bool:
        """Tell whether there is a store, without making one or asking who has it.

        Raises:
            StoreUnreachable, StoreForbidden, NotAStore: as `open` says.
        """
        link = self._writer.again()
        try:
            return link.run(self._sql.is_there).rows == [(True,)]
        finally:
            link.close()

    def vacuum(self) -> None:
        """Have the server rewrite the records without what is free; nobody can read them meanwhile.

        Raises:
            NoSpace, StoreUnreachable, EngineFailed: as it says; the records are then as they were.
        """
        self._guard.checked(self._epoch)
        link = self._writer.again()
        try:
            link.run("set statement_timeout = 0")
            with self._kept():
                link.run(self._sql.vacuum)
        finally:
            link.close()

    def backup(self, dest: str | os.PathLike[str]) -> None:
        """See `Engine.backup`: a store in SQLite, of one snapshot."""
        link = self._writer.again()
        try:
            with self._kept():
                write_copy(dest, self._items(link))
        finally:
            link.close()

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        """Renew the lease meanwhile, where it is ours: from a thread of its own, since this one is busy."""
        if not self._epoch:
            yield
            return
        over = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(over,), name="lease", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()

    def _keep(self, over: threading.Event) -> None:
        link, pause = self._writer.again(), self.caps.lease / RENEWALS
        try:
            while not over.wait(pause):
                try:
                    link.run(self._sql.renew, (self.caps.lease, self._fence, self._token), patience=0)
                except ActorCloudError as error:
                    # Should it end, another one may take over; the epoch keeps apart who writes.
                    logger.warning("the lease of %s was not renewed: %s", self._writer.name, error)
        finally:
            link.close()

    def _items(self, link: Link) -> Iterator[tuple[bytes, bytes]]:
        with link.snapshot() as connection:
            header = dict(connection.execute(self._sql.get, ([FORMAT],), binary=True).fetchall())
            check_format(f"{link.name} has tables", header.get(FORMAT))
            (epoch, _, seq), *_ = connection.execute(self._sql.look).fetchall()
            yield EPOCH, pack_number(int(epoch))
            yield SEQ, pack_number(int(seq))
            with connection.cursor("copy", binary=True) as cursor:
                cursor.itersize = _ROWS_AT_ONCE
                yield from cursor.execute(self._sql.everything)

    def check(self, level: CheckLevel) -> Report:
        """See `Engine.check`; `full` reads each record, by the table and by its index."""
        link = self._writer.again()
        try:
            return self._look(link, level)
        except (EngineFailed, StoreDamaged) as damage:
            return Report(level, (str(damage),), 0)
        finally:
            link.close()

    def _look(self, link: Link, level: CheckLevel) -> Report:
        ((_, used),) = link.run(self._sql.stats).rows
        if level == "quick":
            return Report(level, (), used)
        counts: list[Any] = []
        with link.snapshot() as connection:
            for is_seq in ("on", "off"):
                connection.execute(f"set local enable_seqscan = {is_seq}")
                connection.execute(f"set local enable_indexscan = {'off' if is_seq == 'on' else 'on'}")
                counts.append(connection.execute(self._sql.count).fetchone())
        problems = () if counts[0] == counts[1] else (f"the table has {counts[0]}, but its index {counts[1]}",)
        return Report(level, problems, used)

    # -- guards -----------------------------------------------------------------------------------

    def _check_writer(self, epoch: int) -> None:
        self._guard.checked(self._epoch)
        if epoch != self._epoch:
            raise FencedOut(f"epoch {epoch} of the store {self._writer.name} is over: it was opened again")
        if self._home is not None and not self._home.is_there():
            # Another process may be in what is there now, and would not wait for our lease.
            raise EngineFailed(f"the home of the head of {self._writer.name} was removed or replaced meanwhile")

    def _check_ours(self, epoch: int, token: bytes, fence: int) -> None:
        if (epoch, token) != (fence, self._token):
            self._refuse_overtaken()

    def _refuse_overtaken(self) -> NoReturn:
        raise FencedOut(f"the store {self._writer.name} was opened elsewhere after us: this head has lost it")

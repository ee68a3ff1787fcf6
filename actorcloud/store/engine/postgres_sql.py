"""The statements of the engine on PostgreSQL. Pure: texts and values.

Each changes all or nothing by itself, and does no harm when it is sent again; all but `create` hold
for any server that speaks this dialect. Whoever has the store is the *token* in the head's row, new
at each open: an epoch alone may come again, after a failover that lost the last ones.

Reference: store-design 3.2.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence

from actorcloud.base.errors import ConfigError
from actorcloud.store.engine.port import ReadPlan, Scan

#: Goes into the statements as text.
_SCHEMA = re.compile("[a-z_][a-z0-9_]{0,62}")


class Sql:
    """The statements for the tables of one schema.

    Args:
        schema: its name.

    Raises:
        ConfigError: it is no plain name.
    """

    #: Its version, twice, and whether it flushes.
    server = """
        select current_setting('server_version'), current_setting('server_version_num')::int,
            current_setting('fsync')"""

    def __init__(self, schema: str) -> None:
        if not _SCHEMA.fullmatch(schema):
            raise ConfigError(f"schema={schema!r}: a-z 0-9 _, at most 63, not beginning with a digit is needed")
        self._schema, self._head, self._kv = schema, f"{schema}.head", f"{schema}.kv"
        self._of_tables()
        self._of_records()
        self._of_the_head()

    def _of_tables(self) -> None:
        head = self._head
        self.is_there = f"select to_regclass('{head}') is not null"
        #: Whether there are: the head's table, that of the records, all columns of the first.
        self.tables = f"""
            select to_regclass('{head}') is not null, to_regclass('{self._kv}') is not null,
                (select count(*) = 2 from pg_attribute
                 where attrelid = to_regclass('{head}') and attname in ('token', 'server'))"""
        #: Of a table that the first development versions made.
        self.complete = f"""
            alter table {head} add column if not exists token bytea not null default '',
                add column if not exists server text not null default ''"""
        #: Which server this is, on which timeline, and which table: another one after a failover, or from a dump.
        self.identity = f"""
            select system_identifier || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '/' ||
                (select oid from pg_database where datname = current_database()) || '/' || '{head}'::regclass::oid
            from pg_control_system()"""
        self.has_records = f"select exists (select 1 from {self._kv})"

    def _of_records(self) -> None:
        #: keys.
        self.get = f"select k, v from {self._kv} where k = any(%b::bytea[])"
        #: Few keys are counted, for many the estimate of the last vacuum will do.
        self.stats = f"""
            select case when c.reltuples > 100000 then c.reltuples::bigint else (select count(*) from {self._kv}) end,
                pg_total_relation_size(c.oid) from pg_class c where c.oid = '{self._kv}'::regclass"""
        self.count = (
            f"select count(*), coalesce(sum(length(md5(v)) + length(k)), 0)::bigint from {self._kv} where k >= ''"
        )
        self.vacuum = f"vacuum full {self._kv}"
        #: All but epoch and number, which the head's row has.
        self.everything = f"select k, v from {self._kv} order by k"

    def _of_the_head(self) -> None:
        head = self._head
        #: holder, token, owner, seconds, holder.
        self.lead = f"""
            update {head} set epoch = epoch + 1, holder = %s, token = %b, owner = %s,
                lease_until = now() + %s * interval '1 s'
            where id = 1 and (lease_until < now() or holder = %s) returning epoch, seq, server"""
        ours = "id = 1 and epoch = %s and token = %b"
        #: A lease that was given back is over since the infinite past, of which there is no date.
        until = "greatest(lease_until, now() - interval '1 hour')"
        self.holder = f"select owner, {until}, extract(epoch from {until} - now())::float from {head} where id = 1"
        #: token.
        self.leave = f"update {head} set lease_until = '-infinity' where id = 1 and token = %b"
        #: seconds, epoch, token.
        self.renew = f"update {head} set lease_until = now() + %s * interval '1 s' where {ours} returning seq"
        self.look = f"select epoch, token, seq from {head} where id = 1"
        #: epoch, token.
        self.lift = f"update {head} set epoch = epoch + 1 where {ours}"
        #: incarnation, key.
        self.renew_incarnation = f"update {self._kv} set v = %b where k = %b"
        #: server, epoch, token, incarnation, key.
        self.settle = f"""
            with h as (update {head} set server = %s where {ours} returning 1)
            update {self._kv} set v = %b where k = %b and exists (select 1 from h)"""
        #: new, seconds, epoch, token, expect, put keys, put values, deleted keys.
        self.commit = f"""
            with f as (
                update {head} set seq = %s, lease_until = now() + %s * interval '1 s'
                where {ours} and seq = %s returning 1),
            u as (
                insert into {self._kv} select t.k, t.v from unnest(%b::bytea[], %b::bytea[]) t(k, v)
                where exists (select 1 from f) on conflict (k) do update set v = excluded.v),
            d as (delete from {self._kv} where k = any(%b::bytea[]) and exists (select 1 from f))
            select count(*)::int from f"""

    def create(self, header: Mapping[bytes, bytes]) -> str:
        """Return what makes all that is missing of an empty store; the header's records only with the head's row."""
        records = ", ".join([f"('\\x{key.hex()}'::bytea, '\\x{value.hex()}'::bytea)" for key, value in header.items()])
        # One message without values is one transaction. The lock: two that create at once would collide.
        return f"""
            select pg_advisory_xact_lock(2026, 1126);
            create schema if not exists {self._schema};
            create table if not exists {self._kv} (k bytea primary key, v bytea not null) with (fillfactor = 80);
            alter table {self._kv} alter column v set storage external;
            create table if not exists {self._head} (
                id int primary key check (id = 1), epoch bigint not null, seq bigint not null,
                holder text not null, owner text not null, lease_until timestamptz not null,
                token bytea not null, server text not null
            ) with (fillfactor = 10);
            with h as (
                insert into {self._head} values (1, 0, 0, '', '', '-infinity', '', '')
                on conflict do nothing returning 1)
            insert into {self._kv} select t.k, t.v from (values {records}) t(k, v) where exists (select 1 from h)"""

    def read(self, plan: ReadPlan) -> tuple[str, list[object]]:
        """Return the one statement that reads all of a plan, and its values.

        Its rows are (place, key, value, epoch, seq): place -1 is the head's, whose token is the key, 0 a key, from 1 on
        the scans.
        """
        parts = [f"select -1, token, ''::bytea, epoch, seq from {self._head} where id = 1"]
        values: list[object] = []
        if plan.keys:
            parts.append(f"select 0, k, v, 0, 0 from {self._kv} where k = any(%b::bytea[])")
            values.append(list(plan.keys))
        for place, scan in enumerate(plan.scans, 1):
            parts.append(f"select {place}, k, v, 0, 0 from ({self._scan(scan)}) s{place}")
            values += self._scan_values(scan)
        return " union all ".join(parts), values

    def _scan(self, scan: Scan) -> str:
        order = "desc" if scan.reverse else "asc"
        value = "v" if scan.value_bytes is None else "substr(v, 1, %s::int)"
        if scan.limit_bytes is None:
            return f"select k, {value} as v from {self._kv} where k >= %b and k < %b order by k {order} limit %s"
        # The item that reaches the bound is in; those after it are not even sent.
        size = "length(k) + length(v)"
        inner = (
            f"select k, v, sum({size}) over (order by k {order}) - ({size}) as before "
            f"from {self._kv} where k >= %b and k < %b order by k {order} limit %s"
        )
        return f"select k, {value} as v from ({inner}) i where before < %s"

    @staticmethod
    def _scan_values(scan: Scan) -> Sequence[object]:
        first: list[object] = [] if scan.value_bytes is None else [min(scan.value_bytes, 1 << 30)]
        last: list[object] = [] if scan.limit_bytes is None else [max(1, scan.limit_bytes)]
        return [*first, scan.lo, scan.hi, min(scan.limit, sys.maxsize), *last]

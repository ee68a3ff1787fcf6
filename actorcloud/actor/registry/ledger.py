"""The ledger: all tables of a registry, and who may write what.

An actor writes its own entries, from its own thread, without asking anybody. In a unique registry a
key belongs to one partition; in a duplicate one all entries of an actor are in the same.

Thread: any; see `Table`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import msgspec

from actorcloud.actor.cell import bonds
from actorcloud.actor.errors import ActorDeadError, ActorExit, AlreadyRegistered
from actorcloud.actor.mailbox.mailbox import DEAD, Mailbox
from actorcloud.actor.registry.table import Entry, Table
from actorcloud.actor.thread.context import GUARD
from actorcloud.base.stablehash import spread


class Registered(msgspec.Struct, frozen=True):
    """To the listeners: an actor registered itself."""

    #: The `RegistryRef`.
    registry: Any
    key: Any
    ref: Any
    value: Any


class Unregistered(msgspec.Struct, frozen=True):
    """To the listeners: an actor took an entry back. Nobody is told of entries that went with their actor."""

    registry: Any
    key: Any
    ref: Any


class Ledger:
    """See the module.

    Args:
        registry: the ref of the registry.
        is_unique: whether a key has one entry at most.
        partitions: how many tables there will be; each partition puts its own into `tables`.
        listeners: refs of who gets `Registered` and `Unregistered`.
    """

    def __init__(self, registry: Any, *, is_unique: bool, partitions: int, listeners: Sequence[Any]) -> None:
        self.registry = registry
        self.is_unique = is_unique
        self.listeners = listeners
        self.tables = [Table(registry) for _ in range(partitions)]
        self.meta: dict[Hashable, Any] = {}

    # -- reading ----------------------------------------------------------------------------------

    def table_of(self, key: Any) -> Table:
        """Return the table that a key belongs to: its entries if it is unique, and its lock."""
        return self.tables[spread(key, len(self.tables))]

    def tables_of(self, key: Any) -> list[Table]:
        """Return where entries of this key may be."""
        return [self.table_of(key)] if self.is_unique else self.tables

    def lookup(self, key: Any) -> list[Entry]:
        """Return the entries of a key."""
        return [entry for table in self.tables_of(key) for entry in table.lookup(key)]

    # -- writing ----------------------------------------------------------------------------------

    def claim(self, cell: Mailbox, key: Any, value: Any) -> Entry | None:
        """Register a live actor, unless another has the key of a unique registry: return that. Under GUARD.

        Raises:
            ActorDeadError: the partition has ended; the registry is starting it anew, or has ended too.
        """
        table = self._own_table(cell, key)
        if not table.is_open:
            raise ActorDeadError(f"the partition of {key!r} in {self.registry} has ended; register again later")
        if self.is_unique:
            for entry in table.lookup(key):
                return entry
        table.add(Entry(key, cell.ref, value))
        cell.system.names.list_in(table, cell)
        return None

    def announce(self, cell: Mailbox, key: Any, value: Any) -> None:
        """Link who registered with the partition, and tell the listeners."""
        bonds.link(cell, self._own_table(cell, key).partition)
        self._tell(Registered(self.registry, key, cell.ref, value))

    def register(self, cell: Mailbox, key: Any, value: Any) -> None:
        """Register the actor that runs here.

        Raises:
            AlreadyRegistered: a unique registry has the key already.
            ActorDeadError: see `claim`.
        """
        with GUARD:
            if cell.state == DEAD:
                raise ActorExit(cell.reason)
            taken = self.claim(cell, key, value)
        if taken is not None:
            raise AlreadyRegistered(f"{taken.ref} is registered under {key!r} in {self.registry}", taken.ref)
        self.announce(cell, key, value)

    def unregister(self, cell: Mailbox, key: Any, matches: Callable[[Any], object] | None = None) -> None:
        """Remove the entries of a key that are this actor's, and whose value matches."""
        table = self._own_table(cell, key)
        mine = table.mine(cell.id.serial, key)
        gone = [entry for entry in mine if matches is None or matches(entry.value)]
        with GUARD:
            was_last = [table.remove(entry) for entry in gone]
            if any(was_last):
                cell.system.names.unlist(table, cell)
        if any(was_last):
            bonds.unlink(cell, table.partition)
        for entry in gone:
            self._tell(Unregistered(self.registry, entry.key, entry.ref))

    def update(self, cell: Mailbox, key: Any, function: Callable[[Any], Any]) -> tuple[Any, Any] | None:
        """Replace the value of this actor's entry by `function(value)`; return the new one and the old one.

        Returns:
            None if the actor has no entry of the key.
        """
        table = self._own_table(cell, key)
        for old in table.mine(cell.id.serial, key):
            new = Entry(old.key, old.ref, function(old.value))
            with GUARD:
                is_done = table.replace(old, new)
            return (new.value, old.value) if is_done else None
        return None

    def _own_table(self, cell: Mailbox, key: Any) -> Table:
        return self.table_of(key) if self.is_unique else self.tables[cell.id.serial % len(self.tables)]

    def _tell(self, event: Registered | Unregistered) -> None:
        for listener in self.listeners:
            listener.deliver(event)

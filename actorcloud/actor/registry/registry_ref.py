"""The ref of a registry, which reads and writes it, and refs by key.

What it reads it reads where it stands, without asking the registry.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from actorcloud.actor.errors import ActorDeadError
from actorcloud.actor.ref.named_ref import NamedRef, holder_of
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.registry.key import exact
from actorcloud.actor.registry.ledger import Ledger
from actorcloud.actor.registry.partition import Lock, Unlock
from actorcloud.actor.registry.table import Entry
from actorcloud.actor.supervision.supervisor_ref import NamedSupervisorRef, SupervisorRef
from actorcloud.actor.task.task import Task
from actorcloud.actor.thread.context import caller, current_system, running
from actorcloud.base.errors import ActorError, NoSuchName

R = TypeVar("R")

_tokens = itertools.count(1)


class RegistryRef(SupervisorRef):
    """A ref to a registry of this process.

    Every method raises `ActorDeadError` if the registry has ended. Keys are anything hashable, and
    compare exactly: 1, 1.0 and True are three keys.
    """

    # -- writing: the actor that calls ------------------------------------------------------------

    def register(self, key: Hashable, value: Any = None) -> None:
        """Register the actor that calls; the entry vanishes with it.

        Raises:
            AlreadyRegistered: a unique registry has the key already, perhaps for this actor; `ref` says for whom.
            ActorError: this is no actor; start one with `options(name=registry.via(key))`.
        """
        cell = caller("register")
        ledger_of(self).register(cell, key, value)

    def unregister(self, key: Hashable) -> None:
        """Remove the entries of a key that are the calling actor's, if there are any."""
        cell = caller("unregister")
        ledger_of(self).unregister(cell, key)

    def unregister_match(self, key: Hashable, predicate: Callable[[Any], object]) -> None:
        """As `unregister`, where `predicate(value)` is true."""
        cell = caller("unregister_match")
        ledger_of(self).unregister(cell, key, predicate)

    def update_value(self, key: Hashable, function: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Replace the value of the calling actor's entry in a unique registry by `function(value)`.

        Returns:
            The new value and the old one.

        Raises:
            NoSuchName: the actor is not registered under the key.
            ActorError: the registry is not unique.
        """
        cell = caller("update_value")
        ledger = ledger_of(self)
        if not ledger.is_unique:
            raise ActorError(f"{self} has duplicate keys: it does not know which value of {key!r} to update")
        values = ledger.update(cell, key, function)
        if values is None:
            raise NoSuchName(f"{cell.ref} is not registered under {key!r} in {self}")
        return values

    # -- reading: anybody -------------------------------------------------------------------------

    def lookup(self, key: Hashable) -> list[Entry]:
        """Return the entries of a key, oldest first in each partition; at most one if unique."""
        return ledger_of(self).lookup(key)

    def whereis(self, key: Hashable) -> ActorRef[Any] | None:
        """Return the live actor that has the key of a unique registry, or None."""
        found = _unique(self).lookup(key)
        ref: ActorRef[Any] | None = found[0].ref if found and found[0].ref.is_alive() else None
        return ref

    def match(self, key: Hashable, predicate: Callable[[Any], object]) -> list[Entry]:
        """Return the entries of a key where `predicate(value)` is true."""
        return [entry for entry in self.lookup(key) if predicate(entry.value)]

    def keys(self, ref: ActorRef[Any]) -> list[Any]:
        """Return the keys of an actor, one for each of its entries; none if it is a name that nobody has."""
        return [entry.key for entry in self._entries_of(ref)]

    def values(self, key: Hashable, ref: ActorRef[Any]) -> list[Any]:
        """Return the values of an actor's entries of a key; see `keys`."""
        tables, who = ledger_of(self).tables_of(key), _found(ref)
        return [
            entry.value for table in tables for me in who for entry in table.mine(me.id.serial, key) if entry.ref == me
        ]

    def select(self, predicate: Callable[[Entry], object] | None = None) -> list[Entry]:
        """Return all entries, or those of which `predicate(entry)` is true; looks at each."""
        entries = (entry for table in ledger_of(self).tables for entry in table)
        return [entry for entry in entries if predicate is None or predicate(entry)]

    def count(self, predicate: Callable[[Entry], object] | None = None) -> int:
        """Return how many entries there are, or of how many `predicate(entry)` is true."""
        if predicate is not None:
            return len(self.select(predicate))
        return sum(table.count() for table in ledger_of(self).tables)

    def _entries_of(self, ref: ActorRef[Any]) -> list[Entry]:
        tables, who = ledger_of(self).tables, _found(ref)
        return [entry for table in tables for me in who for entry in table.of(me.id.serial) if entry.ref == me]

    # -- acting -----------------------------------------------------------------------------------

    def dispatch(self, key: Hashable, function: Callable[[list[Entry]], object], *, parallel: bool = False) -> None:
        """Call `function` with the entries of a key, once for each partition that has some.

        So a publisher sends to its subscribers without another actor between. `function` runs here, and
        the first exception that it raises passes and leaves out what follows.

        Args:
            key: any.
            function: what to do with the entries.
            parallel: with duplicate keys and several partitions, run it in a task for each of them. They
                are linked to an actor that calls: what `function` raises ends it too, unless it traps exits.

        Blocks:
            until all is done.
        """
        ledger = ledger_of(self)
        parts = [entries for table in ledger.tables_of(key) if (entries := table.lookup(key))]
        if parallel and len(ledger.tables_of(key)) > 1:
            Task.get_all([Task.start(function, entries) for entries in parts], timeout=None)
            return
        for entries in parts:
            function(entries)

    def lock(self, key: Hashable, function: Callable[[], R], *, timeout: float | None = None) -> R:
        """Call `function` here while nobody else is in a `lock` of this key.

        The lock is given back when `function` returns or raises, or when the actor that has it dies.

        Args:
            key: any; it need not be registered.
            function: runs on this thread.
            timeout: seconds to wait for the lock; None waits for ever.

        Returns:
            What `function` returned.

        Raises:
            AskTimeout: others had the lock all the time.
            CallingSelf: this actor has it already.
        Blocks:
            until the lock is free, or `timeout`.
        """
        me = running()
        token = next(_tokens)
        keeper = ledger_of(self).table_of(key).partition
        try:
            keeper.ask(Lock(key, token, None if me is None else me.ref), timeout=timeout)
            return function()
        finally:
            # Past the fence: also who was told to exit gives back what it has, or waits for.
            keeper.deliver(Unlock(key, token))

    # -- names ------------------------------------------------------------------------------------

    def via(self, key: Hashable, value: Any = None) -> NamedRef:
        """Return a ref that finds whoever has the key at every send.

        `SomeActor.options(name=registry.via(key, value)).start()` starts an actor under it.

        It can be made before the registry runs. Its uses raise `ActorError` if the registry is not unique.
        """
        return NamedRef(KeyName(self, key, value))

    # -- what it knows about itself ---------------------------------------------------------------

    def meta(self, key: Hashable, default: Any = None) -> Any:
        """Return what `put_meta` stored."""
        return ledger_of(self).meta.get(key, default)

    def put_meta(self, key: Hashable, value: Any) -> None:
        """Store something that lives as long as the registry."""
        ledger_of(self).meta[key] = value

    def delete_meta(self, key: Hashable) -> None:
        """Forget what `put_meta` stored, if it did."""
        ledger_of(self).meta.pop(key, None)

    @property
    def partitions(self) -> int:
        """How many there are."""
        return len(ledger_of(self).tables)


class NamedRegistryRef(NamedSupervisorRef, RegistryRef):
    """A registry by name: every use finds the one that runs then."""


class KeyName:
    """A key of a unique registry, as a `Name`."""

    __slots__ = ("_key", "_registry", "_value")

    def __init__(self, registry: ActorRef[Any], key: Hashable, value: Any = None) -> None:
        self._registry = registry
        self._key = key
        self._value = value

    def __str__(self) -> str:
        return f"{self._key!r} in {self._registry}"

    def __repr__(self) -> str:
        return f"{self._registry!r}.via({self._key!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyName) and self._place() == other._place()

    def __hash__(self) -> int:
        return hash(self._place())

    def __reduce__(self) -> tuple[Any, ...]:
        return KeyName, (self._registry, self._key, self._value)

    def _place(self) -> tuple[object, Hashable]:
        return self._registry, exact(self._key)

    @property
    def system(self) -> Any:
        """See `Name.system`: that of the registry, or the current one if it has ended."""
        try:
            return ledger_of(self._registry).registry._cell.system  # noqa: SLF001  one package
        except ActorDeadError:
            return current_system()

    @property
    def address(self) -> NamedRef:
        """See `Name.address`: the ref by key."""
        return NamedRef(self)

    def whereis(self) -> Any | None:
        """See `Name.whereis`; nobody is found in a registry that has ended.

        Raises:
            ActorError: the registry is not unique.
        """
        try:
            entries = _unique(self._registry).lookup(self._key)
        except ActorDeadError:
            return None
        return entries[0].ref if entries and entries[0].ref.is_alive() else None

    def claim(self, cell: Any, /) -> Any | None:
        """See `Name.claim`."""
        taken = _unique(self._registry).claim(cell, self._key, self._value)
        return None if taken is None else taken.ref._cell  # noqa: SLF001  as above

    def announce(self, cell: Any, /) -> None:
        """See `Name.announce`."""
        ledger_of(self._registry).announce(cell, self._key, self._value)


def ledger_of(registry: ActorRef[Any]) -> Ledger:
    """Return what a live registry of this process knows.

    Raises:
        ActorDeadError: it has ended, or nobody has its name.
    """
    cell = registry._cell  # noqa: SLF001  one package
    # Who has waited for the end may come before the last turn is over, with which the actor goes.
    ledger: Ledger | None = None if cell.is_dead() else getattr(cell.actor, "ledger", None)
    if ledger is None:
        raise ActorDeadError(f"{registry} is no registry that runs in this process")
    return ledger


def _found(ref: ActorRef[Any]) -> list[ActorRef[Any]]:
    """Return who is meant: the ref itself, or who has its name; nobody, perhaps."""
    try:
        return [holder_of(ref)]
    except ActorDeadError:
        return []


def _unique(registry: ActorRef[Any]) -> Ledger:
    ledger = ledger_of(registry)
    if not ledger.is_unique:
        raise ActorError(f"{registry} has duplicate keys: a key does not tell one actor; use lookup or dispatch")
    return ledger

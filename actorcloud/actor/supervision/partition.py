"""A supervisor of equal children, between which keys are shared out.

One actor that everybody needs is a bottleneck; a `PartitionSupervisor` starts it once for each
processor, and what belongs to one key always goes to the same of them.

::

    PartitionSupervisor.route("sessions", "joe")  --stable_hash("joe") % n-->  child 3 of "sessions"

Thread: the table of who serves which partition is written in the supervisor's turns and read by any.

Reference: Elixir's `PartitionSupervisor`; otp-semantics 3.13.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec

from actorcloud.actor.child import ChildSpec, to_spec
from actorcloud.actor.errors import ActorDeadError, BadSize, NoPartition
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.name import Name
from actorcloud.actor.ref.named_ref import NamedRef
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.supervision.member import Child
from actorcloud.actor.supervision.procedure import Procedure
from actorcloud.actor.supervision.supervisor import Flags, Supervisor
from actorcloud.actor.supervision.supervisor_ref import (
    VERBS,
    DeleteChild,
    NamedSupervisorRef,
    RestartChild,
    StartAnother,
    StartChild,
    SupervisorRef,
)
from actorcloud.base.brief import brief
from actorcloud.base.errors import ActorError, BadChildSpec, ConfigError, NoSuchChild
from actorcloud.base.stablehash import stable_hash


class _Resize(msgspec.Struct, frozen=True):
    """Let so many partitions run."""

    partitions: int


class PartitionsRef(SupervisorRef):
    """A ref to a `PartitionSupervisor`."""

    def partitions(self) -> int:
        """Return how many partitions keys are shared out between."""
        return len(self._table())

    def partition(self, key: object) -> ActorRef[Any] | None:
        """Return who serves a key now; None while its partition is being restarted.

        Raises:
            NoPartition: it was resized to none.
            TypeError: the key has no stable hash.
        """
        return self._serving(stable_hash(key))

    def _route_class(self) -> type[NamedRef]:
        actor = self._cell.actor
        return actor.route_class if isinstance(actor, PartitionSupervisor) else NamedRef

    def _serving(self, hash_: int) -> ActorRef[Any] | None:
        table = self._table()
        if not table:
            raise NoPartition(f"{self} has no partition that runs; use resize")
        found = table[hash_ % len(table)]
        return found if found is not None and found.is_alive() else None

    def _table(self) -> tuple[ActorRef[Any] | None, ...]:
        actor = self._cell.actor
        # Who has waited for the end may come before the last turn is over, with which the actor goes.
        if self._cell.is_dead() or not isinstance(actor, PartitionSupervisor):
            raise ActorDeadError(f"{self} is no PartitionSupervisor that runs in this process")
        return actor.table

    def resize(self, partitions: int) -> int:
        """Let so many partitions run: the last ones are stopped, or started again.

        Args:
            partitions: from 0 to those it was started with.

        Returns:
            How many there were.

        Raises:
            BadSize: there are never so many.
            StartError: one did not start; those before it run.
        """
        return self.ask(_Resize(partitions), timeout=None)  # type: ignore[no-any-return]


class NamedPartitionsRef(NamedSupervisorRef, PartitionsRef):
    """A `PartitionSupervisor` by name: every use finds the one that runs then."""


class PartitionSupervisor(Supervisor):
    """Watches some equal children, the partitions; a key is always served by the same.

    >>> class Session(Actor):
    ...     def __init__(self):
    ...         self.hits = 0
    ...     def on_receive(self, user):
    ...         self.hits += 1
    ...         return self.hits
    >>> sessions = PartitionSupervisor.options(name="sessions").start(Session, partitions=4)
    >>> joe = PartitionSupervisor.route("sessions", "joe")
    >>> joe.ask("joe"), joe.ask("joe")
    (1, 2)
    >>> sessions.partitions()
    4
    >>> sessions.stop()
    True
    """

    _ref_class = PartitionsRef
    _named_ref_class = NamedPartitionsRef

    #: What a route to a partition is.
    route_class: type[NamedRef] = NamedRef
    #: Who serves each partition that keys are routed to; replaced as a whole, so that any thread may read it.
    table: tuple[ActorRef[Any] | None, ...] = ()

    def init(  # type: ignore[override]  # a supervisor of its own
        self,
        child: Any,
        *,
        partitions: int | None = None,
        with_arguments: Callable[[tuple[Any, ...], int], Sequence[Any]] | None = None,
        **flags: Any,
    ) -> Flags:
        """Return the children.

        Args:
            child: the spec, or the `Actor` class, of each partition; its id is the partition's number.
            partitions: how many, >= 1; as many as processors unless given.
            with_arguments: gets the arguments of the spec and the number of a partition, and returns
                the arguments of that.
            flags: `strategy`, `max_restarts` and `max_seconds`, as of `Supervisor`.
        """
        if not self.system.names.has(self._cell):
            raise ConfigError(f"name is None; a {type(self).__name__} needs one: options(name=...).start(...)")
        count = _processors() if partitions is None else partitions
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ConfigError(f"partitions is {partitions!r}; it must be an integer >= 1")
        if with_arguments is not None and not callable(with_arguments):
            raise ConfigError(f"with_arguments is {with_arguments!r}; it must be a function of (args, number)")
        if flags.get("auto_shutdown", "never") != "never":
            raise ConfigError(f"auto_shutdown is {flags['auto_shutdown']!r}; it must be never")
        spec = _checked(to_spec(child))
        self.route_class = getattr(spec.start, "_named_ref_class", NamedRef)
        self._size = count
        self._refs: list[ActorRef[Any] | None] = [None] * count
        args = [spec.args if with_arguments is None else with_arguments(spec.args, number) for number in range(count)]
        return Flags(
            children=[msgspec.structs.replace(spec, id=number, args=tuple(args[number])) for number in range(count)],
            **flags,
        )

    @classmethod
    def named(cls, name: str | NamedRef) -> NamedPartitionsRef:
        """See `Supervisor.named`."""
        ref: Any = super().named(name)
        return ref  # type: ignore[no-any-return]  # made by `_named_ref_class`

    @classmethod
    def route(cls, name: str | NamedRef, key: object) -> NamedRef:
        """Return a ref that finds, at every send, who serves a key.

        Where partitions are supervisors it has their verbs, once this supervisor runs; before that, and to
        tell a type checker, `DynamicSupervisor.named(route)` has them.

        Args:
            name: that of the supervisor.
            key: see `base.stablehash.stable_hash`.

        Raises:
            TypeError: the key has no stable hash.
        """
        place = cls.named(name).name
        found = place.whereis()
        kind = found._route_class() if isinstance(found, PartitionsRef) else NamedRef  # noqa: SLF001  this file
        return kind(Partition(place, key))

    # -- the table --------------------------------------------------------------------------------

    def _launch(self, child: Child) -> Any:
        """See `Overseer._launch`."""
        result = super()._launch(child)
        self._refs[cast("int", child.key)] = child.ref
        self._publish()
        return result

    def _publish(self) -> None:
        self.table = tuple(self._refs[: self._size])

    def _affected(self, child: Child) -> list[Child]:
        """See `Supervisor._affected`; those it was resized by stay as they are."""
        return [other for other in super()._affected(child) if cast("int", other.key) < self._size]

    # -- requests ---------------------------------------------------------------------------------

    def _begin(self, message: Any, sender: ReplyTo | None) -> Procedure | None:
        """See `Overseer._begin`."""
        if isinstance(message, _Resize):
            return self._resize(message.partitions, sender)
        return super()._begin(message, sender)

    def _request(self, message: Any) -> object:
        """See `Overseer._request`."""
        if isinstance(message, StartChild | StartAnother | DeleteChild):
            verb = VERBS[type(message)]
            raise ActorError(f"{self} does not do {verb}: its children are its partitions; use resize")
        if isinstance(message, RestartChild) and cast("int", self._known(message.id).key) >= self._size:
            raise NoSuchChild(f"{self} has {self._size} partitions now, and no partition {message.id!r}; use resize")
        return super()._request(message)

    def _resize(self, wanted: int, sender: ReplyTo | None) -> Procedure:
        before, most = self._size, len(self._refs)
        if isinstance(wanted, bool) or not isinstance(wanted, int) or not 0 <= wanted <= most:
            self._answer(
                sender, BadSize(f"partitions is {wanted!r}; it must be from 0 to {most}, as many as it had at first")
            )
            return
        # First nothing more is routed to those that stop.
        self._size = min(before, wanted)
        self._publish()
        for number in reversed(range(wanted, before)):
            yield from self._end(self._children[number])
        self._answer(sender, self._grow(wanted) or before)

    def _grow(self, wanted: int) -> ActorError | None:
        """Start partitions up to `wanted`; returns why one did not start."""
        for number in range(self._size, wanted):
            child = self._children[number]
            try:
                if child.ref is None:
                    self._launch_or_refuse(child)
            except ActorError as error:
                return error
            self._size = number + 1
            self._publish()
        return None


class Partition:
    """The name of whoever serves a key; see `actor.name.Name`."""

    __slots__ = ("_hash", "_key", "_supervisor")

    def __init__(self, supervisor: Name, key: object) -> None:
        self._supervisor = supervisor
        self._key = key
        self._hash = stable_hash(key)

    def __str__(self) -> str:
        return f"{brief(self._key)}, a key of PartitionSupervisor {self._supervisor}"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Partition) and (self._supervisor, self._hash) == (other._supervisor, other._hash)

    def __hash__(self) -> int:
        return hash((self._supervisor, self._hash))

    def __reduce__(self) -> tuple[Any, ...]:
        return Partition, (self._supervisor, self._key)

    @property
    def system(self) -> Any:
        """See `Name.system`."""
        return self._supervisor.system

    @property
    def address(self) -> NamedRef:
        """See `Name.address`: the route."""
        return NamedRef(self)

    def whereis(self) -> ActorRef[Any] | None:
        """See `Name.whereis`.

        Raises:
            NoPartition: the supervisor was resized to none.
        """
        found = self._supervisor.whereis()
        return found._serving(self._hash) if isinstance(found, PartitionsRef) else None  # noqa: SLF001  this file

    def claim(self, cell: Any, /) -> Any:
        """Refuse: only the supervisor says who serves a partition."""
        raise ActorError(f"{self} is no name for {cell.ref}: its supervisor starts who serves it")

    def announce(self, cell: Any, /) -> None:
        """See `Name.announce`: nothing follows."""


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _checked(spec: ChildSpec) -> ChildSpec:
    if spec.name is not None:
        raise BadChildSpec(f"child {spec.id!r}: name is {spec.name!r}; it must be None, as there are several of it")
    if spec.restart == "temporary":
        raise BadChildSpec(f"child {spec.id!r}: restart is 'temporary'; it must be permanent or transient")
    return spec

"""Registries: actors found by keys of any kind, each with a value.

A registry is a supervisor of partitions; it is used through its ref, see `RegistryRef`.

Reference: Elixir's `Registry`; otp-semantics 3.15.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from actorcloud.actor.ref.named_ref import NamedRef, named
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.registry.ledger import Ledger
from actorcloud.actor.registry.partition import Partition
from actorcloud.actor.registry.registry_ref import NamedRegistryRef, RegistryRef
from actorcloud.actor.supervision.supervisor import Supervisor
from actorcloud.base.errors import ConfigError

#: What `keys` may be.
KEYS = ("unique", "duplicate")


class Registry(Supervisor):
    """Where actors register themselves under keys.

    >>> class Player(Actor):
    ...     def __init__(self, games, name):
    ...         games.register(name, "ready")
    >>> games = Registry.start("unique")
    >>> ada = Player.start(games, "ada")
    >>> games.whereis("ada") == ada
    True
    >>> [entry.value for entry in games.lookup("ada")]
    ['ready']
    >>> ada.stop()
    True
    >>> games.lookup("ada")
    []
    >>> games.stop()
    True

    Its own end, or that of a partition, ends those who are registered there, by a link: their
    supervisors start them anew, and they register again.
    """

    strategy: ClassVar[str] = "one_for_all"

    _ref_class = RegistryRef
    _named_ref_class = NamedRegistryRef

    def init(  # type: ignore[override]  # each kind of supervisor takes what it needs
        self,
        keys: str,
        *,
        partitions: int = 1,
        listeners: Sequence[str | ActorRef[Any]] = (),
        meta: Mapping[Any, Any] | None = None,
    ) -> Sequence[Any]:
        """Return the partitions.

        Args:
            keys: "unique": a key has one actor at most; "duplicate": any number of entries.
            partitions: >= 1; many share the work of locks, and divide what the loss of one costs.
            listeners: names or refs of actors that get `Registered` and `Unregistered`.
            meta: what `meta` returns at first.

        Raises:
            ConfigError: one of these is something else.
        """
        if keys not in KEYS:
            raise ConfigError(f"keys is {keys!r}; it must be one of {', '.join(KEYS)}")
        if not isinstance(partitions, int) or isinstance(partitions, bool) or partitions < 1:
            raise ConfigError(f"partitions is {partitions!r}; it must be an integer >= 1")
        ears = [named(listener) if isinstance(listener, str) else listener for listener in listeners]
        self.ledger = Ledger(self.actor_ref, is_unique=keys == "unique", partitions=partitions, listeners=ears)
        self.ledger.meta.update(meta or {})
        return [Partition.child_spec(self.ledger.tables, index, id=index) for index in range(partitions)]

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> RegistryRef:
        """Start the registry; see `init` for the arguments."""
        ref: Any = super().start(*args, **kwargs)
        return ref  # type: ignore[no-any-return]  # made by `_ref_class`

    @classmethod
    def named(cls, name: str | NamedRef) -> NamedRegistryRef:
        """Return a ref that finds the registry of this name at every use, also after a restart."""
        ref: Any = super().named(name)
        return ref  # type: ignore[no-any-return]  # made by `_named_ref_class`

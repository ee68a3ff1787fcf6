"""What tests of registries do as actors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actorcloud.actor import ActorRef, RegistryRef
from tests.actor.cast import run


def enter(ref: ActorRef[Any], registry: RegistryRef, *entries: tuple[Any, Any]) -> None:
    """Register an actor under each (key, value)."""

    def register_all(_: Any) -> None:
        for key, value in entries:
            registry.register(key, value)

    run(ref, register_all)


def leave(ref: ActorRef[Any], registry: RegistryRef, *keys: Any) -> None:
    """Take an actor's entries of these keys back."""

    def unregister_all(_: Any) -> None:
        for key in keys:
            registry.unregister(key)

    run(ref, unregister_all)


def found(registry: RegistryRef, key: Any) -> list[tuple[Any, Any]]:
    return [(entry.ref, entry.value) for entry in registry.lookup(key)]


def raised(ref: ActorRef[Any], function: Callable[[Any], Any]) -> Exception:
    """Run a function as the actor and return what it raises there."""

    def catch(me: Any) -> Exception | None:
        try:
            function(me)
        except Exception as error:  # noqa: BLE001  whatever it is, the test looks at it
            return error
        return None

    error = run(ref, catch)
    assert isinstance(error, Exception)
    return error


def calling(verb: Callable[[str], Any], _: Any) -> None:
    verb("a")


def is_bare(registry: RegistryRef) -> bool:
    """Whether no bookkeeping of anybody is left."""
    cell = registry._cell
    tables = cell.actor.ledger.tables
    listed = {directory for directories in cell.system.names._listed.values() for directory in directories}  # type: ignore[attr-defined]
    return all(table.is_empty for table in tables) and listed <= set(tables)

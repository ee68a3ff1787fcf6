"""What telemetry is told of an actor's life. Not under `GUARD`: whoever listens may do what he likes.

Thread: any.
"""

from __future__ import annotations

from typing import Any

from actorcloud.actor.cell import tracing
from actorcloud.base.exits import is_normal, safe_str


def tell_start(cell: Any) -> None:
    """An actor is there; its `__init__` is still to run."""
    if tracing.newcomers or tracing.followed:
        tracing.note_start(cell)
    telemetry = cell.system.telemetry
    if telemetry.is_heard:
        telemetry.emit("actorcloud.actor.actor.start", {}, {**_facts(cell), "name": cell.name})


def tell_stop(cell: Any, reason: object) -> None:
    """It is dead, and all whom it concerns were told."""
    telemetry = cell.system.telemetry
    if telemetry.is_heard:
        facts = {**_facts(cell), "reason": safe_str(reason), "is_normal": is_normal(reason)}
        telemetry.emit("actorcloud.actor.actor.stop", {}, facts)


def tell_zombie_start(cell: Any) -> None:
    """It was killed, and its handler runs on."""
    telemetry = cell.system.telemetry
    if telemetry.is_heard:
        telemetry.emit("actorcloud.actor.zombie.start", {}, _facts(cell))


def tell_zombie_stop(cell: Any) -> None:
    """The handler of a killed actor has come back."""
    telemetry = cell.system.telemetry
    if telemetry.is_heard:
        telemetry.emit("actorcloud.actor.zombie.stop", {}, _facts(cell))


def _facts(cell: Any) -> dict[str, object]:
    return {"actor": str(cell.ref), "actor_class": f"{cell.kind.__module__}.{cell.kind.__qualname__}"}

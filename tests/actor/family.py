"""The cast of the supervisor tests: children that note their starts and ends, and starts that fail when told to."""

from __future__ import annotations

from typing import Any

from actorcloud.actor import Actor, ActorRef, ChildSpec, SupervisorRef
from actorcloud.base.exits import ExitReason
from tests.actor.cast import PATIENCE, Boom, Probe, log

#: Starts and ends of `Noted`, in order; cleared before each test.
events: list[tuple[str, Any]] = []


class Noted(Probe):
    """Notes its start and its orderly end."""

    def __init__(self, name: Any, *, trap: bool = True) -> None:
        super().__init__(trap=trap)
        self.name = name
        events.append(("start", name))

    def on_stop(self) -> None:
        events.append(("stop", self.name))


class Stubborn(Actor):
    """Traps the order to end, and does not obey."""

    trap_exit = True

    def on_stop(self) -> None:
        self.system.sleep(1_000.0)


class Slow(Actor):
    """Obeys the order to end, but needs so many seconds for it."""

    trap_exit = True

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_stop(self) -> None:
        self.system.sleep(self.seconds)


class Parting(Actor):
    """Obeys the order to end as soon as its gate has got a message."""

    trap_exit = True

    def __init__(self, gate: ActorRef[Any]) -> None:
        self.gate = gate

    def on_stop(self) -> None:
        log(self.gate, 1)


class Answering(Actor):
    """Answers the order to end with a reason of its own."""

    trap_exit = True

    def __init__(self, reason: object) -> None:
        self.reason = reason

    def _on_stop_order(self, reason: object) -> None:
        self.stop(self.reason)


class Starts:
    """A start function that counts, and fails on these attempts, or while it is `broken`."""

    def __init__(self, *failing: int, kind: Any = Probe) -> None:
        self.failing = failing
        self.kind = kind
        self.count = 0
        self.broken = False

    def __call__(self) -> ActorRef[Any]:
        self.count += 1
        if self.broken or self.count in self.failing:
            raise Boom(f"start {self.count}")
        ref: ActorRef[Any] = self.kind.start_link()
        return ref

    def spec(self, id: Any, **options: Any) -> ChildSpec:
        return ChildSpec(id=id, start=self, **options)


def noted(*names: Any, **options: Any) -> list[ChildSpec]:
    """Return the specs of such children, with their names as ids."""
    return [Noted.child_spec(name, id=name, **options) for name in names]


def names(what: str) -> list[Any]:
    """Return who started, or who stopped, in order."""
    return [name for event, name in events if event == what]


def crash(ref: ActorRef[Any]) -> None:
    """Kill an actor and wait until it is dead."""
    end = ref.monitor()
    ref.exit(ExitReason.KILL)
    end.get(PATIENCE)


def end(ref: ActorRef[Any], reason: object) -> None:
    """Have an actor end by itself with this reason, and wait until it is dead."""
    assert ref.stop(reason=reason, timeout=PATIENCE)


def ids(family: SupervisorRef) -> list[Any]:
    """Return the ids of a supervisor's children, oldest first."""
    return [info.id for info in reversed(family.which_children())]


def states(family: SupervisorRef) -> dict[Any, str]:
    """Return what each child is: running, restarting or idle."""
    return {
        info.id: "restarting" if info.is_restarting else "idle" if info.ref is None else "running"
        for info in family.which_children()
    }

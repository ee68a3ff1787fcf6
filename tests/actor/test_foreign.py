"""Refs to actors elsewhere: two systems in one process, joined by the two primitives alone."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from actorcloud.actor import (
    ActorDeadError,
    ActorRef,
    Down,
    DownSignal,
    ExitSignal,
    Link,
    Monitor,
    Signal,
    System,
)
from actorcloud.base.exits import ExitReason
from tests.actor.cast import PATIENCE, Boom, Probe, boom, log, run


class Bridged(ActorRef[Any]):
    """Reaches an actor of another system of this process, as `cluster` reaches those of other peers."""

    _is_local = False

    def __init__(self, far: ActorRef[Any], near: System) -> None:
        super().__init__(far._cell)
        self.far = far
        self.near = near

    def tell(self, message: Any) -> None:
        self.deliver(message)

    def deliver(self, message: Any, reply_to: Any = None) -> None:
        self.far.deliver(message, reply_to)

    def signal(self, signal: Signal) -> None:
        match signal:
            case Link(sender):
                self.far.signal(Link(Bridged(sender, self.near)))
            case ExitSignal(sender, reason, linked):
                self.far.signal(ExitSignal(sender and Bridged(sender, self.near), reason, linked))
            case _:
                self.far.signal(signal)


@pytest.fixture
def far(system: System) -> Iterator[ActorRef[Any]]:
    """A probe of another system, reached through a bridge."""
    with System(name="far") as other:
        yield Bridged(Probe.options(system=other).start(trap=True), system)


@pytest.fixture
def system() -> Iterator[System]:
    with System(name="near") as near, near.activate():
        yield near


def test_tell_and_ask_work_through_deliver_alone(far: ActorRef[Any]) -> None:
    far.tell("one")
    assert far.ask("two", timeout=PATIENCE) == "two"
    assert log(far, 2) == ["one", "two"]


def test_a_crash_reaches_the_foreign_asker(far: ActorRef[Any]) -> None:
    with pytest.raises(Boom):
        run(far, boom)
    with pytest.raises(ActorDeadError):
        far.ask("x")


def test_links_and_monitors_cross(far: ActorRef[Any]) -> None:
    near = Probe.start(trap=True)
    run(near, lambda me: (me.link(far), me.monitor(far)))
    assert far.stop(reason="gone") is True
    entries = {type(entry).__name__: entry for entry in log(near, 2)}
    assert (entries["Exit"].sender.id, entries["Exit"].reason) == (far.id, "gone")
    assert (entries["Down"].target, entries["Down"].reason) == (far, "gone")


def test_an_exit_crosses_with_its_sender(far: ActorRef[Any]) -> None:
    near = Probe.start()
    run(near, lambda _: far.exit("boom"))
    (message,) = log(far, 1)
    assert (message.sender, message.reason) == (near, "boom")


def test_a_lost_peer_fires_what_was_waiting(system: System) -> None:
    # Given a ref to an actor of a peer that answers nothing
    sent: list[Signal] = []

    class Lost(ActorRef[Any]):
        _is_local = False

        def deliver(self, message: Any, reply_to: Any = None) -> None:
            pass

        def signal(self, signal: Signal) -> None:
            sent.append(signal)

    gone = Probe.start()
    lost = Lost(gone._cell)
    near = Probe.start(trap=True)
    run(near, lambda me: (me.link(lost), me.monitor(lost)))
    # When the gateway learns of it
    near.signal(ExitSignal(lost, ExitReason.NOCONNECTION, linked=True))
    (monitor,) = [signal for signal in sent if isinstance(signal, Monitor)]
    near.signal(DownSignal(Down(monitor.ref, lost, ExitReason.NOCONNECTION)))
    # Then
    assert [entry.reason for entry in log(near, 2)] == [ExitReason.NOCONNECTION] * 2


def test_a_ref_unpickled_elsewhere_is_made_by_that_system(system: System) -> None:
    near = Probe.start()
    data = pickle.dumps(near)
    with System(name="far") as other, other.activate():
        assert not pickle.loads(data).is_alive()
        other.remote_refs = lambda actor_id: Bridged(near, other)
        there = pickle.loads(data)
        assert there.ask("x", timeout=PATIENCE) == "x"
        assert there == near

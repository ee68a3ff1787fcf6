"""State machines and time: block E of the conformance list."""

from __future__ import annotations

import math
from typing import Any

import pytest

from actorcloud.actor import (
    ActorRef,
    EventTimeout,
    NamedTimeout,
    StateTimeout,
    System,
)
from tests.actor.cast import Run, log, run, tell_run
from tests.actor.machines import Machine, both, goto

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.mark.case(278)
def test_a_timeout_of_no_time_never_comes_before_what_is_queued(probe: ActorRef[Any]) -> None:
    # Given two postponed events
    def change(me: Machine) -> None:
        me.goto("b")
        me.event_timeout(0)
        me.next_event("inserted 1")
        me.next_event("inserted 2")

    def postpone(me: Machine) -> None:
        if me.state == "a":
            me.postpone()

    machine = Machine.start(probe, {"change": change, "postponed 1": postpone, "postponed 2": postpone})
    machine.tell("postponed 1")
    machine.tell("postponed 2")
    # When
    machine.tell("change")
    machine.ask(Run(lambda _: None))
    machine.tell("end")
    # Then
    order = ["change", "inserted 1", "inserted 2", "postponed 1", "postponed 2", "end"]
    assert [event for _, event in log(probe, 8)][2:] == order


@pytest.mark.case(279)
def test_timeouts_of_no_time_come_after_inserted_events_and_before_mail(probe: ActorRef[Any]) -> None:
    # Given
    def act(me: Machine) -> None:
        me.actor_ref.tell("mail")
        me.state_timeout(60.0, "replaced")
        me.event_timeout(0, "cancelled by an event")
        me.state_timeout(0, "s")
        me.timeout("n", 0, "n")
        me.next_event("inserted")

    machine = Machine.start(probe, {"act": act})
    # When
    machine.tell("act")
    # Then
    assert [event for _, event in log(probe, 5)] == [
        "act",
        "inserted",
        StateTimeout("s"),
        NamedTimeout("n", "n"),
        "mail",
    ]


@pytest.mark.case(279)
def test_what_ends_a_timeout(probe: ActorRef[Any]) -> None:
    # Given timeouts of each kind
    def act(me: Machine) -> None:
        me.state_timeout(0.005, "until b")
        me.event_timeout(0.005, "until an event")
        me.timeout("n", 0.02, "anyway")

    def leave_first(me: Machine) -> None:
        me.actor_ref.tell("b")  # in the mail before any timer can be
        act(me)

    machine = Machine.start(probe, {"leave first": leave_first, "act": act, "b": goto("b")})
    # When the state changes
    machine.tell("leave first")
    # Then only the named one is left
    assert log(probe, 3)[2] == ("b", NamedTimeout("n", "anyway"))
    # When nothing happens
    machine.tell("act")
    # Then each comes that no other ends
    assert log(probe, 6)[4:] == [("b", StateTimeout("until b")), ("b", NamedTimeout("n", "anyway"))]
    # When only the one for silence is set
    tell_run(machine, lambda me: me.event_timeout(0.001, "silence"))
    # Then it comes
    assert log(probe, 7)[6] == ("b", EventTimeout("silence"))


@pytest.mark.case(280)
def test_timeouts_are_cancelled_and_updated(probe: ActorRef[Any]) -> None:
    # Given
    def act(me: Machine) -> None:
        me.state_timeout(0.001, "cancelled")
        me.timeout("cancelled", 0.001)
        me.timeout("updated", 0.002, "old")
        me.timeout("infinite", 0.001)

    def then(me: Machine) -> None:
        me.cancel_timeout(StateTimeout)
        me.cancel_timeout("cancelled")
        me.cancel_timeout("never set")
        me.timeout("infinite", None)
        me.update_timeout("updated", "new")
        me.update_timeout("expired", "at once")

    machine = Machine.start(probe, {"act": both(act, then), "late": lambda me: me.update_timeout("updated", "again")})
    # When
    machine.tell("act")
    # Then
    assert [event for _, event in log(probe, 3)] == [
        "act",
        NamedTimeout("expired", "at once"),
        NamedTimeout("updated", "new"),
    ]
    # When one that has expired is updated, it comes at once
    machine.tell("late")
    assert log(probe, 5)[4] == ("a", NamedTimeout("updated", "again"))


@pytest.mark.case(282)
def test_named_timeouts_are_independent(probe: ActorRef[Any], system: System) -> None:
    # Given some by a delay and some by a moment, one set twice
    def act(me: Machine) -> None:
        me.actor_ref.tell("then")  # in the mail before any timer can be
        now = system.clock.monotonic()
        # In the order in which they are due: on a machine that stands still meanwhile some are when they are set.
        me.timeout("past", None, at=now - 1.0)
        me.timeout("never", 0.01)
        me.timeout("b", None, at=now + 0.02)
        me.timeout("c", 0.03)
        me.timeout("a", 60.0)

    def then(me: Machine) -> None:
        me.timeout("a", 0)
        me.timeout("never", None)
        me.goto("b")

    machine = Machine.start(probe, {"act": act, "then": then})
    # When one is restarted and one set to infinity
    machine.tell("act")
    # Then
    names = [event.name for _, event in log(probe, 6) if isinstance(event, NamedTimeout)]
    assert set(names[:2]) == {"a", "past"}
    assert names[2:] == ["b", "c"]


@pytest.mark.parametrize(
    ("seconds", "at"),
    [(-1, None), (math.nan, None), (math.inf, None), ("soon", None), (None, math.nan), (None, "soon")],
)
def test_a_timeout_at_no_time_is_refused(seconds: Any, at: Any, probe: ActorRef[Any]) -> None:
    machine = Machine.start(probe)
    with pytest.raises(ValueError, match="timeout"):
        run(machine, lambda me: me.timeout("n", seconds, at=at))


@pytest.mark.shared_memory
def test_a_timeout_that_fired_leaves_nothing_behind(probe: ActorRef[Any]) -> None:
    def set_many(me: Machine) -> None:
        for number in range(5):
            me.timeout(("n", number), 0.001)

    machine = Machine.start(probe, {"set": set_many})
    machine.tell("set")
    log(probe, 6)
    assert machine._cell.actor._timers == {}

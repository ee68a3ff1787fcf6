"""Messages that are sent later."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from actorcloud.actor import Cancelled, Expired, ReceiveTimeout, System, TimerThread, named, process
from actorcloud.base.clock import ManualClock, SystemClock
from actorcloud.base.errors import Unpicklable
from tests.actor.cast import PATIENCE, Probe, log, run, tell_run

#: Virtual seconds are floats: a deadline may be missed by their rounding.
_ROUNDING = 1e-6


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def manual(clock: ManualClock) -> Iterator[System]:
    """A system on threads, current on this one, whose timers go by a clock that the test moves."""
    with System(name="test", clock=clock, timers=clock) as system, system.activate():
        yield system


@pytest.mark.case(62)
def test_messages_sent_later_come_once_in_time_and_not_early(system: System) -> None:
    with process() as me:
        begun = system.clock.monotonic()
        # In the order in which they are due, as the machine may stand still between two of these calls.
        timers = [me.send_after(delay, delay) for delay in (0.01, 0.02, 0.03)]
        for delay in (0.01, 0.02, 0.03):
            assert me.receive(timeout=PATIENCE) == delay
            assert system.clock.monotonic() - begun >= delay - _ROUNDING
        assert [timer.remaining for timer in timers] == [None] * 3
        with pytest.raises(ReceiveTimeout):
            me.receive(timeout=0)


@pytest.mark.case(62)
def test_messages_sent_later_come_in_the_order_of_their_moments(manual: System, clock: ManualClock) -> None:
    with process() as me:
        for delay in (6.0, 2.0, 4.0):
            me.send_after(delay, delay)
        for delay in (2.0, 4.0, 6.0):
            clock.advance(1.0)
            with pytest.raises(ReceiveTimeout):
                me.receive(timeout=0)
            clock.advance(1.0)
            assert me.receive(timeout=PATIENCE) == delay


@pytest.mark.case(63)
@pytest.mark.parametrize("ahead", [0.02, -5.0])
def test_a_message_is_sent_at_a_moment_or_at_once_if_that_is_past(system: System, ahead: float) -> None:
    with process() as me:
        deadline = system.clock.monotonic() + ahead
        me.send_at(deadline, "now")
        assert me.receive(timeout=PATIENCE) == "now"
        assert system.clock.monotonic() >= deadline - _ROUNDING


@pytest.mark.case(64)
def test_a_timer_is_read_and_cancelled_before_it_fires_but_not_after(system: System) -> None:
    with process() as me:
        # Given
        pending, fired = me.send_after(1_000.0, "never"), me.send_after(0.0, "x")
        assert me.receive(timeout=PATIENCE) == "x"
        # When
        read, left = pending.remaining, pending.cancel()
        # Then
        assert read is not None
        assert left is not None
        assert 0 < left <= read <= 1_000.0
        assert (pending.remaining, pending.cancel(), fired.remaining, fired.cancel()) == (None,) * 4


def test_a_timer_that_fires_right_now_cannot_be_cancelled() -> None:
    class Firing:
        """Its timers have fired, and are on their way."""

        def call_at(self, deadline: float, function: Any) -> Any:
            return self

        def cancel(self) -> bool:
            return False

    with System(name="test", timers=Firing()) as system, process(system=system) as me:
        timer = me.send_after(1.0, "x")
        assert timer.remaining is not None
        assert timer.cancel() is None


@pytest.mark.case(64)
def test_a_cancellation_can_be_reported_as_a_message(system: System) -> None:
    with process() as me:
        timer = me.send_after(1_000.0, "never")
        for _ in range(2):
            timer.cancel(report_to=me.ref)
        first, second = me.receive(Cancelled), me.receive(Cancelled)
        assert first.ref == second.ref == timer.ref
        assert first.remaining is not None
        assert 0 < first.remaining <= 1_000.0
        assert second.remaining is None


@pytest.mark.case(65)
def test_a_timer_dies_with_its_receiver(system: System) -> None:
    p, dead = Probe.start(), Probe.start()
    dead.stop()
    with process() as me:
        timers = [me.send_after(1_000.0, "never", p), me.send_every(1_000.0, "never", p), me.send_after(1.0, "x", dead)]
        p.stop()
        assert [timer.remaining for timer in timers] == [None] * 3
        assert system.dead_letters == 0


@pytest.mark.case(66)
def test_a_timer_to_a_name_goes_to_who_has_it_then(manual: System, clock: ManualClock) -> None:
    with process() as me:
        me.send_after(5.0, "x", named("later"))
        me.send_after(4.0, "y", "later")
        me.send_after(1.0, "z", "nobody")
        clock.advance(2.0)
        later = Probe.options(name="later").start()
        clock.advance(3.0)
        assert log(later, 2) == ["y", "x"]


@pytest.mark.case(67)
def test_a_wall_clock_that_jumps_moves_no_timer() -> None:
    class Jumping(ManualClock):
        """Its wall clock can be put forward and back."""

        jump = 0.0

        def time(self) -> float:
            return super().time() + self.jump

    clock = Jumping()
    with System(name="test", clock=clock, timers=TimerThread(clock)) as system, process(system=system) as me:
        # Given
        timer = me.send_after(10.0, "in time")
        # When
        for clock.jump in (86_400.0, -86_400.0):
            me.send_after(0.0, "now")
            # Then
            assert me.receive(timeout=PATIENCE) == "now"
            assert timer.remaining == 10.0
        clock.advance(10.0)
        me.send_at(clock.monotonic() - 1.0, "now")
        assert [me.receive(timeout=PATIENCE) for _ in range(2)] == ["now", "in time"]


@pytest.mark.case(68)
def test_sleeping_takes_no_time_or_for_ever_and_is_ended_by_an_exit(system: System) -> None:
    # Given
    p, sleeper = Probe.start(), Probe.start()
    assert run(p, lambda me: me.sleep(0)) is None
    tell_run(sleeper, lambda me: me.sleep())
    # When
    with process() as me:
        me.sleep(0.01)
    end = sleeper.monitor()
    sleeper.exit("wake up")
    # Then
    assert end.get(PATIENCE).reason == "wake up"


def test_a_started_timer_tells_which_it_was(system: System) -> None:
    with process() as me:
        first, second = me.start_timer(0.0, "x"), me.start_timer(0.2, "x")
        for timer in (first, second):
            message = me.receive(Expired, timeout=PATIENCE)
            assert (message.ref, message.message) == (timer.ref, "x")


def test_a_message_is_sent_again_and_again_until_cancelled(system: System) -> None:
    with process() as me:
        timer = me.send_every(0.02, "tick")
        for _ in range(3):
            assert me.receive(timeout=PATIENCE) == "tick"
        assert timer.remaining is not None
        timer.cancel()
        assert timer.remaining is None
        me.send_after(0.2, "last")
        assert me.receive(lambda message: message != "tick", timeout=PATIENCE) == "last"


def test_a_repeated_message_to_a_name_ends_with_its_sender(system: System) -> None:
    p = Probe.options(name="n").start()
    timers: list[Any] = []
    with process() as me:
        timers.append(me.send_every(0.01, "tick", "n"))
        assert log(p, 2) == ["tick", "tick"]
    assert timers[0].remaining is None


def test_ticks_that_were_missed_are_left_out() -> None:
    # Given
    clock = ManualClock()
    fire: list[Any] = []

    class Timers:
        def call_at(self, deadline: float, function: Any) -> Any:
            fire[:] = [deadline, function]
            return self

        def cancel(self) -> bool:
            return True

    with System(name="test", clock=clock, timers=Timers()) as system, process(system=system) as me:
        begun = clock.monotonic()
        me.send_every(1.0, "tick")
        # When
        clock.advance(3.5)
        fire[1]()
        # Then
        assert fire[0] == begun + 4.0
        assert me.receive(timeout=0) == "tick"
        with pytest.raises(ReceiveTimeout):
            me.receive(timeout=0)


@pytest.mark.parametrize(
    ("verb", "moment"),
    [
        ("send_after", -1.0),
        ("send_after", float("nan")),
        ("send_at", float("inf")),
        ("send_every", 0.0),
        ("send_after", "soon"),
        ("send_every", "soon"),
        ("start_timer", float("inf")),
    ],
)
def test_a_moment_that_there_is_not_is_refused(system: System, verb: str, moment: Any) -> None:
    with process() as me, pytest.raises(ValueError, match=r"cannot be sent|finite"):
        getattr(me, verb)(moment, "x")


def test_a_message_that_cannot_travel_is_refused_when_its_timer_is_set() -> None:
    with System(name="test", copy_messages=True) as system, process(system=system) as me:
        with pytest.raises(Unpicklable):
            me.send_after(0.0, threading.Lock())
        sent = [1]
        me.send_after(0.0, sent)
        sent.append(2)
        assert me.receive(timeout=PATIENCE) == [1]


def test_many_cancelled_timers_are_swept() -> None:
    timers = TimerThread(SystemClock())
    try:
        for _ in range(5_000):
            timers.call_at(SystemClock().monotonic() + 1_000, lambda: None).cancel()
        assert len(timers._heap) < 2_500
    finally:
        timers.close()

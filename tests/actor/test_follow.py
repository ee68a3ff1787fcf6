"""Following actors, and debug functions from their start on."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from actorcloud.actor import Actor, ActorDeadError, AsyncActor, Stop, System, debug, named
from actorcloud.actor.cell import tracing
from actorcloud.actor.debug import TraceEvent
from actorcloud.actor.thread.context import current_system, fenced
from actorcloud.base.errors import ActorError, ConfigError
from actorcloud.base.exits import ExitReason
from actorcloud.testing import Simulation
from tests.actor.cast import PATIENCE, Probe, Run, run


def kinds(events: list[TraceEvent]) -> list[str]:
    return [event.kind for event in events]


class Recorder(Actor):
    """Keeps what it is told of others."""

    def __init__(self) -> None:
        self.events: list[TraceEvent] = []

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, TraceEvent):
            self.events.append(message)
            return None
        return list(self.events)


def test_what_an_actor_does_is_told_in_order(system: System) -> None:
    # Given
    p, q = Probe.start(), Probe.start()
    events: list[TraceEvent] = []
    debug.follow(p, events.append)
    # When

    def work(me: Probe) -> None:
        q.tell("hello")
        me.link(q)
        me.unlink(q)

    p.ask(Run(work))
    child = run(p, lambda _: Probe.start_link())
    p.stop()
    # Then
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert kinds(events) == ["receive", "send", "link", "unlink", "receive", "spawn", "link", "receive", "exit"]
    assert events[1].ref == p
    assert (events[1].other, events[1].value) == (q, "hello")
    assert events[5].other == events[6].other == child
    assert events[-1].value is ExitReason.NORMAL
    assert "send" in str(events[1])


def test_what_is_sent_to_it_and_linked_with_it_by_others_is_told_as_received_and_linked(system: System) -> None:
    p, q = Probe.start(), Probe.start()
    events: list[TraceEvent] = []
    debug.follow(p, events.append, events=["link", "send"])
    run(q, lambda me: (me.link(p), me.unlink(p)))
    assert kinds(events) == ["link", "unlink"]
    assert [event.other for event in events] == [q, q]


def test_who_is_named_is_followed(system: System) -> None:
    p = Probe.options(name="p").start()
    events: list[TraceEvent] = []
    debug.follow(named("p"), events.append, events=["receive"])
    p.ask("x")
    assert [(event.ref, event.value) for event in events] == [(p, "x")]


def test_new_actors_are_followed_from_their_first_moment(system: System) -> None:
    # Given
    old = Probe.start()
    recorder = Recorder.start()
    subscription = debug.follow("new", recorder, events=["spawn", "send", "receive", "exit"])

    class Talker(Actor):
        def __init__(self) -> None:
            old.tell("from __init__")

    # When
    talker = run(old, lambda _: Talker.start())
    talker.stop()
    old.tell("not followed")
    # Then
    events = recorder.ask("what was told")
    assert kinds(events) == ["spawned", "send", "receive", "exit"]
    assert {event.ref for event in events} == {talker}
    assert events[0].other == old
    # And those that start after its end are not
    subscription.cancel()
    Talker.start().stop()
    assert len(recorder.ask("what was told")) == 4


def test_what_a_follower_does_is_done_in_the_system_of_whom_it_follows(pool: System) -> None:
    # Given a system that is not the default one of the threads of its actors
    p = Probe.start()
    found: list[object] = []
    debug.follow(p, lambda event: found.append(current_system()), events=["exit"])
    # When
    p.stop()
    # Then
    assert found == [pool]


def test_a_subscription_ends_by_itself_and_says_so(system: System) -> None:
    p = Probe.start()
    events: list[TraceEvent] = []
    subscription = debug.follow(p, events.append, events=["receive"], limit=3)
    for number in range(10):
        p.tell(number)
    p.ask("done")
    assert [event.value for event in events[:3]] == [0, 1, 2]
    assert [str(event) for event in events[3:]] == ["4. over"]
    assert subscription.is_over
    debug.get_state(p)
    assert p._cell.debug is None


@pytest.mark.parametrize("how", ["cancelled", "full", "its end"])
def test_nothing_is_left_behind(how: str, system: System) -> None:
    p = Probe.start()
    subscription = debug.follow(p, lambda _: None, limit=2)
    assert fenced
    if how == "cancelled":
        subscription.cancel()
        subscription.cancel()
    elif how == "full":
        p.ask("one")
        p.ask("two")
    else:
        p.stop()
    assert not tracing.followed
    assert not fenced


def test_a_follower_that_raises_is_told_nothing_more_and_harms_nobody(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    p = Probe.start()
    told: list[TraceEvent] = []

    def fail(event: TraceEvent) -> None:
        told.append(event)
        raise RuntimeError("no room")

    with caplog.at_level(logging.ERROR):
        subscription = debug.follow(p, fail)
        assert p.ask("one") == "one"
        assert p.ask("two") == "two"
    assert len(told) == 1
    assert subscription.is_over
    assert "is told nothing more" in caplog.text


@pytest.mark.parametrize("error", [SystemExit, Stop])
def test_a_follower_that_wants_to_end_ends_nobody_else(
    error: type[BaseException], system: System, caplog: pytest.LogCaptureFixture
) -> None:
    def leave(event: TraceEvent) -> None:
        raise error

    p = Probe.start()
    debug.follow(p, leave)
    assert p.ask("x") == "x"
    end = p.monitor()
    debug.follow(p, leave, events=["exit"])
    p.stop()
    assert end.get(PATIENCE).reason is ExitReason.NORMAL
    assert "is told nothing more" in caplog.text


def test_a_follower_that_is_dead_is_told_nothing_and_gets_no_dead_letters(system: System) -> None:
    p, recorder = Probe.start(), Recorder.start()
    subscription = debug.follow(p, recorder)
    recorder.stop()
    p.ask("x")
    assert subscription.is_over
    assert not tracing.followed
    assert system.dead_letters == 0


def test_it_is_over_when_the_one_that_was_followed_has_ended(system: System) -> None:
    p = Probe.start()
    events: list[TraceEvent] = []
    subscription = debug.follow(p, events.append, events=["exit"])
    p.stop()
    assert kinds(events) == ["exit"]
    assert subscription.is_over


def test_a_new_actor_that_is_dead_or_comes_after_the_end_is_not_kept(system: System) -> None:
    # Given one whose start was told before its follower heard of it
    p, q = Probe.start(), Probe.start()
    subscription = debug.follow("new", lambda _: None)
    p.stop()
    # When
    subscription.greet(p._cell)
    # Then
    assert not tracing.followed
    # And one that greets when another thread has cancelled meanwhile
    subscription.cancel()
    subscription.greet(q._cell)
    assert not tracing.followed
    assert q._cell.debug is None


def test_a_follower_that_tells_is_not_told_of_that(system: System) -> None:
    p, q = Probe.start(), Probe.start()
    sent: list[TraceEvent] = []

    def pass_on(event: TraceEvent) -> None:
        sent.append(event)
        q.tell(event)

    debug.follow(p, pass_on, events=["send"])
    run(p, lambda _: q.tell("x"))
    assert kinds(sent) == ["send"]


def test_an_actor_that_is_told_of_new_ones_is_not_told_of_itself(system: System) -> None:
    recorder = Recorder.start()
    debug.follow(recorder, recorder)
    recorder.tell("x")
    assert recorder.ask("what was told") == []


def test_an_actor_of_coroutines_is_followed_too(pool: System) -> None:
    class Talking(AsyncActor):
        async def on_receive(self, message: Any) -> None:
            message.tell("hello")

    p, talking = Probe.start(), Talking.start()
    events: list[TraceEvent] = []
    debug.follow(talking, events.append, events=["send", "receive"])
    talking.ask(p)
    assert kinds(events) == ["receive", "send"]


def test_what_cannot_be_followed_is_said(system: System) -> None:
    p = Probe.start()
    with pytest.raises(ConfigError, match=r"sned.*send, receive"):
        debug.follow(p, print, events=["sned"])  # type: ignore[list-item]
    for limit in (0, True, debug.EVENTS_LIMIT + 1):
        with pytest.raises(ConfigError, match="limit is"):
            debug.follow(p, print, limit=limit)
    with pytest.raises(TypeError, match="to a function"):
        debug.follow(p, 7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match='"new"'):
        debug.follow("old", print)  # type: ignore[arg-type]
    p.stop()
    with pytest.raises(ActorDeadError, match="nothing to follow"):
        debug.follow(p, print)
    assert not tracing.followed

    class Remote(type(p)):  # type: ignore[misc]
        _is_local = False

    with pytest.raises(ActorError, match="another process: follow it there"):
        debug.follow(Remote(p._cell), print)


# -- from the start on ------------------------------------------------------------------------------


def test_debug_functions_are_there_from_the_first_message_on(
    system: System, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # Given
    seen: list[Any] = []

    def see(state: Any, event: Any, ref: Any) -> Any:
        seen.append(event.value)
        return state

    path = tmp_path / "events"
    options = ["trace", "statistics", ("log", 2), ("log_to_file", path), ("install", see, None)]
    # When
    p = Probe.options(debug=options).start()
    p.ask("x")
    # Then
    assert "got ask 'x'" in capsys.readouterr().out
    assert "got ask 'x'" in path.read_text(encoding="utf-8")
    assert seen == ["x", "x"]
    counts = debug.get_statistics(p)
    assert counts is not None
    assert (counts.messages_in, counts.messages_out) == (1, 1)
    p.ask("y")
    assert [event.value for event in debug.get_log(p)] == ["y", "y"]
    debug.no_debug(p)
    assert debug.get_statistics(p) is None


def test_a_wrong_debug_option_is_logged_and_passed_over(system: System, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        p = Probe.options(debug=["tarce", ("log", -1), "statistics"]).start()
    assert "'tarce'" in caplog.text
    assert "('log', -1)" in caplog.text
    assert debug.get_statistics(p) is not None


def test_a_system_that_ends_is_followed_no_more() -> None:
    with System() as closed, closed.activate():
        debug.follow("new", print, events=["link"])
        debug.follow(Probe.start(), print, events=["link"])
    abandoned = System()
    with abandoned.activate():
        debug.follow("new", print, events=["link"])
        debug.follow(Probe.start(), print, events=["link"])
        abandoned.abandon()
    assert not tracing.followed
    assert not tracing.newcomers
    assert not fenced
    abandoned.dispatcher.close(1.0)


class Unhashable:
    """A debug function that cannot be a key."""

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, state: Any, event: Any, ref: Any) -> Any:
        return state


@pytest.mark.parametrize("options", [7, True, [("install", Unhashable(), None)]])
def test_what_is_no_list_of_debug_options_keeps_nobody_from_starting(
    options: Any, system: System, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        p = Probe.options(name="p", debug=options).start()
    assert p.ask("x") == "x"
    assert "which is none" in caplog.text


def test_debug_options_are_there_at_each_start_of_a_starter(system: System) -> None:
    starter = Probe.options(debug=(option for option in ["statistics"]))
    assert [debug.get_statistics(starter.start()) is not None for _ in range(2)] == [True, True]


def test_an_id_that_cannot_be_one_is_refused_and_harms_nobody(system: System) -> None:
    p = Probe.start()
    with pytest.raises(TypeError, match="hashable"):
        debug.install(p, Unhashable())
    with pytest.raises(TypeError, match="hashable"):
        debug.remove(p, [])  # type: ignore[arg-type]
    assert p.ask("x") == "x"
    assert debug.install(p, Unhashable(), id="see")


class Herald(Actor):
    """Tells an actor outside of its process, and keeps what it did itself."""

    isolation = "process"

    def on_receive(self, message: Any) -> list[str]:
        events: list[TraceEvent] = []
        following = debug.follow(self.actor_ref, events.append, events=["send"])
        message.tell("hello")
        following.cancel()
        return [str(event.value) for event in events]


def test_what_an_isolated_actor_sends_outside_is_told_in_its_process() -> None:
    with Simulation(seed=1) as sim, sim.system().activate():
        assert Herald.start().ask(Recorder.start()) == ["hello"]

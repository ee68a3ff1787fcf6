"""What can be told about an actor from outside."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from actorcloud.actor import Actor, AsyncActor, System, named, process
from actorcloud.actor.debug.call import resume, suspend
from actorcloud.actor.debug.watch import get_statistics, statistics
from actorcloud.actor.ref.footprint import OBJECTS_LIMIT
from actorcloud.base.clock import ManualClock
from actorcloud.base.errors import ActorError
from tests.actor.cast import PATIENCE, Probe, Run, boom, end_of, run, tell_run
from tests.system.cluster import wait_for


class Blocked(Actor):
    """Blocks where nobody reaches it, until told."""

    def __init__(self, entered: threading.Event, leave: threading.Event) -> None:
        self.entered = entered
        self.leave = leave

    def on_receive(self, message: object) -> None:
        self.entered.set()
        self.leave.wait(PATIENCE)


@pytest.fixture
def blocked(pool: System) -> Any:
    """An actor in the middle of a message, with five more in its mailbox."""
    entered, leave = threading.Event(), threading.Event()
    ref = Blocked.start(entered, leave)
    ref.ask("first", block=False)
    assert entered.wait(PATIENCE)
    for number in range(5):
        ref.tell(number)
    yield ref
    leave.set()


@pytest.mark.case(69)
def test_one_item_gives_its_value_several_a_dict_in_order_and_death_none(system: System) -> None:
    p = Probe.start()
    assert p.info("trap_exit") is False
    assert list(p.info("node", "links", "status").items()) == [
        ("node", system.peer.name),
        ("links", []),
        ("status", "waiting"),
    ]
    assert "messages" not in p.info()
    p.stop()
    assert p.info("status") is None
    assert p.info() is None
    assert p.info("status", "node") is None


@pytest.mark.case(70)
def test_a_name_is_told_in_the_same_form_alone_and_among_others(system: System) -> None:
    p, q = Probe.start(), Probe.options(name="q").start()
    assert p.info("registered_name") is None
    assert p.info("registered_name", "node")["registered_name"] is None
    assert q.info("registered_name") == "q"
    assert q.info("registered_name", "node")["registered_name"] == "q"
    assert named("q").info("registered_name") == "q"
    assert named("nobody").info("registered_name") is None


@pytest.mark.case(71)
def test_a_label_is_told_and_stands_in_reports(system: System, caplog: pytest.LogCaptureFixture) -> None:
    p = Probe.start()
    assert p.info("label") is None
    run(p, lambda me: me.set_label(("order", 4711)))
    assert p.info("label") == ("order", 4711)
    assert "[('order', 4711)]" in str(p)
    with caplog.at_level(logging.ERROR):
        tell_run(p, boom)
        end_of(p)
    assert "[('order', 4711)] crashed" in caplog.text


@pytest.mark.case(44)
def test_what_was_sent_before_is_counted(blocked: Any) -> None:
    assert blocked.info("message_queue_len") == 5
    assert blocked.info("messages") == [0, 1, 2, 3, 4]


def test_a_running_handler_and_its_message_are_told(blocked: Any) -> None:
    assert blocked.info("status") == "running"
    assert blocked.info("current_message") == "first"
    stack = blocked.info("current_stacktrace")
    assert any("self.leave.wait(PATIENCE)" in line for line in stack)
    assert len(stack) < 20


def test_a_killed_actor_whose_handler_runs_is_a_zombie(blocked: Any) -> None:
    blocked.kill()
    assert blocked.info("status") == "zombie"


def test_an_actor_that_was_told_to_exit_is_exiting(blocked: Any) -> None:
    blocked.exit("enough")
    assert blocked.info("status") == "exiting"
    assert blocked.info("message_queue_len") == 5


def test_where_a_coroutine_is_suspended_is_told_too(pool: System) -> None:
    # Given
    entered = threading.Event()

    class Waiting(AsyncActor):
        async def on_receive(self, message: object) -> None:
            await self.wait_long()

        async def wait_long(self) -> None:
            entered.set()
            await asyncio.sleep(PATIENCE)

    ref = Waiting.start()
    ref.ask("first", block=False)
    assert entered.wait(PATIENCE)
    # When it has got to where it waits
    while ref._cell.thread is not None:
        ref.is_alive()
    # Then
    assert ref.info("current_message") == "first"
    assert "await asyncio.sleep(PATIENCE)" in "".join(ref.info("current_stacktrace"))
    assert ref.info("status") == "running"
    ref.kill()


def test_nothing_runs_of_an_idle_actor(system: System) -> None:
    p = Probe.start()
    assert (p.info("current_message"), p.info("current_stacktrace"), p.info("messages")) == (None, [], [])


def test_a_suspended_actor_is_suspended(system: System) -> None:
    p = Probe.start()
    suspend(p)
    p.tell("x")
    assert p.info("status", "message_queue_len") == {"status": "suspended", "message_queue_len": 1}
    resume(p)
    assert p.ask("y") == "y"
    assert p.info("status") != "suspended"


def test_a_starting_actor_is_starting(system: System) -> None:
    seen: list[object] = []

    class Starting(Actor):
        def __init__(self) -> None:
            seen.append(self.actor_ref.info("status"))

    Starting.start()
    assert seen == ["starting"]


def test_the_family_and_the_bonds_are_told(system: System) -> None:
    # Given
    grandparent, friend = Probe.start(), Probe.start()
    parent = run(grandparent, lambda _: Probe.start_link())
    child = run(parent, lambda _: Probe.start_link())
    run(child, lambda me: me.monitor(friend))
    # Then
    assert child.info("parent") == parent
    assert child.info("ancestors") == [parent, grandparent]
    assert child.info("links") == [parent]
    assert child.info("monitors") == [friend]
    assert friend.info("monitored_by") == [child]
    assert child.info("initial_call") == "tests.actor.cast.Probe"


@pytest.mark.case(32)
def test_a_watcher_that_dies_watches_no_more_and_does_no_harm(system: System) -> None:
    a, p = Probe.start(), Probe.start()
    run(a, lambda me: me.monitor(p))
    future = p.monitor()
    assert p.info("monitored_by") == [a]
    a.stop()
    # Who waits for its end hears of that before those do whom it had watched.
    while p.info("monitored_by"):
        system.sleep(0.001)
    assert p.ask("alive") == "alive"
    assert not future.is_done()


def test_a_process_tells_about_itself_too(system: System) -> None:
    with process(name="me") as me:
        me.set_label("main")
        me.ref.tell("x")
        asked = me.ref.info("status", "registered_name", "label", "message_queue_len", "trap_exit")
        assert list(asked.values()) == ["running", "me", "main", 1, False]


def test_what_cannot_be_told_is_said(system: System) -> None:
    p = Probe.start()
    with pytest.raises(ValueError, match=r"'heap_size'.*status"):
        p.info("heap_size")

    class Remote(type(p)):  # type: ignore[misc]
        _is_local = False

        def __str__(self) -> str:
            return "far away"

    with pytest.raises(ActorError, match="another peer"):
        Remote(p._cell).info()


def test_an_actor_may_look_at_itself(system: System) -> None:
    p = Probe.start()
    assert p.ask(Run(lambda me: me.actor_ref.info("status"))) == "running"


def test_messages_are_counted_turn_by_turn(system: System) -> None:
    p = Probe.start()
    assert p.info("handled") == 0
    for number in range(3):
        p.tell(number)
    p.ask("last")
    # The answer is here before the turn is over.
    while p.info("handled") < 4:
        system.sleep(0.001)
    assert p.info("handled") == 4


def test_a_threads_messages_are_counted_too(system: System) -> None:
    with process() as me:
        me.ref.tell("x")
        me.receive(timeout=PATIENCE)
        assert me.ref.info("handled") == 1


def test_when_an_actor_was_started_is_told_in_utc() -> None:
    clock = ManualClock()
    with System(clock=clock, timers=clock) as system, system.activate():
        before = clock.time()
        p = Probe.start()
        clock.advance(5.0)
        assert p.info("started_at") == before


def test_time_is_measured_while_statistics_are_on() -> None:
    clock = ManualClock()
    with System(clock=clock, timers=clock) as system, system.activate():
        p = Probe.start()
        run(p, lambda _: clock.advance(7.0))
        assert p.info("busy_time") is None
        # When
        statistics(p)

        def work_and_look(me: Probe) -> object:
            clock.advance(1.0)
            return me.actor_ref.info("busy_time")

        run(p, lambda _: clock.advance(2.5))
        # The answer is here before the turn is over.
        wait_for(lambda: p.info("status") == "waiting", "the end of the turn")
        clock.advance(100.0)
        # Then
        assert p.info("busy_time") == 2.5
        counts = get_statistics(p)
        assert counts is not None
        assert counts.busy_time == 2.5
        # And a handler that is not over yet counts as far as it is
        assert run(p, work_and_look) == 3.5
        # And off and on begins anew
        statistics(p, on=False)
        assert p.info("busy_time") is None
        statistics(p)
        assert p.info("busy_time") == 0.0


def test_what_a_coroutine_awaits_is_no_busy_time() -> None:
    clock = ManualClock()

    class Waiting(AsyncActor):
        async def on_receive(self, message: object) -> None:
            clock.advance(2.0)
            await asyncio.sleep(0)
            clock.advance(0.5)

    with System(clock=clock, timers=clock) as system, system.activate():
        ref = Waiting.start()
        statistics(ref)
        ref.ask("x")
        wait_for(lambda: ref.info("handled") == 1, "the end of the turn")
        assert ref.info("busy_time") == 2.5


def test_memory_is_that_of_the_actor_and_its_mail_and_not_of_others(system: System) -> None:
    p, q = Probe.start(), Probe.start()
    bare = p.info("memory")
    assert 100 < bare < 20_000
    # When it keeps a megabyte, and a neighbour
    run(p, lambda me: setattr(me, "big", {"text": [bytearray(1_000_000)]}))
    run(q, lambda me: setattr(me, "friend", p))
    # Then
    assert 1_000_000 < p.info("memory") - bare < 1_010_000
    assert q.info("memory") < 20_000
    # And what waits counts
    suspend(q)
    q.tell(bytearray(500_000))
    assert q.info("memory") > 500_000
    assert "memory" not in q.info()
    resume(q)


def test_the_estimate_ends_for_an_actor_of_any_size(system: System) -> None:
    p = Probe.start()
    run(p, lambda me: setattr(me, "many", [[number] for number in range(5 * OBJECTS_LIMIT)]))
    assert p.info("memory") > OBJECTS_LIMIT * 50


class Sizeless:
    """Its size cannot be told, and neither can its module."""

    __module__ = None  # type: ignore[assignment]

    def __sizeof__(self) -> int:
        raise ValueError("no size")


def test_what_cannot_tell_its_size_is_left_out_of_the_estimate(system: System) -> None:
    p = Probe.start()
    bare = p.info("memory")
    run(p, lambda me: setattr(me, "odd", Sizeless()))
    assert bare <= p.info("memory") < 20_000

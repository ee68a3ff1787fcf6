"""The identity of a plain thread: receiving, being bound, ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import actorcloud
from actorcloud.actor import (
    ActorDeadError,
    ActorExit,
    ActorRegistry,
    CallingSelf,
    Down,
    Exit,
    Process,
    ReceiveTimeout,
    Stop,
    System,
    named,
    process,
    whereis,
)
from actorcloud.base.errors import ActorError, NameTaken
from actorcloud.base.exits import Crash, ExitReason
from actorcloud.testing import Simulation
from tests.actor.cast import PATIENCE, Boom, Probe, Run, end_of, log, run, tell_run


@pytest.mark.case(54)
@pytest.mark.parametrize("match", [lambda message: message == 2, int])
def test_receive_takes_the_oldest_that_matches_and_leaves_the_others_in_order(
    system: System, match: Callable[[Any], object] | type
) -> None:
    with process() as me:
        for message in ("a", 2, "c", 2.5, 2):
            me.ref.tell(message)
        assert me.receive(match, timeout=PATIENCE) == 2
        assert [me.receive(timeout=0) for _ in range(4)] == ["a", "c", 2.5, 2]


@pytest.mark.case(55)
def test_a_receive_that_only_looks_returns_at_once_and_takes_nothing(system: System) -> None:
    with process() as me:
        me.ref.tell("a")
        begun = system.clock.monotonic()
        with pytest.raises(ReceiveTimeout, match="1 other"):
            me.receive(int, timeout=0)
        assert system.clock.monotonic() - begun < PATIENCE
        assert me.receive(timeout=0) == "a"


@pytest.mark.case(56)
def test_receive_waits_for_a_match_among_what_does_not_match(system: System) -> None:
    with process() as me:
        for delay, message in ((0.01, "a"), (0.02, "b"), (0.03, 3), (0.04, 4)):
            me.send_after(delay, message)
        assert me.receive(int, timeout=PATIENCE) == 3
        assert me.receive((int, float), timeout=PATIENCE) == 4
        assert [me.receive(), me.receive()] == ["a", "b"]


def test_a_receive_gives_up_in_time(system: System) -> None:
    with process() as me:
        begun = system.clock.monotonic()
        with pytest.raises(TimeoutError):
            me.receive(timeout=0.05)
        assert 0.049 <= system.clock.monotonic() - begun < PATIENCE


@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 4), max_size=12))
def test_a_mailbox_is_a_list_from_which_the_first_match_is_taken(sent: list[int], wanted: list[int]) -> None:
    model = list(sent)
    with Simulation(seed=1), process() as me:
        for message in sent:
            me.ref.tell(message)
        for number in wanted:
            if number in model:
                model.remove(number)
                assert me.receive(number.__eq__, timeout=0) == number
            else:
                with pytest.raises(ReceiveTimeout):
                    me.receive(number.__eq__, timeout=0)
        assert [me.receive(timeout=0) for _ in model] == model


def test_it_is_an_actor_to_others(system: System) -> None:
    def talk(_: Probe) -> None:
        named("main").tell("told")
        named("main").ask("asked", block=False)

    p = Probe.start()
    with process(name="main") as me:
        # When told, asked and looked up by an actor
        run(p, talk)
        # Then
        assert me.receive(timeout=PATIENCE) == "told"
        assert me.sender is None
        assert me.receive(timeout=PATIENCE) == "asked"
        assert me.sender is not None
        assert me.ref in system.actors()
        assert me.ref.is_alive()
    assert not me.ref.is_alive()
    assert whereis("main") is None


@pytest.mark.shared_memory
def test_it_answers_asks_and_owes_what_it_has_not_answered(system: System) -> None:
    p = Probe.start()
    with process() as me:
        first, second, third = run(p, lambda _: [me.ref.ask(n, block=False) for n in range(3)])
        me.receive()
        sender = me.sender
        assert sender is not None
        me.reply(sender, "answer")
        me.receive()
    assert first.get(PATIENCE) == "answer"
    for asked in (second, third):
        with pytest.raises(ActorDeadError):
            asked.get(PATIENCE)


def test_it_is_bound_like_an_actor(system: System) -> None:
    with process(trap_exit=True) as me:
        # Given
        linked, monitored, child = Probe.start(), Probe.start(), Probe.start_link()
        me.link(linked)
        monitor = me.monitor(monitored)
        # When
        linked.exit("boom")
        monitored.exit("bang")
        child.stop()
        # Then
        exits = [me.receive(Exit, timeout=PATIENCE) for _ in range(2)]
        assert {(message.sender, message.reason) for message in exits} == {
            (linked, "boom"),
            (child, ExitReason.NORMAL),
        }
        down = me.receive(Down, timeout=PATIENCE)
        assert (down.ref, down.target, down.reason) == (monitor, monitored, "bang")
        assert me.demonitor(monitor) is False


def test_a_down_that_was_flushed_is_not_received(system: System) -> None:
    dead = Probe.start()
    dead.stop()
    with process() as me:
        first, second = me.monitor(dead), me.monitor(dead)
        assert me.demonitor(first) is False
        me.ref.tell("last")
        assert me.receive().ref == second
        assert me.receive() == "last"


@pytest.mark.parametrize("how", ["tell", "timer", "wait", "link"])
def test_an_exit_signal_ends_it_at_its_next_call(pool: System, how: str) -> None:
    # Given
    p = Probe.start()
    told = threading.Event()
    calls: dict[str, Callable[[Process], object]] = {
        "tell": lambda _: run(p, lambda actor: actor),
        "timer": lambda me: me.send_after(0.0, "x", p),
        "wait": lambda me: me.receive(),
        "link": lambda me: me.link(p),
    }
    # When
    with pytest.raises(ActorExit) as caught, process() as me:  # noqa: PT012  the block is the test
        ref = me.ref
        end = run(p, lambda actor: actor.monitor(ref))
        tell_run(p, lambda _: ref.exit("enough"))
        tell_run(p, lambda _: told.set())
        # A wait of ours would be the next call.
        assert told.wait(PATIENCE)
        assert not ref.is_alive()
        calls[how](me)
    # Then
    assert caught.value.reason == "enough"
    (down,) = log(p, 1)
    assert (down.ref, down.reason) == (end, "enough")


def test_an_exit_signal_ends_a_receive_that_waits(system: System) -> None:
    p = Probe.start()
    with pytest.raises(ActorExit) as caught, process() as me:  # noqa: PT012  the block is the test
        ref = me.ref
        run(p, lambda actor: actor.link(ref))
        me.send_after(0.01, Run(lambda actor: actor.stop("gone")), p)
        me.receive(int, timeout=PATIENCE)
    assert caught.value.reason == "gone"


def test_an_exit_signal_that_comes_too_late_is_the_reason_still(pool: System) -> None:
    watcher, p = Probe.start(), Probe.start()
    told = threading.Event()
    with process() as me:
        ref = me.ref
        run(watcher, lambda actor: actor.monitor(ref))
        tell_run(p, lambda _: ref.exit("late"))
        tell_run(p, lambda _: told.set())
        assert told.wait(PATIENCE)
    assert log(watcher, 1)[0].reason == "late"


@pytest.mark.parametrize(
    ("error", "reason"),
    [(None, ExitReason.NORMAL), (Stop("enough"), "enough"), (Boom("as told"), "Boom"), (SystemExit(2), "SystemExit")],
)
def test_it_ends_with_the_block(system: System, error: BaseException | None, reason: object) -> None:
    # Given
    watcher = Probe.start(trap=True)
    raised: BaseException | None = None
    # When
    try:
        with process() as me:
            ref = me.ref
            run(watcher, lambda actor: actor.link(ref))
            if error is not None:
                raise error
    except BaseException as caught:  # noqa: BLE001  that is the test
        raised = caught
    # Then
    assert raised is (None if isinstance(error, Stop) else error)
    found = log(watcher, 1)[0].reason
    assert (found.type.rpartition(".")[2] if isinstance(found, Crash) else found) == reason


def test_ordered_to_stop_it_ends_when_it_has_received_what_came_before(system: System) -> None:
    def order(_: Probe) -> None:
        ref.tell("before")
        ref.stop(reason="enough", block=False)

    p = Probe.start()
    with pytest.raises(ActorExit) as caught, process() as me:  # noqa: PT012  the block is the test
        ref = me.ref
        run(p, order)
        assert me.receive(str, timeout=PATIENCE) == "before"
        me.receive(timeout=PATIENCE)
    assert caught.value.reason == "enough"
    assert end_of(me.ref) is ExitReason.NOPROC


def test_killed_it_is_dead_at_once_and_says_no_more(pool: System) -> None:
    p = Probe.start()
    with pytest.raises(ActorExit) as caught, process(trap_exit=True) as me:  # noqa: PT012  the block is the test
        ref = me.ref
        tell_run(p, lambda _: ref.kill())  # who waited for it would be told at once
        assert end_of_by(p, me) is ExitReason.NOPROC
        assert pool.zombies() == [me.ref]
        p.tell("from the grave")
    assert caught.value.reason is ExitReason.KILLED
    assert pool.zombies() == []
    p.tell("last")
    assert log(p, 2)[1:] == ["last"]


def end_of_by(p: Any, me: Process) -> object:
    """Return what an actor hears of the end of `me`, whose own calls are over."""
    got = threading.Event()
    reasons: list[object] = []

    def watch() -> None:
        with process() as other:
            p.ask("hello")
            other.monitor(me.ref)
            reasons.append(other.receive(Down, timeout=PATIENCE).reason)
            got.set()

    thread = threading.Thread(target=watch)
    thread.start()
    assert got.wait(PATIENCE)
    thread.join(PATIENCE)
    return reasons[0]


def test_a_thread_has_one_identity_at_a_time(system: System) -> None:
    def enter(_: Any) -> None:
        with process():
            pass

    p = Probe.start()
    with pytest.raises(ActorError, match="already"):
        run(p, enter)
    with process() as me:
        with pytest.raises(ActorError, match="already"):
            enter(None)
        with pytest.raises(CallingSelf):
            me.ref.ask("x")
    enter(None)


def test_a_taken_name_makes_no_process(system: System) -> None:
    Probe.options(name="n").start()
    with pytest.raises(NameTaken), process(name="n"):
        pass
    assert len(system.actors()) == 1


def test_closing_its_system_ends_it_without_waiting_for_it(system: System) -> None:
    with process() as me:
        child = Probe.start_link()
        begun = system.clock.monotonic()
        system.close(timeout=4 * PATIENCE)
        assert system.clock.monotonic() - begun < PATIENCE
        assert not child.is_alive()
        assert not me.ref.is_alive()


def test_two_threads_of_the_simulation_speak_to_each_other() -> None:
    with Simulation(seed=3) as sim:

        def serve() -> object:
            with process(name="server") as me:
                who, number = me.receive(timeout=PATIENCE)
                who.tell(number + 1)
                return me.receive(str, timeout=PATIENCE)

        def call() -> object:
            with process() as me:
                me.sleep(0.5)
                whereis("server").tell((me.ref, 41))  # type: ignore[union-attr]
                answer = me.receive(int)
                whereis("server").tell("bye")  # type: ignore[union-attr]
                return answer

        server, client = sim.thread(sim.system(), serve), sim.thread(sim.system(), call)
        sim.run_until(lambda: server.is_done() and client.is_done())
        assert (server.get(), client.get()) == ("bye", 42)


def test_it_is_at_the_top() -> None:
    assert actorcloud.process is process


def test_it_is_not_stopped_with_the_actors(system: System) -> None:
    with process() as me:
        p = Probe.start()
        assert ActorRegistry.get_all() == [p]
        ActorRegistry.stop_all()
        assert me.ref.is_alive()


@pytest.mark.parametrize("match", ["a", 5, (int, "a")])
def test_what_cannot_be_looked_for_is_refused(system: System, match: Any) -> None:
    with process() as me, pytest.raises(TypeError, match="receive looks for a type, a tuple of types"):
        me.receive(match, timeout=0)

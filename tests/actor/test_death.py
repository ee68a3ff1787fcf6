"""How an actor ends: in which order, and with what is under way."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable

import msgspec
import pytest

from actorcloud.actor import Actor, ActorDeadError, ActorExit, Down, Exit, Status, System, whereis
from actorcloud.base.exits import Crash, ExitReason
from tests.actor.cast import PATIENCE, Boom, Probe, boom, end_of, log, run, tell_run


@pytest.mark.case(39)
def test_the_name_is_free_before_anybody_hears_of_the_death(system: System) -> None:
    # Given a watcher that looks the name up when it hears
    class Watcher(Actor):
        trap_exit = True

        def __init__(self, target: object) -> None:
            self.seen: list[object] = []
            self.link(target)  # type: ignore[arg-type]
            self.monitor(target)  # type: ignore[arg-type]

        def on_exit(self, message: Exit) -> None:
            self.look()

        def on_down(self, message: Down) -> None:
            self.look()

        def look(self) -> None:
            self.seen.append(whereis("n"))
            if len(self.seen) == 2:
                self.system.register("n", self.actor_ref)

        def on_receive(self, message: object) -> object:
            return self.seen

    p = Probe.options(name="n").start()
    watcher = Watcher.start(p)
    # Behind the watcher's own: who asks the dead hears at once, and the watcher perhaps later.
    end = p.monitor()
    # When
    p.kill()
    system.wait(end)
    # Then
    assert watcher.ask("seen") == [None, None]
    assert system.whereis("n") == watcher


@pytest.mark.case(40, 41)
def test_messages_arrive_in_order_and_before_an_exit_sent_later(system: System) -> None:
    a, b = Probe.start(), Probe.start(trap=True)

    def send(_: Probe) -> None:
        for number in range(1_000):
            b.tell(number)
        b.exit("r")

    run(a, send)
    entries = log(b, 1_001)
    assert entries[:-1] == list(range(1_000))
    assert entries[-1].reason == "r"


@pytest.mark.case(42)
def test_an_answer_comes_before_the_death(system: System) -> None:
    def answer_and_end(me: Probe) -> str:
        me.stop()
        return "answer"

    for _ in range(20):
        assert run(Probe.start(), answer_and_end) == "answer"


@pytest.mark.case(43)
def test_nobody_told_to_exit_counts_as_alive(system: System) -> None:
    for reason in (ExitReason.KILL, "boom"):
        p = Probe.start()
        p.exit(reason)
        assert not p.is_alive()


@pytest.mark.case(75)
@pytest.mark.parametrize("swallows", [Exception, BaseException])
def test_whatever_a_handler_catches_it_ends_when_it_is_told_to(system: System, swallows: type[BaseException]) -> None:
    # Given a handler that waits, and goes on after an error
    caught: list[BaseException] = []
    handled: list[object] = []
    entered, never = system.future(), system.future()

    class Busy(Actor):
        def on_receive(self, message: object) -> None:
            handled.append(message)
            entered.set()
            try:
                never.get(timeout=PATIENCE)
            except swallows as error:
                caught.append(error)

    p = Busy.start()
    p.tell("first")
    p.tell("second")
    end = p.monitor()
    entered.get(PATIENCE)
    # When
    p.exit(ExitReason.SHUTDOWN)
    # Then
    assert end.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert [type(error) for error in caught] == ([ActorExit] if swallows is BaseException else [])
    assert handled == ["first"]


@pytest.mark.case(73)
def test_a_busy_actor_told_to_exit_takes_no_mail_and_unwinds_at_its_next_call(pool: System) -> None:
    # Given a handler that blocks where we cannot reach it
    entered, leave = threading.Event(), threading.Event()
    outcome: list[object] = []
    sink = Probe.start()

    class Busy(Actor):
        def on_receive(self, message: object) -> None:
            entered.set()
            leave.wait(PATIENCE)
            try:
                sink.tell("not heard")
            except ActorExit as error:
                outcome.append(error.reason)
                raise

    p = Busy.options(name="busy").start()
    p.tell("block")
    queued = p.ask("queued", block=False)
    end = p.monitor()
    assert entered.wait(PATIENCE)
    # When
    p.exit(ExitReason.SHUTDOWN)
    # Then mail is refused at once, although nobody is told yet
    with pytest.raises(ActorDeadError) as refused:
        p.ask("late", timeout=PATIENCE)
    assert refused.value.reason is ExitReason.NOPROC
    letters = pool.dead_letters
    p.tell("late")
    assert pool.dead_letters == letters + 1
    assert not p.is_alive()
    assert not end.is_done()
    assert not queued.is_done()
    # And the handler unwinds at its next call
    leave.set()
    assert end.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert outcome == [ExitReason.SHUTDOWN]
    with pytest.raises(ActorDeadError):
        queued.get(PATIENCE)
    assert sink.ask("last") == "last"


@pytest.mark.case(74)
def test_a_killed_actor_is_dead_at_once_and_its_handler_is_cut_off(pool: System) -> None:
    # Given a handler that blocks where we cannot reach it
    entered, leave, left = threading.Event(), threading.Event(), threading.Event()
    outcome: list[object] = []
    sink = Probe.start()

    class Stuck(Actor):
        def on_receive(self, message: object) -> None:
            entered.set()
            leave.wait(PATIENCE)
            try:
                sink.tell("from the grave")
            except ActorExit as error:
                outcome.append(error.reason)
                raise
            finally:
                left.set()

    p = Stuck.options(name="stuck").start()
    asked = p.ask("x", block=False)
    assert entered.wait(PATIENCE)
    # When
    p.kill()
    # Then all is released while the handler still runs
    assert end_of(p) is ExitReason.NOPROC
    assert whereis("stuck") is None
    assert pool.zombies() == [p]
    with pytest.raises(ActorDeadError) as caught:
        asked.get(PATIENCE)
    assert caught.value.reason is ExitReason.KILLED
    # And what it says afterwards is not heard
    leave.set()
    assert left.wait(PATIENCE)
    assert outcome == [ExitReason.KILLED]
    sink.tell("last")
    assert log(sink, 1) == ["last"]


def test_on_stop_runs_on_a_parents_order_only_in_a_trapping_actor(system: System) -> None:
    # Given
    seen: list[object] = []

    class Child(Probe):
        def on_stop(self) -> None:
            seen.append(self.exit_reason)

    parent = Probe.start(trap=True)
    trapping = run(parent, lambda _: Child.start_link(trap=True))
    plain = run(parent, lambda _: Child.start_link())
    # When
    run(parent, lambda _: (trapping.exit(ExitReason.SHUTDOWN), plain.exit(ExitReason.SHUTDOWN)))
    log(parent, 2)
    # Then
    assert seen == [ExitReason.SHUTDOWN]


def test_a_trapping_child_ends_with_its_parent(system: System) -> None:
    parent = Probe.start()
    child = run(parent, lambda _: Probe.start_link(trap=True))
    end = child.monitor()
    parent.stop()
    assert end.get(PATIENCE).reason is ExitReason.NORMAL


@pytest.mark.case(202, 240, 249)
def test_a_crash_in_on_stop_becomes_the_reason_and_who_stopped_hears_of_it(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    class Clumsy(Actor):
        def on_stop(self) -> None:
            raise Boom("while stopping")

        def format_status(self, status: Status) -> Status:
            return msgspec.structs.replace(status, state="FORMATTED")

    p = Clumsy.start()
    end = p.monitor()
    with pytest.raises(ActorDeadError) as caught:
        p.stop()
    assert isinstance(end.get(PATIENCE).reason, Crash)
    assert caught.value.reason is end.get().reason
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    for part in ("Boom: while stopping", "state: 'FORMATTED'"):
        assert part in record.getMessage()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
@pytest.mark.parametrize("is_asked", [True, False])
def test_what_is_no_exception_ends_the_actor_that_raised_it_and_nobody_else(
    system: System,
    error: type[BaseException],
    is_asked: bool,  # noqa: FBT001
) -> None:
    # Given
    p, q = Probe.start(), Probe.start()
    end = p.monitor()

    def leave(_: Probe) -> None:
        raise error("as told")

    # When
    if is_asked:
        # The asker gets no error that would end it too
        with pytest.raises(ActorDeadError) as caught:
            run(p, leave)
        assert isinstance(caught.value.reason, Crash)
    else:
        tell_run(p, leave)
    # Then
    reason = end.get(PATIENCE).reason
    assert isinstance(reason, Crash)
    assert (reason.type, reason.message) == (error.__name__, "as told")
    assert q.ask("alive") == "alive"


@pytest.mark.case(52)
@pytest.mark.parametrize("how", ["stop", "exit", "kill", "crash"])
def test_a_name_is_free_after_any_death(system: System, how: str) -> None:
    p = Probe.options(name="n").start()
    end = p.monitor()
    deaths: dict[str, Callable[[], object]] = {
        "stop": p.stop,
        "exit": lambda: p.exit("boom"),
        "kill": p.kill,
        "crash": lambda: tell_run(p, boom),
    }
    deaths[how]()
    end.get(PATIENCE)
    assert whereis("n") is None
    system.register("n", Probe.start())


@pytest.mark.parametrize("traps", [False, True])
def test_a_cycle_of_links_ends_at_shutdown_in_order_and_once(system: System, traps: bool) -> None:  # noqa: FBT001
    # Given
    ended: list[int] = []

    class Friend(Probe):
        def __init__(self, number: int) -> None:
            super().__init__(trap=traps)
            self.number = number

        def on_stop(self) -> None:
            ended.append(self.number)

    friends = [Friend.start(number) for number in range(5)]
    for number, friend in enumerate(friends):
        run(friend, functools.partial(Friend.link, ref=friends[(number + 1) % 5]))
    # When
    begun = system.clock.monotonic()
    system.close(timeout=4 * PATIENCE)
    # Then nobody was waited for in vain, which would have been half of that
    assert system.clock.monotonic() - begun < PATIENCE
    assert not any(friend.is_alive() for friend in friends)
    assert ended == ([4, 3, 2, 1, 0] if traps else [])

"""Links, monitors, exit signals and the order of death: block A of the conformance list."""

from __future__ import annotations

import threading

import pytest

from actorcloud.actor import Actor, ActorDeadError, ActorExit, Down, Exit, ExitSignal, Stop, System, whereis
from actorcloud.base.exits import Crash, ExitReason, Shutdown
from tests.actor.cast import PATIENCE, Boom, Probe, boom, end_of, log, run, tell_run


def test_an_exit_signal_ends_an_actor_and_those_linked_to_it(system: System) -> None:
    # Given a chain a - b - c
    a, b, c = Probe.start(), Probe.start(), Probe.start()
    run(a, lambda me: me.link(b))
    run(b, lambda me: me.link(c))
    ends = [ref.monitor() for ref in (a, b, c)]
    # When
    a.exit("boom")
    # Then all end with one reason
    assert [end.get(PATIENCE).reason for end in ends] == ["boom"] * 3


def test_a_trapping_actor_gets_a_message_instead(system: System) -> None:
    p, x = Probe.start(trap=True), Probe.start()
    run(x, lambda _: p.exit("boom"))
    (message,) = log(p, 1)
    assert (message.sender, message.reason) == (x, "boom")
    assert p.is_alive()


def test_normal_sent_to_another_does_nothing_and_to_a_trapping_one_is_a_message(system: System) -> None:
    p, t = Probe.start(), Probe.start(trap=True)
    p.exit(ExitReason.NORMAL)
    t.exit(ExitReason.NORMAL)
    assert run(p, lambda _: "alive") == "alive"
    assert log(t, 1)[0].reason is ExitReason.NORMAL


def test_normal_sent_to_oneself_ends_unless_trapped(system: System) -> None:
    p, t = Probe.start(), Probe.start(trap=True)
    end = p.monitor()
    tell_run(p, lambda me: me.actor_ref.exit(ExitReason.NORMAL))
    tell_run(t, lambda me: me.actor_ref.exit(ExitReason.NORMAL))
    assert end.get(PATIENCE).reason is ExitReason.NORMAL
    assert log(t, 1)[0].sender == t


def test_kill_cannot_be_trapped_and_arrives_at_neighbours_as_killed(system: System) -> None:
    # Given
    p, neighbour = Probe.start(trap=True), Probe.start(trap=True)
    run(neighbour, lambda me: me.link(p))
    end = p.monitor()
    # When
    p.kill()
    # Then
    assert not p.is_alive()
    assert end.get(PATIENCE).reason is ExitReason.KILLED
    assert log(neighbour, 1)[0].reason is ExitReason.KILLED


def test_kill_raised_about_oneself_is_an_ordinary_reason(system: System) -> None:
    # Given one neighbour that traps and one that does not
    p, trapping, plain = Probe.start(), Probe.start(trap=True), Probe.start()
    for other in (trapping, plain):
        run(other, lambda me: me.link(p))
    end = plain.monitor()

    def stop(_: Probe) -> None:
        raise Stop(ExitReason.KILL)

    # When
    tell_run(p, stop)
    # Then
    assert log(trapping, 1)[0].reason is ExitReason.KILL
    assert end.get(PATIENCE).reason is ExitReason.KILL


def test_a_normal_end_kills_no_linked_actor_and_takes_the_link_away(system: System) -> None:
    p, plain, trapping = Probe.start(), Probe.start(), Probe.start(trap=True)
    run(plain, lambda me: me.link(p))
    run(trapping, lambda me: me.link(p))
    p.stop()
    assert log(trapping, 1)[0].reason is ExitReason.NORMAL
    assert run(plain, lambda me: not me._cell.links)


def test_shutdown_with_information_passes_unchanged(system: System) -> None:
    p, q = Probe.start(), Probe.start()
    run(p, lambda me: me.link(q))
    end = q.monitor()
    p.exit(Shutdown("why"))
    assert end.get(PATIENCE).reason == Shutdown("why")


def test_a_crash_tells_type_message_and_traceback(system: System) -> None:
    p = Probe.start()
    end = p.monitor()
    tell_run(p, boom)
    reason = end.get(PATIENCE).reason
    assert isinstance(reason, Crash)
    assert (reason.type.rpartition(".")[2], reason.message) == ("Boom", "as told")
    assert "in boom" in reason.traceback


def test_a_link_is_one_however_often_it_is_made(system: System) -> None:
    p, a = Probe.start(), Probe.start(trap=True)
    for _ in range(3):
        run(a, lambda me: me.link(p))
    run(p, lambda me: me.link(a))
    run(a, lambda me: me.link(me.actor_ref))
    p.exit("boom")
    log(a, 1)
    a.tell("last")
    assert [type(entry).__name__ for entry in log(a, 2)] == ["Exit", "str"]


def test_either_side_may_unlink(system: System) -> None:
    a, p = Probe.start(), Probe.start()
    run(a, lambda me: me.link(p))
    run(p, lambda me: me.unlink(a))
    run(a, lambda me: me.unlink(p))
    p.exit("boom")
    end_of(p)
    assert run(a, lambda _: "alive") == "alive"


def test_linking_a_dead_actor_gives_noproc(system: System) -> None:
    dead = Probe.start()
    dead.stop()
    trapping, plain = Probe.start(trap=True), Probe.start()
    end = plain.monitor()
    run(trapping, lambda me: me.link(dead))
    tell_run(plain, lambda me: me.link(dead))
    (message,) = log(trapping, 1)
    assert (message.sender, message.reason) == (dead, ExitReason.NOPROC)
    assert end.get(PATIENCE).reason is ExitReason.NOPROC


def test_an_exit_through_a_link_that_is_gone_is_dropped(system: System) -> None:
    a, p = Probe.start(trap=True), Probe.start()
    run(a, lambda me: (me.link(p), me.unlink(p)))
    a.signal(ExitSignal(p, "late", linked=True))
    a.tell("last")
    assert log(a, 1) == ["last"]


def test_a_monitor_fires_once_with_the_reason(system: System) -> None:
    a, p = Probe.start(), Probe.start()
    names = run(a, lambda me: [me.monitor(p) for _ in range(3)])
    p.exit("boom")
    downs = log(a, 3)
    assert {down.ref for down in downs} == set(names)
    assert {(down.target, down.reason) for down in downs} == {(p, "boom")}
    a.tell("last")
    assert log(a, 4)[-1] == "last"


def test_monitoring_a_dead_actor_or_a_missing_name_fires_at_once(system: System) -> None:
    dead, a = Probe.start(), Probe.start()
    dead.stop()
    run(a, lambda me: (me.monitor(dead), me.monitor(me.system.named("nobody"))))
    assert [down.reason for down in log(a, 2)] == [ExitReason.NOPROC] * 2


def test_a_monitor_by_name_watches_who_had_the_name_then(system: System) -> None:
    # Given
    p, q, a = Probe.start(), Probe.start(), Probe.start()
    system.register("n", p)
    run(a, lambda me: me.monitor(me.system.named("n")))
    # When the name moves on, and its new holder ends
    system.unregister("n")
    system.register("n", q)
    q.exit("other")
    end_of(q)
    p.exit("mine")
    # Then only the first counts
    (down,) = log(a, 1)
    assert (down.target, down.reason) == (("n", system.peer.name), "mine")


def test_the_watchers_death_takes_its_monitors_away(system: System) -> None:
    a, p = Probe.start(), Probe.start()
    run(a, lambda me: me.monitor(p))
    a.stop()
    assert run(p, lambda me: not me._cell.monitors)


def test_demonitor_before_death_means_no_down(system: System) -> None:
    a, p = Probe.start(), Probe.start()

    def watch_and_stop(me: Probe) -> list[bool]:
        name = me.monitor(p)
        return [me.demonitor(name), me.demonitor(name)]

    assert run(a, watch_and_stop) == [True, False]
    p.stop()
    a.tell("last")
    assert log(a, 1) == ["last"]


def test_demonitor_flushes_a_down_that_is_queued(system: System) -> None:
    a, dead = Probe.start(), Probe.start()
    dead.stop()
    assert run(a, lambda me: me.demonitor(me.monitor(dead))) is False
    assert run(a, lambda me: me.demonitor(me.monitor(dead), flush=False)) is False
    assert [type(entry) for entry in log(a, 1)] == [Down]
    a.tell("last")
    assert len(log(a, 2)) == 2


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
    # When
    p.kill()
    system.wait(p.monitor())
    # Then
    assert watcher.ask("seen") == [None, None]
    assert system.whereis("n") == watcher


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


def test_an_answer_comes_before_the_death(system: System) -> None:
    def answer_and_end(me: Probe) -> str:
        me.stop()
        return "answer"

    for _ in range(20):
        assert run(Probe.start(), answer_and_end) == "answer"


def test_nobody_told_to_exit_counts_as_alive(system: System) -> None:
    for reason in (ExitReason.KILL, "boom"):
        p = Probe.start()
        p.exit(reason)
        assert not p.is_alive()


def test_telling_the_dead_does_nothing_but_count(system: System) -> None:
    p = Probe.start()
    p.stop()
    before = system.dead_letters
    p.tell("late")
    assert system.dead_letters == before + 1


def test_a_busy_actor_told_to_exit_unwinds_at_its_next_call(system: System) -> None:
    # Given a handler that blocks, and would swallow any Exception
    seen: list[object] = []
    blocker = system.future()

    class Busy(Actor):
        def on_receive(self, message: object) -> None:
            try:
                blocker.get(timeout=PATIENCE)
            except Exception as error:  # noqa: BLE001  that is the test
                seen.append(error)
            except ActorExit as error:
                seen.append(error.reason)
                raise

    p = Busy.start()
    p.tell("block")
    other = Probe.start()
    end = p.monitor()
    run(other, lambda _: None)
    # When
    p.exit(ExitReason.SHUTDOWN)
    # Then
    assert end.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert seen in ([ExitReason.SHUTDOWN], [])


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


def test_a_child_linked_at_its_start_always_reports_its_end(system: System) -> None:
    class Brief(Actor):
        def on_start(self) -> None:
            raise Boom("at once")

    parent = Probe.start(trap=True)
    watcher = Probe.start()
    child = run(parent, lambda _: Brief.start_link())
    other, name = run(watcher, lambda _: Brief.start_monitor())
    assert log(parent, 1)[0].sender == child
    (down,) = log(watcher, 1)
    assert (down.ref, down.target) == (name, other)
    assert isinstance(down.reason, Crash)


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
def test_a_crash_in_on_stop_becomes_the_reason_and_who_stopped_hears_of_it(system: System) -> None:
    class Clumsy(Actor):
        def on_stop(self) -> None:
            raise Boom("while stopping")

    p = Clumsy.start()
    end = p.monitor()
    with pytest.raises(ActorDeadError) as caught:
        p.stop()
    assert isinstance(end.get(PATIENCE).reason, Crash)
    assert caught.value.reason is end.get().reason


def test_system_exit_in_a_handler_ends_that_actor_only(system: System) -> None:
    p, q = Probe.start(), Probe.start()
    end = p.monitor()

    def leave(_: Probe) -> None:
        raise SystemExit(3)

    tell_run(p, leave)
    assert isinstance(end.get(PATIENCE).reason, Crash)
    assert run(q, lambda _: "alive") == "alive"


def test_ids_are_never_used_again(system: System) -> None:
    first = Probe.start()
    first.stop()
    assert first not in {Probe.start() for _ in range(100)}

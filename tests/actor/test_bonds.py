"""Links, exit signals and their table: block A of the conformance list."""

from __future__ import annotations

import pytest

from actorcloud.actor import Actor, Exit, ExitSignal, Stop, System
from actorcloud.base.exits import Crash, ExitReason, Shutdown
from tests.actor.cast import PATIENCE, Boom, Probe, boom, end_of, log, run, tell_run


@pytest.mark.case(1)
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


@pytest.mark.case(2)
def test_a_trapping_actor_gets_a_message_instead(system: System) -> None:
    p, x = Probe.start(trap=True), Probe.start()
    run(x, lambda _: p.exit("boom"))
    (message,) = log(p, 1)
    assert (message.sender, message.reason) == (x, "boom")
    assert p.is_alive()


@pytest.mark.case(3, 4)
def test_normal_sent_to_another_does_nothing_and_to_a_trapping_one_is_a_message(system: System) -> None:
    p, t = Probe.start(), Probe.start(trap=True)
    p.exit(ExitReason.NORMAL)
    t.exit(ExitReason.NORMAL)
    assert run(p, lambda _: "alive") == "alive"
    assert log(t, 1)[0].reason is ExitReason.NORMAL


@pytest.mark.case(5, 6)
def test_normal_sent_to_oneself_ends_unless_trapped(system: System) -> None:
    p, t = Probe.start(), Probe.start(trap=True)
    end = p.monitor()
    tell_run(p, lambda me: me.actor_ref.exit(ExitReason.NORMAL))
    tell_run(t, lambda me: me.actor_ref.exit(ExitReason.NORMAL))
    assert end.get(PATIENCE).reason is ExitReason.NORMAL
    assert log(t, 1)[0].sender == t


@pytest.mark.case(7, 8)
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


@pytest.mark.case(9, 10)
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


@pytest.mark.case(11, 12)
def test_a_normal_end_kills_no_linked_actor_and_takes_the_link_away(system: System) -> None:
    p, plain, trapping = Probe.start(), Probe.start(), Probe.start(trap=True)
    run(plain, lambda me: me.link(p))
    run(trapping, lambda me: me.link(p))
    p.stop()
    assert log(trapping, 1)[0].reason is ExitReason.NORMAL
    assert run(plain, lambda me: not me._cell.links)


@pytest.mark.case(13)
def test_shutdown_with_information_passes_unchanged(system: System) -> None:
    p, q = Probe.start(), Probe.start()
    run(p, lambda me: me.link(q))
    end = q.monitor()
    p.exit(Shutdown("why"))
    assert end.get(PATIENCE).reason == Shutdown("why")


@pytest.mark.case(14)
def test_a_crash_tells_type_message_and_traceback(system: System) -> None:
    p = Probe.start()
    end = p.monitor()
    tell_run(p, boom)
    reason = end.get(PATIENCE).reason
    assert isinstance(reason, Crash)
    assert (reason.type.rpartition(".")[2], reason.message) == ("Boom", "as told")
    assert "in boom" in reason.traceback


@pytest.mark.case(17)
def test_a_link_is_one_however_often_it_is_made(system: System) -> None:
    p, a = Probe.start(), Probe.start(trap=True)
    for _ in range(3):
        run(a, lambda me: me.link(p))
    run(p, lambda me: me.link(a))
    p.exit("boom")
    log(a, 1)
    a.tell("last")
    assert [type(entry).__name__ for entry in log(a, 2)] == ["Exit", "str"]


@pytest.mark.case(18)
def test_a_link_with_oneself_is_none(system: System) -> None:
    # Given
    p, watcher = Probe.start(), Probe.start()
    run(p, lambda me: me.link(me.actor_ref))
    assert run(p, lambda me: not me._cell.links)
    # When
    run(watcher, lambda me: me.monitor(p))
    tell_run(p, boom)
    # Then it crashes once
    assert isinstance(log(watcher, 1)[0].reason, Crash)
    watcher.tell("last")
    assert [type(entry).__name__ for entry in log(watcher, 2)] == ["Down", "str"]


@pytest.mark.case(19, 20)
def test_either_side_may_unlink(system: System) -> None:
    a, p = Probe.start(), Probe.start()
    run(a, lambda me: me.link(p))
    run(p, lambda me: me.unlink(a))
    run(a, lambda me: me.unlink(p))
    p.exit("boom")
    end_of(p)
    assert run(a, lambda _: "alive") == "alive"


@pytest.mark.case(22, 23)
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


@pytest.mark.case(24, 25)
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


@pytest.mark.case(53)
def test_ids_are_never_used_again(system: System) -> None:
    # Not OTP's 100,000: they are counted and not kept, so that one given back would be taken at the next start.
    first = Probe.start()
    first.stop()
    assert first not in {Probe.start() for _ in range(100)}


@pytest.mark.case(15)
def test_whether_it_traps_when_the_signal_comes_decides(system: System) -> None:
    p, q = Probe.start(), Probe.start(trap=True)

    def trap(me: Probe) -> None:
        me.trap_exit = not me.trap_exit

    for ref in (p, q):
        run(ref, trap)
        ref.exit("boom")
    assert log(p, 1)[0].reason == "boom"
    assert not q.is_alive()


@pytest.mark.case(16)
def test_a_crash_ends_a_chain_of_links_with_one_reason(system: System) -> None:
    a, b, c = Probe.start(), Probe.start(), Probe.start()
    run(a, lambda me: me.link(b))
    run(b, lambda me: me.link(c))
    ends = [ref.monitor() for ref in (a, b, c)]
    tell_run(a, boom)
    first, second, third = [end.get(PATIENCE).reason for end in ends]
    assert isinstance(first, Crash)
    assert first is second is third


@pytest.mark.case(21)
def test_an_exit_that_is_queued_can_be_flushed_with_its_link(system: System) -> None:
    # Given a trapping actor with Exits of two others in its mail
    a, p, q = Probe.start(trap=True), Probe.start(), Probe.start()

    def let_both_end(me: Probe) -> None:
        for other in (p, q):
            me.link(other)
            me.actor_ref.tell("between")
            other.stop()
            me.system.wait(other.monitor())
        me.unlink(p, flush=True)

    # When
    run(a, let_both_end)
    # Then
    entries = log(a, 3)
    assert [entry.sender for entry in entries if isinstance(entry, Exit)] == [q]
    a.tell("last")
    assert log(a, 4)[-1] == "last"

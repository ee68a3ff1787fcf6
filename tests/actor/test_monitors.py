"""Monitors: that they fire, once, and are taken back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from actorcloud.actor import AskTimeout, Down, System
from actorcloud.actor.future import future
from actorcloud.actor.ref import watcher
from actorcloud.base.errors import ActorError
from actorcloud.base.exits import ExitReason
from tests.actor.cast import PATIENCE, Probe, end_of, log, run, tell_run


@pytest.mark.case(26, 27)
def test_a_monitor_fires_once_with_the_reason(system: System) -> None:
    a, p = Probe.start(), Probe.start()
    names = run(a, lambda me: [me.monitor(p) for _ in range(3)])
    p.exit("boom")
    downs = log(a, 3)
    assert {down.ref for down in downs} == set(names)
    assert {(down.target, down.reason) for down in downs} == {(p, "boom")}
    a.tell("last")
    assert log(a, 4)[-1] == "last"


@pytest.mark.case(28, 31)
def test_monitoring_a_dead_actor_or_a_missing_name_fires_at_once(system: System) -> None:
    dead, a = Probe.start(), Probe.start()
    dead.stop()
    run(a, lambda me: (me.monitor(dead), me.monitor(me.system.named("nobody"))))
    assert [down.reason for down in log(a, 2)] == [ExitReason.NOPROC] * 2


@pytest.mark.case(29, 30)
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


@pytest.mark.case(33, 35, 37)
def test_demonitor_before_death_means_no_down(system: System) -> None:
    a, p = Probe.start(), Probe.start()

    def watch_and_stop(me: Probe) -> list[bool]:
        name = me.monitor(p)
        return [me.demonitor(name), me.demonitor(name)]

    assert run(a, watch_and_stop) == [True, False]
    p.stop()
    a.tell("last")
    assert log(a, 1) == ["last"]


@pytest.mark.case(34, 35, 36)
def test_demonitor_flushes_a_down_that_is_queued(system: System) -> None:
    a, dead = Probe.start(), Probe.start()
    dead.stop()
    assert run(a, lambda me: me.demonitor(me.monitor(dead))) is False
    assert run(a, lambda me: me.demonitor(me.monitor(dead), flush=False)) is False
    assert [type(entry) for entry in log(a, 1)] == [Down]
    a.tell("last")
    assert len(log(a, 2)) == 2


@pytest.mark.case(45)
def test_telling_the_dead_does_nothing_but_count(system: System) -> None:
    p = Probe.start()
    p.stop()
    before = system.dead_letters
    p.tell("late")
    assert system.dead_letters == before + 1


@pytest.mark.case(38)
def test_a_monitor_is_taken_back_by_its_maker_only(system: System) -> None:
    a, b, p = Probe.start(), Probe.start(), Probe.start()
    monitor = run(a, lambda me: me.monitor(p))
    with pytest.raises(ActorError, match="only its maker"):
        run(b, lambda me: me.demonitor(monitor))
    p.exit("boom")
    assert log(a, 1)[0].ref == monitor


def test_a_monitor_by_name_is_taken_back_where_it_was_set(system: System) -> None:
    p, q, a = Probe.start(), Probe.start(), Probe.start()
    system.register("n", p)
    monitor = run(a, lambda me: me.monitor("n"))
    system.unregister("n")
    system.register("n", q)
    assert run(a, lambda me: me.demonitor(monitor)) is True
    assert p.info("monitored_by") == []


@pytest.mark.parametrize("how", ["dropped", "given up", "stop"])
def test_who_gives_up_waiting_for_an_end_leaves_no_monitor(how: str, system: System) -> None:
    p, gate = Probe.start(), Probe.start()
    if how == "dropped":
        p.monitor()
    elif how == "given up":
        with pytest.raises(AskTimeout):
            p.monitor().get(0.0)
    else:
        tell_run(p, lambda _: log(gate, 1))
        with pytest.raises(AskTimeout):
            p.stop(timeout=0.0)
        gate.tell("go")
    last = p.monitor()
    assert len(p._cell.monitors or ()) <= 1
    p.stop()
    assert last.get(PATIENCE).reason is ExitReason.NORMAL


def test_a_monitor_whose_callback_is_wanted_is_kept_by_nobody_else(system: System) -> None:
    p = Probe.start()
    ends: list[Down] = []
    p.monitor().add_done_callback(lambda future: ends.append(future.get()))
    watch = p.monitor()
    p.exit("boom")
    watch.get(PATIENCE)
    while not ends:
        system.sleep(0.001)
    assert [down.reason for down in ends] == ["boom"]


def test_a_callback_that_comes_while_another_waiter_gives_up_is_kept(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a watch whose last waiter gives up, and one who comes between any two of its steps
    watch: Any = Probe.start().monitor()
    late: list[Callable[[], object]] = [list]

    class Faint:
        def __setattr__(self, name: str, value: object) -> None:
            if value is None and late and not future._LOCK.locked():
                watch.add_waiter(late.pop())
            object.__setattr__(self, name, value)

    watch.watcher = Faint()
    watch.add_waiter(tuple)
    # When
    watch.drop_waiter(tuple)
    for waiter in late:
        watch.add_waiter(waiter)
    # Then
    assert watch.watcher.kept is watch
    watch.drop_waiter(list)
    assert watch.watcher.kept is None


def test_who_gave_up_may_wait_again_and_hears_the_reason(system: System) -> None:
    p = Probe.start()
    watch = p.monitor()
    with pytest.raises(AskTimeout):
        watch.get(0.0)
    p.exit("boom")
    assert watch.get(PATIENCE).reason == "boom"


def test_two_threads_that_take_back_the_last_monitor_do_not_stumble(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TakenMeanwhile(deque[Any]):
        def __bool__(self) -> bool:
            return True  # it was there when it was looked for

    monkeypatch.setattr(watcher, "GIVEN_UP", TakenMeanwhile())
    p = Probe.start()
    watch = p.monitor()
    p.stop()
    assert watch.get(PATIENCE).reason is ExitReason.NORMAL

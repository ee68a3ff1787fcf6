"""Starting: what `__init__` may do, and that a failed start leaves nothing."""

from __future__ import annotations

import contextlib
import pickle
import threading
from typing import Any

import pytest

from actorcloud.actor import Actor, ActorExit, AlreadyStarted, Future, Stop, System
from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.dispatch import pinned
from actorcloud.base.errors import ActorError, NameTaken, NoSuchName, StartError
from actorcloud.base.exits import ExitReason
from tests.actor.cast import PATIENCE, Boom, Probe, end_of, log, run


def test_init_runs_as_the_new_actor(system: System) -> None:
    class Knows(Actor):
        def __init__(self, friend: object) -> None:
            self.me = self.actor_ref
            self.found = system.whereis("knows")
            self.link(friend)  # type: ignore[arg-type]
            self.actor_ref.tell("note to self")
            self.mail: list[object] = []

        def on_receive(self, message: object) -> object:
            if message == "facts":
                return self.me == self.found == self.actor_ref, self.mail
            self.mail.append(message)
            return None

    friend = Probe.start(trap=True)
    ref = Knows.options(name="knows").start(friend)
    assert ref.ask("facts") == (True, ["note to self"])
    ref.stop()
    assert log(friend, 1)[0].sender == ref


def test_on_start_is_the_first_thing_an_actor_does(system: System) -> None:
    class Eager(Probe):
        def on_start(self) -> None:
            self._note("started")

    ref = Eager.start()
    ref.tell("first")
    assert log(ref, 2) == ["started", "first"]


def test_what_init_raises_start_raises_and_nothing_is_left(system: System) -> None:
    # Given
    friend = Probe.start(trap=True)

    class Failing(Actor):
        def __init__(self) -> None:
            self.link(friend)
            self.send_after(1_000.0, "x")
            raise Boom("no")

    before = len(system.actors())
    # When
    with pytest.raises(Boom):
        Failing.options(name="failing").start()
    # Then
    assert system.whereis("failing") is None
    assert len(system.actors()) == before
    assert log(friend, 1)[0].reason.message == "no"


def test_a_linked_starter_hears_of_a_failed_start_only_by_its_error(system: System) -> None:
    class Failing(Actor):
        def __init__(self) -> None:
            raise Boom("no")

    def start(me: Probe) -> str:
        for starting in (Failing.start_link, Failing.start_monitor):
            with pytest.raises(Boom):
                starting()
        return "alive"

    for trap in (True, False):
        parent = Probe.start(trap=trap)
        assert run(parent, start) == "alive"
        parent.tell("last")
        assert log(parent, 1) == ["last"]


def test_stopping_in_init_is_a_failed_start(system: System) -> None:
    class Unwilling(Actor):
        def __init__(self) -> None:
            raise Stop("not today")

    with pytest.raises(StartError, match="not today"):
        Unwilling.start()


def test_being_told_to_exit_in_init_is_a_failed_start(system: System) -> None:
    class Doomed(Actor):
        def __init__(self) -> None:
            with contextlib.suppress(ActorExit):
                self.actor_ref.exit("doomed")

    with pytest.raises(StartError):
        Doomed.start()


def test_a_taken_name_is_refused_and_says_who_has_it(system: System) -> None:
    first = Probe.options(name="n").start()
    with pytest.raises(AlreadyStarted) as caught:
        Probe.options(name="n").start()
    assert caught.value.ref == first


@pytest.mark.case(48, 49, 50, 51)
def test_names_are_given_once_and_to_the_living(system: System) -> None:
    p, q = Probe.start(), Probe.start()
    system.register("n", p)
    for name, ref in (("n", q), ("m", p)):
        with pytest.raises(NameTaken):
            system.register(name, ref)
    q.stop()
    with pytest.raises(ActorError):
        system.register("m", q)
    assert system.registered() == ["n"]
    system.unregister("n")
    with pytest.raises(NoSuchName):
        system.unregister("n")


def test_start_link_needs_an_actor_around_it(system: System) -> None:
    with pytest.raises(ActorError, match="use start"):
        Probe.start_link()


def test_pykkas_super_init_does_no_harm(system: System) -> None:
    class Polite(Actor):
        def __init__(self) -> None:
            super().__init__()
            self.urn = self.actor_urn

        def on_receive(self, message: object) -> object:
            return self.urn == self.actor_ref.actor_urn

    assert Polite.start().ask("x") is True


def test_a_pinned_actor_has_a_thread_of_its_own(pool: System) -> None:
    class Pinned(Actor):
        dispatcher = "thread"

        def __init__(self) -> None:
            self.born = threading.current_thread().name

        def on_receive(self, message: object) -> object:
            return self.born, threading.current_thread().name

    first, second = Pinned.start(), Pinned.start()
    born, runs = first.ask("x")
    assert born == runs == "actorcloud-Pinned"
    first.kill()
    assert second.ask("x")[0] == "actorcloud-Pinned"


def test_a_pinned_actor_that_fails_to_start_leaves_no_thread(pool: System) -> None:
    class Failing(Actor):
        dispatcher = "thread"

        def __init__(self) -> None:
            raise Boom("no")

    with pytest.raises(Boom):
        Failing.start()
    assert pool.actors() == []


@pytest.mark.case(186)
def test_a_pinned_actor_that_takes_too_long_to_start_is_given_up(pool: System) -> None:
    # Given
    leave = threading.Event()

    class Slow(Actor):
        dispatcher = "thread"

        def __init__(self) -> None:
            leave.wait(PATIENCE)

    # When
    with pytest.raises(StartError, match="start_timeout"):
        Slow.options(name="slow", start_timeout=0.01).start()
    # Then
    assert pool.whereis("slow") is None
    assert pool.actors() == []
    leave.set()


def test_a_closed_system_starts_nothing() -> None:
    system = System()
    system.close()
    with pytest.raises(ActorError, match="closed"):
        Probe.options(system=system).start()


def test_close_shuts_down_newest_first_and_kills_who_does_not_go(system: System) -> None:
    # Given
    ended: list[str] = []

    class Orderly(Actor):
        trap_exit = True

        def __init__(self, name: str) -> None:
            self.name = name

        def on_stop(self) -> None:
            assert self.exit_reason is ExitReason.SHUTDOWN
            ended.append(self.name)

    class Stubborn(Actor):
        trap_exit = True

        def on_stop(self) -> None:
            self.system.sleep(1_000.0)

    for name in ("one", "two", "three"):
        Orderly.start(name)
    stubborn = Stubborn.start()
    end = stubborn.monitor()
    # When
    system.close(timeout=0.2)
    # Then
    assert end.get(PATIENCE).reason is ExitReason.KILLED
    assert set(ended) <= {"three", "two", "one"}
    assert ended == [name for name in ("three", "two", "one") if name in ended]


def test_the_default_system_is_made_at_the_first_start() -> None:
    ref = Probe.start()
    assert ref._cell.system is System.default()
    System.default().close()
    assert not ref.is_alive()


def test_a_ref_survives_pickling_in_its_own_system(system: System) -> None:
    p = Probe.start()
    again = pickle.loads(pickle.dumps(p))
    assert again == p
    assert hash(again) == hash(p)
    assert again.ask("x") == "x"
    p.stop()
    dead = pickle.loads(pickle.dumps(p))
    assert not dead.is_alive()
    assert end_of(dead) is ExitReason.NOPROC


@pytest.mark.shared_memory
def test_an_actor_counts_as_started_once_its_on_start_has_run(system: System) -> None:
    # A `ThreadingActor` tells by it whether its on_start or a message failed.
    seen: list[bool] = []

    class Starting(Actor):
        def on_start(self) -> None:
            seen.append(self._was_started)

        def on_receive(self, message: object) -> None:
            seen.append(self._was_started)

    Starting.start().ask("x")
    assert seen == [False, True]


def test_a_start_that_ends_when_its_time_is_over_leaves_no_thread(
    pool: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`__init__` has returned, and the actor is not idle yet, when its starter gives up."""
    # Given
    reached, go_on = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    class SlowToRest(Cell):
        __slots__ = ()

        def _rest(self) -> None:
            threads.append(threading.current_thread())
            reached.set()
            assert go_on.wait(PATIENCE)
            super()._rest()

    class Late(Actor):
        dispatcher = "thread"
        _cell_class = SlowToRest

    class Patient(Future[Any]):
        def wait(self, timeout: float | None = None) -> bool:
            # Its time is over as soon as the actor is there, whenever that is.
            assert reached.wait(PATIENCE)
            return super().wait(0.0)

    # When
    with monkeypatch.context() as patch:
        patch.setattr(pinned, "Future", Patient)
        with pytest.raises(StartError, match="did not start"):
            Late.start()
    go_on.set()
    # Then
    threads[0].join(PATIENCE)
    assert not threads[0].is_alive()

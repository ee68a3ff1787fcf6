"""Servers: how they start and end: blocks C and G of the conformance list."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from actorcloud.actor import (
    Actor,
    ActorDeadError,
    AlreadyStarted,
    AskTimeout,
    CallingSelf,
    Down,
    Exit,
    Ignore,
    NoReply,
    Registry,
    Stop,
    Supervisor,
    System,
    named,
    whereis,
)
from actorcloud.base.errors import ConfigError, StartError
from actorcloud.base.exits import ExitReason, Shutdown
from tests.actor.cast import PATIENCE, Probe, end_of, log, run, tell_run


class Unwilling(Actor):
    """Does not start."""

    def __init__(self, error: BaseException) -> None:
        raise error


# -- starting -------------------------------------------------------------------------------------


@pytest.mark.case(185, 192, 321, 326)
def test_a_server_starts_answers_stops_and_is_gone(system: System) -> None:
    p = Probe.options(name=None).start()
    assert p.ask("hello") == "hello"
    assert run(p, lambda me: (me._cell.name, me._cell.links)) == (None, None)
    assert p.stop() is True
    assert p.stop() is False
    with pytest.raises(ActorDeadError) as caught:
        p.ask("hello")
    assert caught.value.reason is ExitReason.NOPROC


@pytest.mark.case(322)
def test_a_start_links_nobody_also_inside_an_actor(system: System) -> None:
    parent = Probe.start()
    child = run(parent, lambda _: Probe.start())
    assert not run(parent, lambda me: me._cell.links)
    assert not run(child, lambda me: me._cell.links)
    child.exit("boom")
    end_of(child)
    assert run(parent, lambda _: "alive") == "alive"


@pytest.mark.case(187, 246)
def test_init_may_decide_that_there_is_nothing_to_do(system: System, caplog: pytest.LogCaptureFixture) -> None:
    parent = Probe.start(trap=True)
    for _ in range(3):
        assert Unwilling.options(name="unwilling").start(Ignore()) is None
        assert run(parent, lambda _: Unwilling.options(name="unwilling").start_link(Ignore())) is None
        ref, _ = run(parent, lambda _: Unwilling.start_monitor(Ignore()))
        assert ref is None
        assert whereis("unwilling") is None
    assert system.actors() == [parent]
    parent.tell("last")
    assert log(parent, 1) == ["last"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.case(187)
def test_a_child_that_has_nothing_to_do_is_kept_without_a_ref(system: System) -> None:
    family = Supervisor.start([Unwilling.child_spec(Ignore(), id="idle"), Probe.child_spec(id="busy")])
    assert {child.id: child.ref is None for child in family.which_children()} == {"idle": True, "busy": False}


@pytest.mark.case(188, 246, 262)
@pytest.mark.parametrize("link", [False, True])
def test_a_stop_in_init_is_a_start_error_with_the_reason(system: System, *, link: bool) -> None:
    # Given
    parent = Probe.start(trap=True)

    def start(_: Probe) -> tuple[object, object]:
        options = Unwilling.options(name="unwilling")
        with pytest.raises(StartError) as caught:
            (options.start_link if link else options.start)(Stop("stopped"))
        return caught.value.reason, whereis("unwilling")

    # When, then the name is free and the actor gone as soon as its start has failed
    for _ in range(3):
        assert run(parent, start) == ("stopped", None)
        assert system.actors() == [parent]
    # And nothing came but the error
    parent.tell("last")
    assert log(parent, 1) == ["last"]


@pytest.mark.case(189, 190)
def test_who_linked_or_monitored_at_the_start_hears_of_the_end(system: System) -> None:
    parent = Probe.start(trap=True)
    linked = run(parent, lambda _: Probe.start_link())
    tell_run(linked, lambda me: me.stop("r"))
    end = log(parent, 1)[0]
    assert isinstance(end, Exit)
    assert (end.sender, end.reason) == (linked, "r")
    monitored, monitor = run(parent, lambda _: Probe.start_monitor())
    tell_run(monitored, lambda me: me.stop("r"))
    down = log(parent, 2)[1]
    assert isinstance(down, Down)
    assert (down.ref, down.target, down.reason) == (monitor, monitored, "r")


@pytest.mark.case(191, 195, 318)
@pytest.mark.parametrize("verb", ["start", "start_link", "start_monitor"])
def test_a_name_in_use_is_refused_and_is_free_after_the_stop(system: System, verb: str) -> None:
    parent = Probe.start(trap=True)
    first = Probe.options(name="server").start()

    def start(_: Probe) -> object:
        with pytest.raises(AlreadyStarted) as caught:
            getattr(Probe.options(name="server"), verb)()
        return caught.value.ref

    assert run(parent, start) == first
    assert named("server").ask("hello") == "hello"
    assert named("server").stop() is True
    assert whereis("server") is None
    assert run(parent, lambda _: bool(getattr(Probe.options(name="server"), verb)()))


@pytest.mark.case(315)
@pytest.mark.parametrize("name", [5, "", b"server", ("server",)])
def test_what_cannot_be_a_name_is_refused(system: System, name: Any) -> None:
    for use in (lambda: Probe.options(name=name), lambda: named(name)):
        with pytest.raises(ConfigError) as caught:
            use()
        assert repr(name) in str(caught.value)
        assert isinstance(caught.value, ValueError)


@pytest.mark.case(234)
@pytest.mark.parametrize("verb", ["start", "start_link"])
def test_a_broken_init_is_the_error_of_who_starts(system: System, verb: str) -> None:
    class Broken(Actor):
        def __init__(self) -> None:
            self.nothing.at_all()  # type: ignore[attr-defined]

    parent = Probe.start()

    def start(_: Probe) -> str:
        with pytest.raises(AttributeError, match="nothing"):
            getattr(Broken, verb)()
        return "alive"

    assert run(parent, start) == "alive"


@pytest.mark.case(314)
def test_a_class_makes_its_child_spec(system: System) -> None:
    spec = Probe.child_spec(trap=True)
    assert (spec.id, spec.start, spec.kwargs, spec.restart) == ("Probe", Probe, {"trap": True}, "permanent")
    own = Probe.child_spec(id="own", restart="transient", shutdown=1.0)
    assert (own.id, own.restart, own.shutdown) == ("own", "transient", 1.0)


@pytest.mark.case(198, 316)
def test_a_server_is_started_reached_and_stopped_by_its_key_in_a_registry(system: System) -> None:
    # Given
    parent, key = Probe.start(trap=True), Registry.start("unique").via("server")
    # When
    p = run(parent, lambda _: Probe.options(name=key).start_link())
    # Then
    assert key.ask("hello") == "hello"
    assert key.stop() is True
    assert log(parent, 1)[0].sender == p
    assert not p.is_alive()
    assert key.stop() is False


@pytest.mark.case(325)
def test_whereis_finds_names_and_nothing_else(system: System) -> None:
    registry = Registry.start("unique")
    p = Probe.options(name="here").start()
    q = Probe.options(name=registry.via("here")).start()
    assert whereis("here") == named("here").holder() == p
    assert registry.whereis("here") == registry.via("here").holder() == q
    for ref in (p, q):
        ref.stop()
    assert whereis("here") is whereis("nowhere") is None
    assert registry.whereis("here") is registry.whereis("nowhere") is None


@pytest.mark.case(319)
def test_a_linked_server_is_told_asked_and_stopped_also_by_name(system: System) -> None:
    parent = Probe.start(trap=True)
    p = run(parent, lambda _: Probe.options(name="server").start_link())
    named("server").tell(1)
    p.tell(2)
    assert (named("server").ask(3), p.ask(4)) == (3, 4)
    assert log(p, 4) == [1, 2, 3, 4]
    assert named("server").stop() is True
    end = log(parent, 1)[0]
    assert (end.sender, end.reason) == (p, ExitReason.NORMAL)


# -- stopping -------------------------------------------------------------------------------------


@pytest.mark.case(193, 232, 233)
@pytest.mark.parametrize("reason", [ExitReason.NORMAL, "r", Shutdown("done")])
def test_a_server_without_on_stop_ends_with_the_reason_it_is_given(system: System, reason: object) -> None:
    p = Probe.start()
    end = p.monitor()
    assert p.stop(reason=reason) is True
    assert end.get(PATIENCE).reason == reason


@pytest.mark.case(194)
@pytest.mark.parametrize("timeout", [-1, "soon", True, float("nan")])
def test_a_stop_with_a_wrong_timeout_stops_nothing(system: System, timeout: Any) -> None:
    p = Probe.start()
    with pytest.raises(ValueError, match="timeout is"):
        p.stop(timeout=timeout)
    assert p.ask("hello") == "hello"


@pytest.mark.case(202)
def test_who_stops_hears_that_it_ended_with_another_reason(system: System) -> None:
    class Changes(Actor):
        def on_stop(self) -> None:
            raise Stop("another")

    with pytest.raises(ActorDeadError, match="another") as caught:
        Changes.start().stop(reason="asked for")
    assert caught.value.reason == "another"


@pytest.mark.case(326, 223, 320)
def test_a_server_cannot_wait_for_itself(system: System) -> None:
    p = Probe.options(name="me").start()

    def try_all(me: Probe) -> str:
        for ref in (me.actor_ref, named("me")):
            for timeout in (None, 5.0):
                with pytest.raises(CallingSelf, match="me"):
                    ref.ask("x", timeout=timeout)
            with pytest.raises(CallingSelf, match="me"):
                ref.stop()
        return "alive"

    assert run(p, try_all) == "alive"


@pytest.mark.case(320)
def test_an_ask_that_fails_says_of_whom(system: System) -> None:
    class Silent(Actor):
        def on_receive(self, message: object) -> object:
            return NoReply

    silent = Silent.start()
    with pytest.raises(AskTimeout, match="Silent"):
        silent.ask("x", timeout=0.01)
    silent.stop()
    with pytest.raises(ActorDeadError, match="Silent"):
        silent.ask("x")
    with pytest.raises(ActorDeadError, match="nobody") as caught:
        named("nobody").ask("x")
    assert caught.value.reason is ExitReason.NOPROC


@pytest.mark.case(203)
@pytest.mark.parametrize("reason", [ExitReason.SHUTDOWN, Shutdown("x"), ExitReason.NORMAL])
@pytest.mark.parametrize("way", ["stop", "exit", "raise"])
def test_an_end_that_is_no_failure_is_the_askers_error_and_is_not_logged(
    system: System, caplog: pytest.LogCaptureFixture, reason: object, way: str
) -> None:
    def end(me: Probe) -> object:
        if way == "stop":
            me.stop(reason)
            return NoReply
        if way == "exit":
            me.actor_ref.exit(reason)
        raise Stop(reason)

    with pytest.raises(ActorDeadError) as caught:
        run(Probe.start(), end)
    assert caught.value.reason == reason
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.case(210)
def test_a_server_that_stops_in_order_without_an_answer_fails_its_asker(system: System) -> None:
    def stop(me: Probe) -> object:
        me.stop()
        return NoReply

    with pytest.raises(ActorDeadError) as caught:
        run(Probe.start(), stop)
    assert caught.value.reason is ExitReason.NORMAL


@pytest.mark.case(211)
@pytest.mark.shared_memory
def test_the_answer_of_a_handler_that_stops_comes_after_on_stop(system: System) -> None:
    order: list[str] = []

    class Leaving(Actor):
        def on_receive(self, message: object) -> object:
            self.stop()
            return "goodbye"

        def on_stop(self) -> None:
            order.append("on_stop")

    future = Leaving.start().ask("x", block=False)
    future.add_done_callback(lambda _: order.append("answer"))
    assert future.get(PATIENCE) == "goodbye"
    assert order == ["on_stop", "answer"]


@pytest.mark.case(243, 259, 260)
@pytest.mark.parametrize("trap", [True, False])
def test_on_stop_runs_on_a_named_parents_order_only_where_exits_are_trapped(system: System, *, trap: bool) -> None:
    seen = Probe.start()

    class Child(Actor):
        trap_exit = trap

        def on_stop(self) -> None:
            seen.tell(self.exit_reason)

        def on_exit(self, message: Exit) -> None:
            seen.tell("on_exit")

    parent = Probe.options(name="parent").start()
    child = run(parent, lambda _: Child.start_link())
    run(parent, lambda _: child.exit(ExitReason.SHUTDOWN))
    assert end_of(child) in {ExitReason.SHUTDOWN, ExitReason.NOPROC}
    seen.tell("last")
    assert log(seen, 1 + trap) == [ExitReason.SHUTDOWN, "last"][not trap :]


@pytest.mark.case(260)
def test_a_trapping_child_stops_in_order_when_its_parent_dies(system: System) -> None:
    seen = Probe.start()

    class Child(Actor):
        trap_exit = True

        def on_stop(self) -> None:
            seen.tell(self.exit_reason)

        def on_exit(self, message: Exit) -> None:
            seen.tell("on_exit")

    parent = Probe.start()
    run(parent, lambda _: bool(Child.start_link()))
    tell_run(parent, lambda me: me.stop("r"))
    assert log(seen, 1) == ["r"]


@pytest.mark.case(261)
def test_the_exit_of_another_is_a_message(system: System) -> None:
    parent, other = Probe.start(), Probe.start()
    child = run(parent, lambda _: Probe.start_link(trap=True))
    run(child, lambda me: me.link(other))
    other.stop(reason="r")
    end = log(child, 1)[0]
    assert (end.sender, end.reason) == (other, "r")
    assert child.is_alive()


def test_a_class_whose_on_stop_a_supervisor_skips_is_hinted_at_once(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    class Cleaning(Actor):
        def on_stop(self) -> None:
            pass

    family = Supervisor.start([Cleaning.child_spec(id=id) for id in ("one", "two")])
    # When
    family.stop()
    # Then
    hints = [record.getMessage() for record in caplog.records if "trap_exit = True" in record.getMessage()]
    assert len(hints) == 1
    assert "Cleaning" in hints[0]

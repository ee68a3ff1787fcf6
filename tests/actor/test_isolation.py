"""Isolated actors: in a process of their own, behind the same ref. In the simulation, and for real."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from actorcloud.actor import (
    Actor,
    ActorDeadError,
    ActorRef,
    AsyncActor,
    Down,
    Exit,
    Ignore,
    NoReply,
    Registry,
    Supervisor,
    System,
)
from actorcloud.actor.debug import call as debug
from actorcloud.actor.isolation.window import MESSAGES_LIMIT
from actorcloud.base.errors import PayloadTooLarge, RemoteError, StartError, Unpicklable
from actorcloud.base.exits import Crash, ExitReason
from actorcloud.testing import Simulation
from tests.actor.cast import PATIENCE, Boom, Probe, end_of, log, run, tell_run
from tests.actor.isolated import Iso, Lookup

#: Real processes: they take 0.2 s and more to start.
REAL = pytest.param("real", marks=pytest.mark.slow)


@pytest.fixture(params=["simulated", REAL])
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    """A system whose isolated actors live in simulated, or in real processes."""
    if request.param == "simulated":
        with Simulation(seed=1) as sim:
            yield sim.system()
        return
    with System(name="test") as real, real.activate():
        yield real


class Fails(Iso):
    def __init__(self) -> None:
        raise Boom("as it starts")


class Stops(Iso):
    def __init__(self, keeper: ActorRef[Any], *, trap: bool = False) -> None:
        super().__init__(trap=trap)
        self.keeper = keeper

    def on_stop(self) -> None:
        self.keeper.tell(("stopped", self.exit_reason))


# -- as every actor ------------------------------------------------------------------------------------


def test_it_starts_answers_and_stops_as_every_actor(system: System) -> None:
    # Given
    ref = Iso.start()
    # When, Then
    assert ref.ask("hello") == "hello"
    ref.tell("first")
    ref.tell("second")
    assert log(ref, 3) == ["hello", "first", "second"]
    assert ref.actor_class is Iso
    assert ref.stop()
    assert not ref.is_alive()
    with pytest.raises(ActorDeadError):
        ref.ask("late")


def test_a_proxy_reaches_its_methods_and_attributes(system: System) -> None:
    # Given
    proxy = Iso.start().proxy()
    # When
    proxy.mark = "set"
    # Then
    assert proxy.add(40, 2).get() == 42
    assert proxy.mark.get() == "set"
    with pytest.raises(TypeError):
        proxy.add(1)


def test_what_its_init_raises_is_raised_by_start_and_nothing_is_left(system: System) -> None:
    # When
    with pytest.raises(Boom, match="as it starts") as raised:
        Fails.start()
    # Then
    assert "in __init__" in str(raised.value.__cause__)
    assert system.actors() == []


def test_a_crash_is_an_exit_reason_and_carries_the_remote_traceback(system: System) -> None:
    # Given
    def fail(_: Any) -> None:
        raise Boom("over there")

    ref = Iso.start()
    watched = ref.monitor()
    # When
    with pytest.raises(Boom, match="over there") as raised:
        run(ref, fail)
    # Then
    assert isinstance(raised.value.__cause__, RemoteError)
    assert "in fail" in str(raised.value.__cause__)
    reason = watched.get(PATIENCE).reason
    assert isinstance(reason, Crash)
    assert reason.exception is None
    assert "in fail" in reason.traceback


def test_only_the_asker_hears_of_an_error_where_the_class_says_so(system: System) -> None:
    # Given
    class Replies(Iso):
        ask_errors = "reply"

    def fail(_: Any) -> None:
        raise Boom

    ref = Replies.start()
    # When, Then
    with pytest.raises(Boom):
        run(ref, fail)
    assert ref.ask("alive") == "alive"


def test_refs_travel_both_ways_and_are_refs_again(system: System) -> None:
    # Given
    keeper, ref = Probe.start(), Iso.start()

    def talk(actor: Any) -> Any:
        keeper.tell(("from", actor.actor_ref))
        return keeper.ask("asked"), actor.actor_ref, keeper

    # When
    answer, own, other = run(ref, talk)
    # Then
    assert (answer, own, other) == ("asked", ref, keeper)
    assert log(keeper, 2)[0] == ("from", ref)
    assert own.ask("still me") == "still me"


def test_an_error_of_an_actor_outside_is_raised_in_the_process(system: System) -> None:
    # Given
    class Refuses(Actor):
        ask_errors = "reply"

        def on_receive(self, message: Any) -> Any:
            raise Boom(message)

    other, ref = Refuses.start(), Iso.start()

    def ask(_: Any) -> str:
        try:
            other.ask("no")
        except Boom as error:
            return f"caught {error}"
        return "nothing"

    # When, Then
    assert run(ref, ask) == "caught no"


def test_it_monitors_others_and_hears_of_their_ends_in_order(system: System) -> None:
    # Given
    other, ref = Probe.start(), Iso.start()
    run(ref, lambda actor: setattr(actor, "watch", actor.monitor(other)))
    # When
    other.exit("gone")
    # Then
    (down,) = log(ref, 1)
    assert isinstance(down, Down)
    assert (down.target, down.reason) == (other, "gone")
    assert run(ref, lambda actor: down.ref == actor.watch)


def test_a_monitor_that_was_taken_back_does_not_fire(system: System) -> None:
    # Given
    other, ref = Probe.start(), Iso.start()
    assert run(ref, lambda actor: actor.demonitor(actor.monitor(other)))
    # When
    other.exit("gone")
    end_of(other)
    # Then
    assert run(ref, lambda actor: actor.log) == []


def test_links_of_either_side_end_both(system: System) -> None:
    for linker in ("isolated", "other"):
        # Given
        other, ref = Probe.start(), Iso.start()
        if linker == "isolated":
            run(ref, lambda actor, peer=other: actor.link(peer))  # type: ignore[misc]
        else:
            run(other, lambda actor, peer=ref: actor.link(peer))  # type: ignore[misc]
        # When
        other.exit("gone")
        # Then
        assert end_of(ref) == "gone"


def test_the_end_of_an_isolated_actor_reaches_who_is_linked(system: System) -> None:
    # Given
    other, ref = Probe.start(trap=True), Iso.start()
    run(ref, lambda actor: actor.link(other))
    # When
    ref.exit("over")
    # Then
    (gone,) = log(other, 1)
    assert isinstance(gone, Exit)
    assert (gone.sender, gone.reason) == (ref, "over")


def test_an_actor_that_traps_gets_exits_as_messages_and_can_unlink(system: System) -> None:
    # Given
    other, ref = Probe.start(), Iso.start(trap=True)
    run(other, lambda actor: actor.link(ref))
    # When
    ref.exit("as a message")
    # Then
    (gone,) = log(ref, 1)
    assert (gone.sender, gone.reason) == (None, "as a message")
    # When
    run(ref, lambda actor: actor.unlink(other))
    other.exit("unheard")
    end_of(other)
    # Then
    assert len(run(ref, lambda actor: actor.log)) == 1


def test_trapping_may_begin_in_a_handler(system: System) -> None:
    # Given
    ref = Iso.start()
    run(ref, lambda actor: setattr(actor, "trap_exit", True))
    ref.ask("the turn of that message is over")
    while not ref._cell.is_trapping():
        system.sleep(0.001)
    # When
    ref.exit("trapped")
    # Then
    assert log(ref, 2)[-1].reason == "trapped"


def test_debug_calls_overtake_its_mail_and_are_served_over_there(system: System) -> None:
    # Given
    ref = Iso.start()
    debug.suspend(ref)
    for number in range(2 * MESSAGES_LIMIT):
        ref.tell(number)
    # When, Then
    assert debug.get_state(ref)["log"] == []
    debug.resume(ref)
    assert len(log(ref, 2 * MESSAGES_LIMIT)) == 2 * MESSAGES_LIMIT
    ref.stop()
    with pytest.raises(ActorDeadError):
        debug.get_state(ref)


def test_an_init_that_says_ignore_leaves_no_actor_and_no_process(system: System) -> None:
    # Given
    class Nothing(Iso):
        def __init__(self) -> None:
            raise Ignore

    # When, Then
    assert Nothing.start() is None
    assert system.actors() == []


def test_it_sends_exit_signals_and_ends_itself(system: System) -> None:
    # Given
    other, ref = Probe.start(), Iso.start()
    # When
    run(ref, lambda _: other.exit("from there"))
    # Then
    assert end_of(other) in {"from there", ExitReason.NOPROC}
    # When
    watched = ref.monitor()
    tell_run(ref, lambda actor: actor.stop("done"))
    # Then
    assert watched.get(PATIENCE).reason == "done"


def test_its_timers_and_deferred_replies_work(system: System) -> None:
    # Given
    class Later(Iso):
        def on_receive(self, message: Any) -> Any:
            if message == "later":
                self.send_after(0.01, ("answer", self.sender))
                return NoReply
            if isinstance(message, tuple) and message[0] == "answer":
                self.reply(message[1], "late")
            return super().on_receive(message)

    # When, Then
    assert Later.start().ask("later") == "late"


@pytest.mark.parametrize("reason", ["a reason", ExitReason.KILL, ExitReason.SHUTDOWN])
def test_a_signal_ends_a_busy_one_at_once(system: System, reason: object) -> None:
    # Given a handler that never comes back
    ref = Iso.start()
    watched = ref.monitor()
    answer = ref.ask(lambda: None, block=False)
    tell_run(ref, lambda actor: actor.system.sleep(1_000_000))
    answer.get(PATIENCE)
    # When
    ref.exit(reason)
    # Then
    assert watched.get(PATIENCE).reason == (ExitReason.KILLED if reason is ExitReason.KILL else reason)
    assert system.zombies() == []


def test_a_stop_and_a_shutdown_of_one_that_traps_run_its_on_stop(system: System) -> None:
    # Given
    keeper = Probe.start()
    # When
    Stops.start(keeper).stop(reason="enough")
    supervisor = Supervisor.start([Stops.child_spec(keeper, trap=True)])
    supervisor.stop()
    # Then
    assert log(keeper, 2) == [("stopped", "enough"), ("stopped", ExitReason.SHUTDOWN)]


def test_a_supervisor_restarts_it_under_its_name(system: System) -> None:
    # Given
    supervisor = Supervisor.start([Iso.child_spec(name="isolated")])
    first = system.lookup("isolated")
    watched = first.monitor()
    # When
    tell_run(first, lambda _: 1 / 0)
    watched.get(PATIENCE)
    second = supervisor.child("isolated")
    # Then
    assert system.named("isolated").proxy().add(1, 2).get(PATIENCE) == 3
    assert second != first
    assert second.ask("again", timeout=PATIENCE) == "again"
    supervisor.stop()
    assert not second.is_alive()


def test_what_cannot_travel_is_refused_at_the_sender_and_harms_nobody(system: System) -> None:
    # Given
    ref = Iso.start()
    letters = system.dead_letters
    # When
    with pytest.raises(Unpicklable, match="lock"):
        ref.ask(threading.Lock())
    with pytest.raises(PayloadTooLarge, match="another process"):
        ref.ask(bytes(17 * 1024 * 1024))
    ref.tell(threading.Lock())
    # Then
    assert ref.ask("alive") == "alive"
    assert system.dead_letters == letters + 1
    # When an answer cannot travel
    with pytest.raises(Unpicklable, match="lock"):
        run(ref, lambda _: threading.Lock())


def test_arguments_that_cannot_travel_are_refused_by_start(system: System) -> None:
    with pytest.raises(Unpicklable, match="arguments"):
        Stops.start(threading.Lock())  # type: ignore[arg-type]  # that is the point


def test_more_mail_than_the_window_waits_here_and_is_handled_in_order(system: System) -> None:
    # Given
    ref = Iso.start()
    count = 5 * MESSAGES_LIMIT
    # When
    for number in range(count):
        ref.tell(number)
    # Then
    assert log(ref, count) == list(range(count))


def test_the_mailbox_of_one_that_is_stuck_keeps_its_limit(system: System) -> None:
    # Given
    ref = Iso.options(mailbox=10).start()
    watched = ref.monitor()
    tell_run(ref, lambda actor: actor.system.sleep(1_000_000))
    # When
    for number in range(MESSAGES_LIMIT + 20):
        ref.tell(number)
    # Then
    assert watched.get(PATIENCE).reason == ExitReason.KILLED


def test_a_start_that_takes_too_long_fails_and_ends_the_process(system: System) -> None:
    # Given
    class Slow(Iso):
        def __init__(self) -> None:
            self.system.sleep(1_000_000)

    # When, Then
    with pytest.raises(StartError, match="start_timeout"):
        Slow.options(start_timeout=0.5).start()
    assert system.actors() == []


def test_other_actors_of_its_process_reach_the_outside_too(system: System) -> None:
    # Given
    keeper, ref = Probe.start(), Iso.start()

    def reach_out(actor: Any) -> None:
        keeper.tell("from within")
        actor.monitor(keeper)
        actor.link(keeper)

    def with_inner(_: Any) -> tuple[Any, Any]:
        inner = Probe.start(trap=True)
        run(inner, reach_out)
        (refused,) = log(inner, 1)
        keeper.exit("gone")
        down = log(inner, 2)[1]
        return refused.reason, down.reason

    # When, Then
    assert run(ref, with_inner) == (ExitReason.NOCONNECTION, "gone")


def test_a_coroutine_actor_may_be_isolated_too(system: System) -> None:
    # Given
    class Both(AsyncActor):
        isolation = "process"

        async def on_receive(self, message: Any) -> Any:
            await asyncio.sleep(0.001)
            return message * 2

    ref = Both.start()
    # When
    answers = [ref.ask(number, block=False) for number in range(2 * MESSAGES_LIMIT)]
    # Then
    assert [answer.get(PATIENCE) for answer in answers] == [2 * number for number in range(2 * MESSAGES_LIMIT)]


def test_a_supervisor_stays_and_isolates_its_children() -> None:
    with pytest.raises(ValueError, match="isolate its children"):
        Supervisor.options(isolation="process").start([])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"isolation": "container"}, "isolation"),
        ({"memory": 1_000}, "memory"),
        ({"memory": -1, "isolation": "process"}, "memory"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Probe.options(**options).start()


def test_a_registry_outside_is_refused_with_a_sentence(system: System) -> None:
    games = Registry.start("unique")
    iso = Iso.start()
    with pytest.raises((AttributeError, RemoteError), match="no 'lookup': the actor lives outside of this process"):
        run(iso, Lookup(games))


def test_the_memory_of_an_isolated_actor_is_that_of_its_process(system: System) -> None:
    iso = Iso.start()
    assert iso.ask("x") == "x"
    is_real = iso._cell.actor.pid is not None
    assert (iso.info("memory") > 1_000_000) == is_real
    iso.stop()
    assert iso.info("memory") is None


def test_debug_functions_of_the_start_see_what_an_isolated_actor_handles(system: System) -> None:
    iso = Iso.options(debug=["statistics"]).start()
    assert iso.ask("x") == "x"
    request = debug.request(iso, "get_statistics")
    assert (request.messages_in, request.messages_out) == (1, 1)


def test_a_debug_function_that_cannot_travel_keeps_no_isolated_actor_from_starting(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    iso = Iso.options(debug=[("install", keep_state, threading.Lock()), "statistics"]).start()
    assert iso.ask("x") == "x"
    assert "cannot be pickled" in caplog.text
    assert debug.request(iso, "get_statistics").messages_in == 1


def keep_state(state: Any, event: Any, ref: Any) -> Any:
    return state

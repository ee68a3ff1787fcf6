"""Actors whose handlers are coroutines: the same life, on one loop."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import pytest

from actorcloud.actor import (
    Actor,
    ActorDeadError,
    AsyncActor,
    CallingSelf,
    Down,
    Exit,
    NoReply,
    Supervisor,
    System,
)
from actorcloud.base.errors import ActorError, StartError
from actorcloud.base.exits import Crash, ExitReason
from actorcloud.testing import Simulation
from tests.actor.cast import PATIENCE, Boom, Probe, Run, boom, end_of, log, run


class AsyncProbe(AsyncActor):
    """Does what it is told; logs messages, exits and downs. A function may be a coroutine's."""

    def __init__(self, *, trap: bool = False) -> None:
        self.trap_exit = trap
        self.log: list[Any] = []

    async def on_receive(self, message: Any) -> Any:
        if isinstance(message, Run):
            result = message.function(self)
            return await result if asyncio.iscoroutine(result) else result
        self.log.append(message)
        return message

    async def on_exit(self, message: Exit) -> None:  # type: ignore[override]  # a coroutine here
        self.log.append(message)

    async def on_down(self, message: Down) -> None:  # type: ignore[override]  # a coroutine here
        self.log.append(message)

    async def double(self, number: int) -> int:
        await asyncio.sleep(0)
        return number * 2


async def forever(_: Any) -> None:
    await asyncio.get_running_loop().create_future()


async def slow_echo(actor: Any, value: object) -> object:
    await asyncio.sleep(0.001)
    actor.log.append(value)
    return value


def test_a_handler_awaits_and_its_value_is_the_answer(system: System) -> None:
    # Given
    ref = AsyncProbe.start()
    # When
    answers = [run(ref, lambda actor: slow_echo(actor, 1)), ref.proxy().double(21).get(), ref.ask("plain")]
    # Then
    assert answers == [1, 42, "plain"]


def test_one_actor_handles_one_message_at_a_time_in_order(system: System) -> None:
    # Given
    ref = AsyncProbe.start()
    # When the first message takes longer than the others
    ref.tell(Run(lambda actor: slow_echo(actor, "slow")))
    ref.tell("quick")
    # Then
    assert run(ref, lambda actor: list(actor.log)) == ["slow", "quick"]


@pytest.mark.shared_memory
def test_others_run_while_one_awaits(system: System) -> None:
    # Given one that waits for what another will do on the same loop
    first, second = AsyncProbe.start(), AsyncProbe.start()
    gate = system.future()

    async def through(_: Any) -> object:
        return await gate

    # When
    answer = first.ask(Run(through), block=False, timeout=PATIENCE)
    run(second, lambda _: gate.set("opened"))
    # Then
    assert answer.get() == "opened"


def test_actors_ask_each_other_on_the_loop_without_blocking_it(system: System) -> None:
    # Given
    first, second, pooled = AsyncProbe.start(), AsyncProbe.start(), Probe.start()

    async def ask_both(_: Any) -> list[object]:
        return list(await asyncio.gather(second.ask("a", block=False), pooled.ask("b", block=False)))

    # When, Then
    assert run(first, ask_both) == ["a", "b"]


def test_an_ask_that_would_stop_the_loop_for_ever_is_refused(system: System) -> None:
    # Given
    first, second = AsyncProbe.start(), AsyncProbe.start()
    # When, Then
    with pytest.raises(CallingSelf, match="await"):
        run(first, lambda _: second.ask("never"))


def test_init_runs_on_the_loop_and_what_it_raises_is_raised_by_start(system: System) -> None:
    # Given
    class OnLoop(AsyncProbe):
        def __init__(self, *, fail: bool = False) -> None:
            super().__init__()
            self.loop = asyncio.get_running_loop()
            if fail:
                raise Boom

    # When, Then
    with pytest.raises(Boom):
        OnLoop.start(fail=True)
    assert run(OnLoop.start(), lambda actor: actor.loop is asyncio.get_running_loop())


@pytest.mark.shared_memory
def test_a_start_that_takes_too_long_fails_and_never_comes_about(pool: System) -> None:
    # Given a loop that is held up
    go_on, held = threading.Event(), threading.Event()
    holder = AsyncProbe.start()

    def hold(_: Any) -> None:
        held.set()
        go_on.wait(PATIENCE)

    holder.tell(Run(hold))
    assert held.wait(PATIENCE)
    # When
    with pytest.raises(StartError, match="start_timeout"):
        AsyncProbe.options(start_timeout=0.01).start()
    go_on.set()
    # Then
    assert run(holder, lambda _: "runs") == "runs"
    assert pool.actors() == [holder]


def test_coroutines_start_and_stop_an_actor_in_order(system: System) -> None:
    # Given
    keeper = Probe.start()

    class Careful(AsyncProbe):
        async def on_start(self) -> None:  # type: ignore[override]  # a coroutine here
            await asyncio.sleep(0.001)
            self.log.append("started")

        async def on_stop(self) -> None:  # type: ignore[override]  # a coroutine here
            await asyncio.sleep(0.001)
            keeper.tell([*self.log, "stopped"])

    # When
    ref = Careful.start()
    ref.tell("message")
    ref.stop()
    # Then
    assert log(keeper, 1) == [["started", "message", "stopped"]]


@pytest.mark.parametrize("reason", [ExitReason.SHUTDOWN, "of its own", ExitReason.KILL])
def test_an_exit_signal_cancels_what_the_handler_awaits(system: System, reason: object) -> None:
    # Given
    ref = AsyncProbe.start()
    answer = ref.ask(Run(forever), block=False)
    assert ref.ask(Run(forever), block=False) is not answer
    watched = ref.monitor()
    # When
    ref.exit(reason)
    # Then
    expected = ExitReason.KILLED if reason is ExitReason.KILL else reason
    assert watched.get(PATIENCE).reason == expected
    with pytest.raises(ActorDeadError):
        answer.get(PATIENCE)


def test_cleaning_up_after_an_exit_may_await_but_not_send(system: System) -> None:
    # Given
    keeper = Probe.start()
    ref = AsyncProbe.start()

    async def careful(actor: Any) -> None:
        try:
            await forever(actor)
        finally:
            await asyncio.sleep(0.001)
            keeper.tell("from the grave")

    ref.tell(Run(careful))
    run_started = ref.ask("behind", block=False)
    # When
    ref.exit(ExitReason.SHUTDOWN)
    # Then
    assert end_of(ref) in {ExitReason.SHUTDOWN, ExitReason.NOPROC}
    assert run(keeper, lambda actor: actor.log) == []
    with pytest.raises(ActorDeadError):
        run_started.get()


@pytest.mark.shared_memory
def test_a_kill_does_not_wait_for_a_coroutine_that_holds_on(system: System) -> None:
    # Given a handler that swallows its cancellation
    ref = AsyncProbe.start()
    begun, gate = system.future(), system.future()
    over = system.future()

    async def stubborn(actor: Any) -> None:
        begun.set()
        try:
            await forever(actor)
        except asyncio.CancelledError:
            await gate
        over.set(actor.actor_ref.is_alive())

    ref.tell(Run(stubborn))
    begun.get(PATIENCE)
    # When
    ref.kill()
    # Then
    assert end_of(ref) in {ExitReason.KILLED, ExitReason.NOPROC}
    assert system.zombies() == [ref]
    gate.set()
    assert over.get(PATIENCE) is False
    while system.zombies():
        system.sleep(0.001)


def test_a_failed_await_is_a_crash_that_the_asker_hears_of(system: System) -> None:
    # Given
    async def fail(actor: Any) -> None:
        await asyncio.sleep(0)
        boom(actor)

    ref = AsyncProbe.start()
    watched = ref.monitor()
    # When
    with pytest.raises(Boom):
        run(ref, fail)
    # Then
    reason = watched.get(PATIENCE).reason
    assert isinstance(reason, Crash)
    assert "fail" in reason.traceback


def test_a_cancellation_that_is_no_exit_is_a_crash_and_cancels_no_asker(system: System) -> None:
    # Given
    async def await_cancelled(_: Any) -> None:
        task = asyncio.get_running_loop().create_task(forever(None))
        task.cancel()
        await task

    ref = AsyncProbe.start()
    # When, Then
    with pytest.raises(ActorError, match="cancelled"):
        run(ref, await_cancelled)


def test_links_monitors_traps_and_timers_are_as_for_others(system: System) -> None:
    # Given
    ref, victim = AsyncProbe.start(trap=True), Probe.start()
    run(ref, lambda actor: (actor.link(victim), actor.monitor(victim), actor.send_after(0.001, "ring"), None)[-1])
    # When
    victim.exit("gone")
    system.wait(ref.ask("first", block=False))
    while len(found := run(ref, lambda actor: list(actor.log))) < 4:
        system.sleep(0.001)
    # Then
    kinds = {type(entry).__name__ for entry in found}
    assert kinds == {"Exit", "Down", "str"}
    assert "ring" in found


def test_a_supervisor_restarts_a_coroutine_actor_under_its_name(system: System) -> None:
    # Given
    spec = AsyncProbe.child_spec(name="worker")
    supervisor = Supervisor.start([spec])
    first = system.lookup("worker")
    # When
    first.tell(Run(boom))
    end_of(first)
    second = supervisor.child("worker")
    # Then
    assert second != first
    assert second.ask("alive") == "alive"
    supervisor.stop()
    assert not second.is_alive()


def test_a_deferred_reply_and_the_sender_outlast_an_await(system: System) -> None:
    # Given
    class Later(AsyncActor):
        async def on_receive(self, message: Any) -> Any:
            sender = self.sender
            assert sender is not None
            await asyncio.sleep(0)
            assert self.sender is sender
            self.send_after(0.001, ("answer", None), self.actor_ref) if message == "no" else None
            self.reply(sender, message)
            return NoReply

    # When, Then
    assert Later.start().ask("yes") == "yes"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"dispatcher": "thread"}, "dispatcher"),
        ({"inline": True}, "inline"),
    ],
)
def test_an_async_class_that_says_it_runs_elsewhere_is_refused(body: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        type("Wrong", (AsyncActor,), body)


def test_a_plain_class_with_coroutine_hooks_is_refused() -> None:
    async def on_receive(_self: Any, _message: Any) -> None: ...

    with pytest.raises(TypeError, match="AsyncActor"):
        type("Wrong", (Actor,), {"on_receive": on_receive})
    with pytest.raises(TypeError, match="dispatcher"):
        type("Wrong", (Actor,), {"dispatcher": "loop"})


@pytest.mark.slow
@pytest.mark.shared_memory
def test_a_handler_that_holds_the_loop_up_is_reported_once_with_its_stack(
    pool: System, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    def hold_up(_: Any) -> None:
        until = time.monotonic() + PATIENCE
        while "held up" not in caplog.text and time.monotonic() < until:
            time.sleep(0.01)

    ref = AsyncProbe.start()
    # When
    with caplog.at_level(logging.WARNING, "actorcloud.actor"):
        run(ref, hold_up)
        run(ref, lambda _: time.sleep(0.25))
    # Then
    reports = [record.getMessage() for record in caplog.records if "held up" in record.getMessage()]
    assert len(reports) == 1
    assert "hold_up" in reports[0]


def test_virtual_time_passes_for_coroutines_and_a_seed_repeats_itself() -> None:
    # Given
    def story(seed: int) -> tuple[str, float]:
        with Simulation(seed) as sim:
            refs = [AsyncProbe.start() for _ in range(5)]

            async def nap(_: Any) -> float:
                async with asyncio.timeout(100):
                    await asyncio.sleep(50)
                return asyncio.get_running_loop().time()

            begin = sim.clock.monotonic()
            answers = [ref.ask(Run(nap), block=False, timeout=None) for ref in refs]
            assert all(answer.get() >= begin + 50 for answer in answers)
            return sim.trace_hash, sim.clock.monotonic() - begin

    # When, Then
    assert story(3) == story(3)
    assert story(3)[1] < 60


def test_a_crashed_process_unwinds_its_coroutines_in_silence() -> None:
    # Given
    unwound = []

    async def careful(actor: Any) -> None:
        try:
            await forever(actor)
        finally:
            unwound.append(actor.actor_ref.is_alive())

    with Simulation(1) as sim:
        other = sim.system("other")
        with other.activate():
            ref = AsyncProbe.start()
        watched = ref.monitor()
        ref.tell(Run(careful))
        sim.run(1.0)
        # When
        sim.crash(other)
        sim.run(1.0)
        # Then
        assert unwound == [False]
        assert not watched.is_done()


def test_a_simulation_refuses_threads_beside_it() -> None:
    # Given
    async def beside(_: Any) -> None:
        await asyncio.to_thread(time.sleep, 0)

    with Simulation(1):
        ref = AsyncProbe.start()
        # When, Then
        with pytest.raises(NotImplementedError, match="simulation"):
            run(ref, beside)


@pytest.mark.shared_memory
def test_work_for_threads_beside_the_loop_is_awaited_and_leaves_none(pool: System) -> None:
    # Given
    async def beside(_: Any) -> str:
        return await asyncio.to_thread(lambda: threading.current_thread().name)

    # When, Then
    assert run(AsyncProbe.start(), beside).startswith("asyncio")


def test_who_awaits_its_own_answer_is_told_at_once(system: System) -> None:
    async def ask_myself(me: Any) -> object:
        with pytest.raises(CallingSelf, match="awaits its own answer"):
            await me.actor_ref.ask("x", block=False, timeout=None)
        return "told"

    assert run(AsyncProbe.start(), ask_myself) == "told"


def test_another_task_of_the_actor_may_await_its_answer(system: System) -> None:
    async def ask_later(me: Any) -> None:
        async def other() -> None:
            me.log.append(await me.actor_ref.ask("x", block=False))

        me.task = asyncio.ensure_future(other())

    async def wait(me: Any) -> object:
        await me.task
        return me.log

    a = AsyncProbe.start()
    run(a, ask_later)
    assert a.ask("y") == "y"
    assert run(a, wait).count("x") == 2

"""The simulation: same seed, same run; blocking code; crashes; no leaks."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from actorcloud.actor import Actor, ActorDeadError, ActorRef, AskTimeout, Supervisor, System, current_system
from actorcloud.testing import Crashed, Simulation, SimulationError


class Echo(Actor):
    def on_receive(self, message: Any) -> Any:
        return message


class Relay(Actor):
    """Blocks in its handler until the other has answered."""

    def __init__(self, other: ActorRef[Any]) -> None:
        self.other = other

    def on_receive(self, message: Any) -> Any:
        return self.other.ask(message), self.system.clock.monotonic()


class Ticker(Actor):
    def __init__(self, log: list[Any], name: str, period: float) -> None:
        self.log, self.name, self.period = log, name, period

    def on_start(self) -> None:
        self.send_after(self.period, "tick")

    def on_receive(self, message: Any) -> None:
        self.log.append(self.name)
        self.send_after(self.period, "tick")


def world(sim: Simulation) -> list[Any]:
    """Some of everything: actors, blocking handlers, threads, timers, two systems, a crash."""
    log: list[Any] = []
    echo = Echo.start()
    relays = [Relay.start(echo) for _ in range(5)]
    for name in "abc":
        Ticker.start(log, name, 0.1)
    other = sim.system("other")
    with other.activate():
        remote = Echo.start()

    def client(number: int) -> int:
        total = 0
        for _ in range(10):
            total += remote.ask(number)
            log.append(number)
            other.sleep(0.05)
        return total

    clients = [sim.thread(other, client, number) for number in range(3)]
    asked = [relay.ask(number, block=False) for number, relay in enumerate(relays)]
    sim.run_until(clients[0].is_done)
    log.extend(future.get() for future in asked)
    sim.crash(other)
    sim.run(0.5)
    return log


def test_the_same_seed_gives_the_same_run_and_another_one_another() -> None:
    runs = []
    for seed in (1, 1, 2):
        with Simulation(seed) as sim:
            runs.append((world(sim), sim.trace_hash, sim.steps, sim.clock.monotonic()))
    assert runs[0] == runs[1]
    assert runs[0][1] != runs[2][1]


def test_seeds_reach_different_interleavings() -> None:
    class Last(Actor):
        value: Any = None

        def on_receive(self, message: Any) -> Any:
            before, self.value = self.value, message
            return before

    def race(seed: int) -> Any:
        with Simulation(seed) as sim:
            last = Last.start()
            for name in ("a", "b"):
                sim.thread(sim.system(), last.tell, name)
            sim.run_idle()
            return last.ask("end")

    assert {race(seed) for seed in range(20)} == {"a", "b"}


def test_the_tests_own_waits_drive_the_simulation() -> None:
    with Simulation(1) as sim:
        assert current_system() is sim.system()
        relay = Relay.start(Echo.start())
        assert relay.ask("x")[0] == "x"
        assert relay.stop() is True


def test_time_passes_only_in_the_simulation() -> None:
    with Simulation(1) as sim:
        log: list[Any] = []
        Ticker.start(log, "tick", 10.0)
        before = sim.clock.monotonic()
        sim.run(105.0)
        assert len(log) == 10
        assert sim.clock.monotonic() - before == pytest.approx(105.0, abs=0.01)


def test_a_timeout_takes_virtual_seconds() -> None:
    class Silent(Actor):
        def on_receive(self, message: Any) -> Any:
            self.system.sleep(3_600.0)

    with Simulation(1) as sim:
        silent = Silent.start()
        before = sim.clock.monotonic()
        with pytest.raises(AskTimeout):
            silent.ask("x", timeout=60.0)
        assert sim.clock.monotonic() - before == pytest.approx(60.0, abs=0.01)


def test_a_blocked_handler_holds_up_nobody_else() -> None:
    with Simulation(1) as sim:
        # Given a relay that waits for ever
        gate = sim.system().future()

        class Waiting(Actor):
            def on_receive(self, message: Any) -> Any:
                return gate.get(timeout=None)

        waiting = Waiting.start().ask("x", block=False, timeout=None)
        # When
        assert Echo.start().ask("y") == "y"
        assert not waiting.is_done()
        gate.set("opened")
        # Then
        assert waiting.get() == "opened"


def test_two_actors_that_ask_each_other_time_out() -> None:
    class Stubborn(Actor):
        other: ActorRef[Any]

        def on_receive(self, message: Any) -> Any:
            if isinstance(message, ActorRef):
                self.other = message
                return None
            return self.other.ask("x", timeout=1.0)

    with Simulation(1):
        a, b = Stubborn.start(), Stubborn.start()
        a.ask(b)
        b.ask(a)
        asked = [ref.ask("go", block=False) for ref in (a, b)]
        for future in asked:
            with pytest.raises((AskTimeout, ActorDeadError)):
                future.get()


def test_a_thread_gives_its_result_or_its_error() -> None:
    def fail() -> None:
        raise ValueError("no")

    with Simulation(1) as sim:
        assert sim.thread(sim.system(), lambda: current_system() is sim.system()).get() is True
        with pytest.raises(ValueError, match="no"):
            sim.thread(sim.system(), fail).get()


def test_a_crash_drops_everything_at_once_and_runs_no_hook() -> None:
    stopped: list[str] = []

    class Hooked(Actor):
        trap_exit = True

        def on_stop(self) -> None:
            stopped.append("on_stop")

        def on_failure(self, *_: Any) -> None:
            stopped.append("on_failure")

        def on_receive(self, message: Any) -> None:
            try:
                self.system.sleep(1_000.0)
            finally:
                stopped.append("unwound")

    with Simulation(1) as sim:
        # Given a process with an actor that blocks, mail, a timer, a thread
        doomed = sim.system("doomed")
        log: list[Any] = []
        with doomed.activate():
            hooked = Hooked.options(name="hooked").start()
            Ticker.start(log, "tick", 0.1)
        hooked.tell("block")
        hooked.tell("never read")
        blocked = sim.thread(doomed, hooked.ask, "x", timeout=None)
        unstarted = sim.thread(doomed, lambda: stopped.append("ran"))
        sim.run_until(lambda: len(log) == 3)
        # When
        sim.crash(doomed)
        sim.run(10.0)
        # Then
        assert stopped in (["unwound"], ["ran", "unwound"])
        assert len(log) == 3
        assert not hooked.is_alive()
        for future in (blocked, unstarted):
            assert future.is_done()
        with pytest.raises(Crashed):
            blocked.get()
        # And its next incarnation is another peer
        again = sim.system("doomed")
        assert again.peer.name == doomed.peer.name
        assert again.peer != doomed.peer
        assert again.whereis("hooked") is None


def test_a_process_may_crash_itself_in_the_middle_of_a_handler() -> None:
    with Simulation(1) as sim:
        doomed = sim.system("doomed")
        after: list[str] = []

        class Suicidal(Actor):
            def on_receive(self, message: Any) -> None:
                sim.crash(self.system)
                after.append("went on")

        with doomed.activate():
            ref = Suicidal.start()
        ref.tell("now")
        sim.run(1.0)
        assert after == []
        assert not ref.is_alive()
        assert Echo.start().ask("x") == "x"


def test_a_crash_between_two_steps_spares_the_others() -> None:
    with Simulation(3) as sim:
        doomed = sim.system("doomed")
        with doomed.activate():
            relay = Relay.start(Echo.start())
        survivor = Relay.start(Echo.start())
        crash_at = sim.steps + 2

        def crash() -> None:
            if sim.steps == crash_at:
                sim.crash(doomed)

        sim.on_step(crash)
        relay.tell("x")
        assert survivor.ask("x")[0] == "x"


def test_an_invariant_is_looked_at_after_every_step_and_ends_the_run() -> None:
    with Simulation(1) as sim:
        echo = Echo.start()
        seen: list[int] = []

        def invariant() -> None:
            seen.append(sim.steps)
            assert len(seen) < 3, "broken"

        sim.on_step(invariant)
        for _ in range(50):
            echo.tell("x")
        with pytest.raises(AssertionError, match="broken"):
            sim.run_idle()
        assert seen == [1, 2, 3]


def test_a_failing_run_prints_its_seed_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with Simulation(4711) as sim:
            Echo.start().tell("x")
            sim.run_until(lambda: False, timeout=1.0)

    with pytest.raises(SimulationError):
        fail()
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "Simulation(seed=4711" in line
    assert "repeat it: SIMULATION_SEED=4711 python -m pytest" in line


def test_a_live_lock_is_found() -> None:
    class Busy(Actor):
        def on_receive(self, message: Any) -> None:
            self.actor_ref.tell(message)

    with Simulation(1, max_steps=500) as sim:
        Busy.start().tell("x")
        with pytest.raises(SimulationError, match="live-lock"):
            sim.run(1.0)


def test_waiting_for_what_never_comes_is_an_error() -> None:
    with Simulation(1) as sim, pytest.raises(SimulationError, match="never happen"):
        sim.system().future().get(timeout=None)


def test_single_steps_end_when_nothing_is_left() -> None:
    with Simulation(1) as sim:
        Echo.start().tell("x")
        assert sim.step() is True
        assert sim.step() is False


def test_a_foreign_thread_is_refused() -> None:
    errors: list[str] = []

    def wait(system: System) -> None:
        try:
            system.future().get(timeout=1.0)
        except RuntimeError as error:
            errors.append(str(error))

    with Simulation(1) as sim:
        thread = threading.Thread(target=wait, args=(sim.system(),))
        thread.start()
        thread.join(5.0)
    assert "sim.thread" in errors[0]


def test_a_supervisor_works_in_virtual_time() -> None:
    class Stubborn(Actor):
        trap_exit = True

        def on_stop(self) -> None:
            self.system.sleep(1_000.0)

    with Simulation(1) as sim:
        family = Supervisor.start([Stubborn.child_spec(), Echo.child_spec()], strategy="one_for_all")
        before = sim.clock.monotonic()
        family.child("Echo").kill()
        again = family.child("Echo")
        assert again.ask("x") == "x"
        assert sim.clock.monotonic() - before == pytest.approx(5.0, abs=0.1)


def test_no_thread_survives_whatever_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    before = threading.active_count()
    with Simulation(1) as sim:
        for _ in range(5):
            sim.thread(sim.system(), sim.system().sleep, 1_000.0)
        sim.run(1.0)
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_a_system_may_be_closed_in_order() -> None:
    with Simulation(1) as sim:
        log: list[str] = []

        class Orderly(Actor):
            trap_exit = True

            def on_stop(self) -> None:
                log.append("stopped")

        Orderly.start()
        sim.system().close()
        assert log == ["stopped"]

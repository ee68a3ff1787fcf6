"""Preemption: a handler gives way around what it sends, by the seed."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from actorcloud.actor import Actor, ActorRef
from actorcloud.testing import Simulation


class Sink(Actor):
    def __init__(self) -> None:
        self.got: list[Any] = []

    def on_receive(self, message: Any) -> list[Any]:
        self.got.append(message)
        return self.got


class Source(Actor):
    def __init__(self, sink: ActorRef[Sink]) -> None:
        self.sink = sink

    def on_receive(self, message: Any) -> None:
        for number in range(3):
            self.sink.tell((message, number))


def race(seed: int, preempt: float) -> tuple[Any, ...]:
    with Simulation(seed, preempt=preempt) as sim:
        sink = Sink.start()
        for name in "ab":
            Source.start(sink).tell(name)
        sim.run_idle()
        return tuple(sink.ask("end")[:-1])


def test_handlers_are_whole_unless_they_are_preempted() -> None:
    blocks = {race(seed, 0.0) for seed in range(20)}
    assert len(blocks) == 2


@pytest.mark.slow
def test_with_preemption_every_interleaving_is_reached_and_each_sender_keeps_its_order() -> None:
    orders = {race(seed, 0.2) for seed in range(400)}
    # Then all 20 ways to merge three messages with three
    assert len(orders) == 20
    for order in orders:
        for name in "ab":
            assert [number for sender, number in order if sender == name] == [0, 1, 2]


def test_a_preempted_run_repeats() -> None:
    def run(seed: int) -> str:
        with Simulation(seed, preempt=0.2) as sim:
            sink = Sink.start()
            for name in "abc":
                Source.start(sink).tell(name)
            sim.run_idle()
            return sim.trace_hash

    assert run(1) == run(1) != run(2)


def test_a_process_may_crash_while_a_handler_of_it_is_preempted() -> None:
    for seed in range(50):
        with Simulation(seed, preempt=0.5) as sim:
            doomed = sim.system("doomed")
            with doomed.activate():
                sink = Sink.start()
                source = Source.start(sink)
            source.tell("x")
            sim.run(seed * 1e-5)
            sim.crash(doomed)
            sim.run_idle()
            assert not source.is_alive()


def test_the_tests_own_thread_is_not_traced() -> None:
    before = sys.gettrace()
    race(1, 0.5)
    assert sys.gettrace() is before


@pytest.mark.parametrize("preempt", [-0.1, 1.1])
def test_a_chance_beyond_its_range_is_refused(preempt: float) -> None:
    with pytest.raises(ValueError, match="it is a chance"):
        Simulation(1, preempt=preempt)


def test_a_turn_on_every_line_ends_too() -> None:
    assert len(race(1, 1.0)) == 6

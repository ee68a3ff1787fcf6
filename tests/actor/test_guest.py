"""A pool on the thread of another: who runs where, and what happens while somebody waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from actorcloud.actor import Actor, ActorDeadError, Pool, System
from actorcloud.base.exits import ExitReason
from tests.actor.cast import PATIENCE, Await, Probe, Run
from tests.actor.host import Host, hosted
from tests.system.cluster import wait_for


@pytest.fixture
def house() -> Iterator[tuple[System, Pool, Host]]:
    with hosted() as made:
        yield made


def where(probe: Any) -> threading.Thread:
    thread: threading.Thread = probe.ask(Run(lambda _: threading.current_thread()), timeout=PATIENCE)
    return thread


def test_actors_run_on_the_hosts_thread(house: tuple[System, Pool, Host]) -> None:
    # Given
    _, pool, host = house
    probe = Probe.start()
    # When, Then
    assert where(probe) is host.thread
    assert pool.threads == 0


def test_while_an_actor_waits_the_host_turns_and_others_run_elsewhere(house: tuple[System, Pool, Host]) -> None:
    # Given an actor that waits on the host's thread
    system, _, host = house
    future = system.future()
    waiting, other = Probe.start(), Probe.start()
    turns = host.turns
    answer = waiting.ask(Run(lambda _: future.get(PATIENCE)), block=False)
    # When
    elsewhere = where(other)
    # Then
    assert elsewhere is not host.thread
    wait_for(lambda: where(other) is not host.thread and host.turns > turns, "a turn of the host's")
    # And what it waits for wakes it
    future.set("done")
    assert answer.get(PATIENCE) == "done"
    wait_for(lambda: where(other) is host.thread, "the host's thread")


def test_a_wait_on_the_hosts_thread_ends_in_time(house: tuple[System, Pool, Host]) -> None:
    # Given
    system, _, _ = house
    # When, Then
    assert Probe.start().ask(Run(lambda _: system.wait(system.latch(), 0.05)), timeout=PATIENCE) is False


def test_a_kill_ends_a_wait_on_the_hosts_thread(house: tuple[System, Pool, Host]) -> None:
    # Given
    system, _, host = house
    probe, other = Probe.start(), Probe.start()
    entered = threading.Event()

    def wait(_: Actor) -> None:
        entered.set()
        system.wait(system.latch(), None)

    answer = probe.ask(Run(wait), block=False, timeout=PATIENCE)
    assert entered.wait(PATIENCE)
    # When
    probe.exit(ExitReason.KILL)
    # Then
    with pytest.raises(ActorDeadError):
        answer.get()
    wait_for(lambda: where(other) is host.thread, "the host's thread")


def test_a_handler_that_blocks_elsewhere_does_not_starve_others(house: tuple[System, Pool, Host]) -> None:
    # Given a handler that blocks where nobody can see it
    event = threading.Event()
    answer = Probe.start().ask(Run(lambda _: event.wait(PATIENCE)), block=False, timeout=PATIENCE)
    # When
    answered = Probe.start().ask("hello", timeout=PATIENCE)
    # Then
    assert answered == "hello"
    event.set()
    assert answer.get()


def test_when_the_host_ends_the_pool_runs_on_threads_of_its_own(house: tuple[System, Pool, Host]) -> None:
    # Given
    _, _, host = house
    probe = Probe.start()
    assert where(probe) is host.thread
    # When
    host.end()
    # Then
    assert where(probe) is not host.thread


def test_an_actor_may_end_the_host_on_which_it_runs(house: tuple[System, Pool, Host]) -> None:
    # Given
    _, _, host = house
    probe, other = Probe.start(), Probe.start()

    def end(_: Actor) -> str:
        host.end()
        other.tell("behind it")
        return "goes on"

    # When
    assert probe.ask(Run(end), timeout=PATIENCE) == "goes on"
    # Then
    host.thread.join(PATIENCE)
    assert not host.thread.is_alive()
    assert where(other) is not host.thread


def test_the_host_may_end_while_an_actor_waits_on_its_thread(house: tuple[System, Pool, Host]) -> None:
    # Given
    system, _, host = house
    probe, other = Probe.start(), Probe.start()
    future = system.future()
    answer = probe.ask(Run(lambda _: future.get(PATIENCE)), block=False, timeout=PATIENCE)
    # When
    host.end()
    # Then
    assert where(other) is not host.thread
    future.set("done")
    assert answer.get() == "done"
    host.thread.join(PATIENCE)
    assert not host.thread.is_alive()


def test_no_wake_up_is_lost_between_host_and_threads(house: tuple[System, Pool, Host]) -> None:
    # Given actors on the host's thread, told by many threads
    probes = [Probe.start() for _ in range(4)]

    def tell() -> None:
        for number in range(300):
            for probe in probes:
                probe.ask(number, timeout=PATIENCE)

    # When
    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # Then
    assert all(len(probe.ask(Run(lambda actor: actor.log), timeout=PATIENCE)) == 1200 for probe in probes)


def test_a_long_turn_gives_way_to_the_host(house: tuple[System, Pool, Host]) -> None:
    # Given an actor with much mail, slow until the host has had some turns, and nobody else who waits for the thread
    _, _, host = house
    probe = Probe.start()
    turns: list[int] = []

    def work(_: Actor) -> None:
        turns.append(host.turns)
        if turns[-1] - turns[0] <= 5:
            threading.Event().wait(0.02)

    # When
    for _ in range(200):
        probe.tell(Run(work))
    probe.ask("done", timeout=PATIENCE)
    # Then it has had them before all of it was handled
    assert turns[-1] - turns[0] > 5


def test_what_comes_in_while_an_actor_steps_aside_comes_in_nobodys_name(house: tuple[System, Pool, Host]) -> None:
    # Given an actor that was told to exit while it lets the host go on, as one does that closes a transport
    _, _, host = house
    probe, other = Probe.start(), Probe.start()

    def step_aside(_: Actor) -> None:
        assert host.guest is not None
        with host.guest.away():
            probe.exit(ExitReason.KILL)
            # Told by what came in: the end of this actor is no business of it.
            other.tell("news")

    # When
    probe.tell(Run(step_aside))
    # Then
    assert other.ask(Await(1), timeout=PATIENCE) == ["news"]

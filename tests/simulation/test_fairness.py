"""Many clients want one key: none of them loses for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from actorcloud import Cloud
from actorcloud.store.caller.committer import TICKET_AFTER_CONFLICTS
from actorcloud.store.tickets import Tickets
from actorcloud.testing import Chances, CrashingDisk, SimCloud, Simulation
from tests.simulation import jobs
from tests.simulation.mutants import replaced

CLIENTS = 64
ROUNDS = 2

#: The attempts of whoever needs most: until it asks for its turn, that one, one to be told what is there when the turn
#: comes, and the one that counts; one more where a turn was over too early.
MOST_ATTEMPTS = TICKET_AFTER_CONFLICTS + 4


@contextmanager
def gives_no_tickets() -> Iterator[None]:
    with replaced(Tickets, "told", lambda _: lambda *_: False):
        yield


def is_somebodys_turn(cloud: SimCloud) -> bool:
    store = cloud.actor("store")
    return store is not None and store._pending.tickets.holders > 0


def attempts_of_all(seed: int, clients: int, *, kill: int = 0) -> list[int]:
    """Return the attempts that each transaction took."""
    needed: list[int] = []

    def work(cloud: Cloud) -> None:
        def count() -> int:
            jobs.increment(cloud, "hot", "key")
            return cloud.txn.attempt

        needed.extend(cloud.mutate_store(count).value for _ in range(ROUNDS))

    with Simulation(seed) as sim:
        cloud = SimCloud(sim, disk=CrashingDisk(sim.random, Chances(latency=0.002)))
        cloud.start_head()
        programs = [cloud.program(f"c{number}", work) for number in range(clients)]
        for number in range(kill):
            sim.run_until(lambda: is_somebodys_turn(cloud))
            cloud.crash_program(f"c{number}")
            sim.run(0.01)
        sim.run_until(lambda: all(program.is_done() for program in programs[kill:]), timeout=60.0)
        for program in programs[kill:]:
            program.get()
    return needed


@pytest.mark.slow
def test_of_many_clients_of_one_key_none_needs_many_attempts() -> None:
    needed = attempts_of_all(1, CLIENTS)
    assert len(needed) == CLIENTS * ROUNDS
    assert max(needed) <= MOST_ATTEMPTS


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_clients_that_die_in_their_turn_hold_up_the_others_for_a_moment_only(seed: int) -> None:
    # Within the patience of the run: with four deaths that is not long.
    needed = attempts_of_all(seed, 12, kill=4)
    assert len(needed) >= 8 * ROUNDS
    assert max(needed) <= MOST_ATTEMPTS + 4


@pytest.mark.slow
def test_without_tickets_some_would() -> None:
    with gives_no_tickets():
        assert max(attempts_of_all(1, CLIENTS)) > 2 * MOST_ATTEMPTS

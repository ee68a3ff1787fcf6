"""Real clients over a real head, both killed at random: the merged history is strictly serializable."""

from __future__ import annotations

import pytest

from actorcloud.store import LmdbEngine, ReadPlan, keys
from actorcloud.store.engine import Scan
from actorcloud.store.stored import commit_id_of, payload_of
from tests.proof.crowd import Crowd
from tests.proof.elle import find_anomalies
from tests.proof.history import Anomaly, Call
from tests.proof.journal import read_journal
from tests.proof.replay import replay
from tests.system.cluster import Site, wait_for
from tests.system.counting import Chance

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

#: As many as fit into the store's memory of ids.
_ALL = 10_000_000


def resolve(site: Site, history: list[tuple[bytes, Call]]) -> None:
    """Give the calls whose end nobody knows the commits that the store remembers."""
    engine = LmdbEngine(site.store)
    engine.open("test")
    (found,) = engine.read(ReadPlan((), (Scan(keys.COMMIT_ID, keys.after_prefix(keys.COMMIT_ID), _ALL),))).scans
    engine.close()
    known = {key[1:]: commit_id_of(payload_of(value)) for key, value in found}
    for txn, call in history:
        if call.outcome != "ok" and txn in known:
            call.seq, call.committed = known[txn]


def acknowledged(crowd: Crowd) -> list[Call]:
    """Return the calls of which the clients know by now that they were committed."""
    histories = (read_journal(crowd.path(number), number) for number in crowd.numbers)
    return [call for history in histories for _, call in history if call.outcome == "ok"]


def judge(clients: int, kills: int, pause: float) -> list[Anomaly]:
    chance = Chance()
    with Site() as site:
        head = site.head()
        site.wait_head(head)
        crowd = Crowd(site, clients, "tests.proof.client")
        try:
            for number in range(kills):
                chance.wait(pause)
                if number % 3 == 2:
                    crowd.kill_one(chance)
                else:
                    head.kill()
                    head = site.head()
                    site.wait_head(head)
            chance.wait(pause)
            wait_for(lambda: len(acknowledged(crowd)) > 50 * clients, "enough calls")
            crowd.stop()
        finally:
            crowd.abandon()
        head.signal(15)
        head.wait()
        history = [each for number in crowd.numbers for each in read_journal(crowd.path(number), number)]
        resolve(site, history)
    calls = [call for _, call in history]
    count = {outcome: sum(call.outcome == outcome for call in calls) for outcome in ("ok", "fail", "info")}
    print(f"{len(calls)} calls: {count}")
    return [*find_anomalies(calls), *replay(calls)]


def test_what_processes_see_while_head_and_clients_are_killed_is_strictly_serializable() -> None:
    assert judge(clients=3, kills=3, pause=0.8) == []


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_what_processes_see_during_hundreds_of_kills_is_strictly_serializable() -> None:
    assert judge(clients=6, kills=300, pause=1.0) == []

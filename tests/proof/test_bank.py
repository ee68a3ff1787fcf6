"""The bank under chaos: head, node and tellers are killed, jobs transfer, and no run ever sees a wrong sum."""

from __future__ import annotations

import pytest

from actorcloud import Cloud
from tests.proof import bank
from tests.proof.crowd import Crowd
from tests.system.cluster import Process, Site
from tests.system.counting import Chance

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

#: Jobs of one batch; each transfers or audits.
BATCH = 12


class Chaos:
    """A bank in a cluster whose parts are killed.

    Args:
        site: of the cluster.
        tellers: client processes at a time.
        chance: decides what is killed, and when.
    """

    def __init__(self, site: Site, tellers: int, chance: Chance) -> None:
        self._site = site
        self._chance = chance
        self._head: Process = site.head()
        site.wait_head(self._head)
        self._node: Process = site.node("n1", workers=2)
        self.cloud = Cloud(site.endpoint)
        bank.open_accounts(self.cloud)
        self.crowd = Crowd(site, tellers, "tests.proof.bank")
        self.jobs = 0

    def kill(self, number: int) -> None:
        match number % 3:
            case 0:
                self._head.kill()
                self._head = self._site.head()
                self._site.wait_head(self._head)
            case 1:
                self.crowd.kill_one(self._chance)
            case _:
                self._node.kill()
                self._node = self._site.node("n1", workers=2)

    def run(self, kills: int, pause: float) -> None:
        """Kill so many, with a batch of jobs around each."""
        for number in range(kills):
            seeds = range(self.jobs, self.jobs + BATCH)
            self.jobs += BATCH
            transfers = self.cloud.add_jobs(bank.transfer_as_job, seeds)
            audits = self.cloud.add_jobs(bank.audit_as_job, range(2))
            self._chance.wait(pause)
            self.kill(number)
            assert self.cloud.results(transfers, 100) == list(seeds)
            assert self.cloud.results(audits, 100) == [bank.SUM] * 2
        self.crowd.stop()

    def verify(self) -> None:
        """Every transfer that was acknowledged is counted, and counted once."""
        cloud = self.cloud
        assert cloud.snapshot(lambda: bank.audit(cloud, scans=True)) == bank.SUM
        counted = dict(cloud.scan(bank.SPACE, "job "))
        assert counted == {f"job {seed}": 1 for seed in range(self.jobs)}
        for number in self.crowd.numbers:
            letters = self.crowd.path(number).read_bytes()
            known, unknown = letters.count(b"."), letters.count(b"?")
            # One more of a teller that was killed before it wrote it down.
            assert known <= cloud.fetch(bank.SPACE, f"teller {number}", 0) <= known + unknown + 1

    def close(self) -> None:
        self.crowd.abandon()
        self.cloud.close()


def play(tellers: int, kills: int, pause: float) -> None:
    with Site() as site:
        chaos = Chaos(site, tellers, Chance())
        try:
            chaos.run(kills, pause)
            chaos.verify()
        finally:
            chaos.close()


def test_no_run_ever_sees_a_wrong_sum_whatever_is_killed() -> None:
    play(tellers=2, kills=3, pause=0.5)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_no_run_ever_sees_a_wrong_sum_in_hundreds_of_kills() -> None:
    play(tellers=4, kills=200, pause=1.0)

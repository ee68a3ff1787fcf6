"""A bank: fifty accounts, and whoever looks at them sees the same sum, in every run of every transaction.

::

    python -m tests.proof.bank ENDPOINT PATH NUMBER     a teller: transfers and audits until its input ends
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import actorcloud
from actorcloud import Cloud
from actorcloud.base.errors import CommitUnknown
from tests.proof.client import wait_for_end

SPACE = "bank"
ACCOUNTS = 50
BALANCE = 100
SUM = ACCOUNTS * BALANCE


class WrongSum(BaseException):
    """A run has seen money that is not there. No `Exception`: nobody is to repeat it away."""


def open_accounts(cloud: Cloud) -> None:
    """Give each account its balance."""

    def fill() -> None:
        for number in range(ACCOUNTS):
            cloud.store(SPACE, ("account", number), BALANCE)

    cloud.mutate_store(fill)


def transfer(cloud: Cloud, chance: random.Random, counter: str) -> None:
    """Move some money and count it, as part of a transaction."""
    here, there = (("account", number) for number in chance.sample(range(ACCOUNTS), 2))
    amount = chance.randint(1, 20)
    cloud.store(SPACE, here, cloud.fetch(SPACE, here) - amount)
    cloud.store(SPACE, there, cloud.fetch(SPACE, there) + amount)
    cloud.store(SPACE, counter, cloud.fetch(SPACE, counter, 0) + 1)


def audit(cloud: Cloud, *, scans: bool) -> int:
    """Add up all accounts, as part of a transaction.

    Raises:
        WrongSum: of this very run, whether it would commit or not.
    """
    if scans:
        total = sum(balance for _, balance in cloud.scan(SPACE, ("account",)))
    else:
        total = sum(cloud.fetch(SPACE, ("account", number)) for number in range(ACCOUNTS))
    if total != SUM:
        raise WrongSum(f"a run saw {total} instead of {SUM}")
    return int(total)


def transfer_as_job(seed: int) -> int:
    """A job: move some money, once however often it is run."""
    cloud = actorcloud.current().cloud
    cloud.mutate_store(lambda: transfer(cloud, random.Random(seed), f"job {seed}"), once="transfer")
    return seed


def audit_as_job(seed: int) -> int:
    """A job: look at all accounts; what is wrong is its result."""
    cloud = actorcloud.current().cloud
    try:
        return cloud.mutate_store(lambda: audit(cloud, scans=seed % 2 == 0)).value
    except WrongSum:
        return -1


class Teller:
    """Transfers and audits; keeps a file of what was acknowledged.

    Args:
        cloud: whose store the bank is in.
        path: a letter for each transfer: "." acknowledged, "?" nobody knows.
        number: of this teller.
    """

    def __init__(self, cloud: Cloud, path: Path, number: int) -> None:
        self._cloud = cloud
        self._file = path.open("wb", buffering=0)
        self._counter = f"teller {number}"
        self._chance = random.Random(number)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._step()()
        self._file.close()

    def _step(self) -> Callable[[], object]:
        cloud, draw = self._cloud, self._chance.random()
        if draw < 0.1:
            return lambda: cloud.snapshot(lambda: audit(cloud, scans=draw < 0.05))
        if draw < 0.2:
            return lambda: cloud.mutate_store(lambda: audit(cloud, scans=True))
        return self._transfer

    def _transfer(self) -> None:
        seed = self._chance.random()
        try:
            self._cloud.mutate_store(lambda: transfer(self._cloud, random.Random(seed), self._counter))
        except CommitUnknown:
            self._file.write(b"?")
        else:
            self._file.write(b".")


if __name__ == "__main__":
    end = threading.Event()
    threading.Thread(target=wait_for_end, args=(end,), daemon=True).start()
    with Cloud(sys.argv[1]) as opened:
        print("at work", flush=True)
        Teller(opened, Path(sys.argv[2]), int(sys.argv[3])).run(end)

"""A head that crashes at any moment, on an engine whose commits fail by chance.

After each crash the same disk is opened by a new store. What was acknowledged must be there; what
was not is settled by sending it again, and then happened once. With a planted bug (commits that are
acknowledged before they are durable) the same check must fail, or it checks nothing.
"""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.actor import ActorDeadError, ActorRef, System
from actorcloud.protocol.message import Message
from actorcloud.protocol.transaction import Commit, Committed, Read, Refused, Values
from actorcloud.store import Batch, ReadPlan, StoreActor, encode_key, keys
from actorcloud.testing.engine import Chances, CrashingDisk, CrashingEngine

WAIT = 30.0
KEYS = [keys.user("bank", encode_key(number)) for number in range(4)]


class Run:
    """Transfers between accounts, through crashes; the ledger is what was acknowledged."""

    def __init__(self, system: System, seed: int, *, acknowledges_early: bool = False) -> None:
        self._system = system
        self._random = random.Random(seed)
        chances = Chances(no_space=0.1, unresolved=0.05)
        self._disk = CrashingDisk(self._random, chances, acknowledges_early=acknowledges_early)
        self._ledger: dict[int, bytes] = {}
        self._count = 0
        self._unknown: list[Commit] = []
        self._store = self._open()

    def round(self) -> None:
        """Commit some, crash, open again, settle what is unknown, check."""
        commits = [self._commit() for _ in range(self._random.randrange(1, 6))]
        futures = [self._store.ask(commit, block=False) for commit in commits]
        for commit, future in zip(commits, futures, strict=True):
            self._note(commit, future)
        self._crash()
        for commit in self._unknown.copy():
            self._unknown.remove(commit)
            self._settle(commit)
        self.check()

    def check(self) -> None:
        """Everything acknowledged is on the disk, in the order of the numbers."""
        values = dict.fromkeys(KEYS)
        for seq in sorted(self._ledger):
            values.update(self._writes[self._ledger[seq]])
        found = self._store.ask(Read(tuple(KEYS)))
        assert isinstance(found, Values)
        assert [value and value[1] for value in found.values] == list(values.values())

    _writes: dict[bytes, dict[bytes, bytes]] = {}  # noqa: RUF012  ids are random: one for all runs

    def _commit(self) -> Commit:
        self._count += 1
        txn = self._random.randbytes(16)
        chosen = self._random.sample(KEYS, 2)
        self._writes[txn] = {key: self._count.to_bytes(4, "big") for key in chosen}
        return Commit(txn, 1, writes=tuple(self._writes[txn].items()))

    def _note(self, commit: Commit, future: Any) -> None:
        try:
            answer = future.get(WAIT)
        except ActorDeadError:
            self._unknown.append(commit)
            return
        self._judge(commit, answer)

    def _judge(self, commit: Commit, answer: Message) -> None:
        if isinstance(answer, Committed):
            assert self._ledger.setdefault(answer.seq, commit.txn) == commit.txn
        else:
            assert isinstance(answer, Refused)
            assert answer.code == "no-space"

    def _settle(self, commit: Commit) -> None:
        while True:
            try:
                self._judge(commit, self._store.ask(commit))
                return
            except ActorDeadError:
                self._crash()

    def _crash(self) -> None:
        ended = self._store.monitor()
        self._store.kill()
        ended.get(WAIT)
        self._disk.crash()
        self._store = self._open()

    def _open(self) -> ActorRef[Any]:
        return StoreActor.options(system=self._system).start(CrashingEngine(self._disk))


def play(seed: int, *, acknowledges_early: bool = False) -> None:
    with contextlib.closing(System()) as system:
        run = Run(system, seed, acknowledges_early=acknowledges_early)
        for _ in range(4):
            run.round()


@given(seed=st.integers(0, 2**32))
def test_what_was_acknowledged_survives_and_the_rest_happens_once(seed: int) -> None:
    play(seed)


def test_a_store_that_acknowledges_early_is_caught() -> None:
    def is_caught(seed: int) -> bool:
        try:
            play(seed, acknowledges_early=True)
        except AssertionError:
            return True
        return False

    assert any(is_caught(seed) for seed in range(20))


def test_what_is_in_doubt_is_there_or_not_after_a_crash() -> None:
    outcomes = set()
    for seed in range(20):
        disk = CrashingDisk(random.Random(seed), Chances(unresolved=1.0))
        engine = CrashingEngine(disk)
        epoch = engine.open("test").epoch
        with pytest.raises(Exception, match="does not answer"):
            engine.commit(Batch({b"k": b"v"}, ()), epoch=epoch, expect=0, new=1)
        disk.crash()
        after = CrashingEngine(disk)
        opened = after.open("test")
        assert opened.epoch == epoch + 1
        outcomes.add((opened.seq, after.read(ReadPlan([b"k"])).values[b"k"]))
    assert outcomes == {(0, None), (1, b"v")}

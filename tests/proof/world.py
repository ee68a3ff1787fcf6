"""The whole protocol under one seed: clients, links, heads, a disk and clocks, with faults; then both checkers.

::

    Transactions (real) -- Link (delay, reset, duplicate) --> StagedHead: StoreActor, WriterActor (real)
                                                                    |
                                                CrashingEngine on a CrashingDisk (real, for simulations)

Faults come at random moments: links are reset, heads are killed and started again, the disk loses power, a second
head opens the store while the first still serves, wall clocks jump by days, the job's run is superseded.

Reference: store-design 4.3; FoundationDB's simulation.
"""

from __future__ import annotations

import gc
import marshal
import random
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from actorcloud.protocol.record import JobRecord
from actorcloud.protocol.transaction import ReadEntry
from actorcloud.store import Batch, Change, Codec, Expect, FencedRun, Means, Transactions, keys
from actorcloud.store.caller.memory import Memory
from actorcloud.store.change import Applied, Apply
from actorcloud.store.stored import commit_id_of, payload_of, seq_of
from actorcloud.testing import Chances as DiskChances
from actorcloud.testing import CrashingDisk
from actorcloud.testing.engine import CrashingEngine
from tests.proof.elle import find_anomalies
from tests.proof.history import WRITE, Anomaly, Call, Op, Run
from tests.proof.link import Chances, Link
from tests.proof.program import Book, Performance, Plan, WrongSum, perform
from tests.proof.replay import replay
from tests.proof.stage import Stage
from tests.proof.staged import Mailbox, StagedHead
from tests.store.local import raw

CODEC = Codec(marshal.dumps, marshal.loads)

#: The job in which some of the clients are, and where its run is written down for the checkers.
REF = bytes(range(16))
RUN_KEY = keys.user("runs", b"\x02run\x00")
FENCE = ("fence", REF)

#: Seconds since 1970 at which every world begins.
EPOCH = 1_700_000_000.0

DAY = 86_400.0


class Conditions(NamedTuple):
    """What a world is like."""

    clients: int = 6
    #: Of each client.
    transactions: int = 80
    #: Seconds between two faults, on average.
    calm: float = 0.02
    disk: DiskChances = DiskChances(no_space=0.005, unresolved=0.003)
    acknowledges_early: bool = False
    #: Whether clients trust at once what they remember: they guess more often, and more often wrong.
    bold: bool = False


def _trusted(_: Memory, reads: Sequence[ReadEntry]) -> bool:
    return bool(reads)


class World:
    """See the module.

    Args:
        seed: of everything.
        conditions: of this world.
    """

    def __init__(self, seed: int, conditions: Conditions) -> None:
        self.found: list[Anomaly] = []
        self.book = Book()
        self._chance = random.Random(seed)
        self._conditions = conditions
        self._stage = Stage()
        self._disk = CrashingDisk(self._chance, conditions.disk, acknowledges_early=conditions.acknowledges_early)
        self._disk.watchers.append(self._watch)
        self._jump = 0.0
        self._links = [Link(self._stage, self._chance, Chances()) for _ in range(conditions.clients)]
        self._heads: list[StagedHead] = []
        #: Transaction -> (number of its commit, attempt), as it was durable.
        self._commits: dict[bytes, tuple[int, int]] = {}
        #: The runs of the job, durable ones only: (number of the commit, run).
        self._runs: list[tuple[int, bytes]] = []
        self._supersessions: dict[bytes, Call] = {}

    def run(self) -> list[Anomaly]:
        """Let everything happen; return what no strictly serializable store shows."""
        with _uncollected(), patch.object(Memory, "_left", Memory._left if not self._conditions.bold else _trusted):
            self._play()
            return self._judge()

    def _play(self) -> None:
        self._open()
        self._supersede()
        for number in range(self._conditions.clients):
            self._stage.start(lambda number=number: self._client(number))  # type: ignore[misc]  # bound now
        self._stage.after(self._pause(), self._fault)
        try:
            self._stage.run()
        except WrongSum as error:
            self.found.append(Anomaly("sum", str(error)))
        self.book.settle()

    def _judge(self) -> list[Anomaly]:
        for call, txn in zip(self.book.calls, self.book.ids, strict=True):
            self._resolve(call, txn)
        calls = [*self.book.calls, *self._supersessions.values()]
        return [*self.found, *find_anomalies(self.book.calls), *replay(calls)]

    @property
    def size(self) -> int:
        """How many transactions were tried."""
        return len(self.book.calls)

    # -- clients ----------------------------------------------------------------------------------

    def _client(self, number: int) -> None:
        link, chance, stage = self._links[number], random.Random(self._chance.random()), self._stage
        fence = (REF, self._runs[-1][1]) if number == 0 and self._runs else None
        transactions = self._transactions(link, chance, fence)
        for _ in range(self._conditions.transactions):
            if number == 0 and fence is None and self._runs:
                fence = REF, self._runs[-1][1]
                transactions = self._transactions(link, chance, fence)
            index = self.book.open(number, stage.tick())
            call, link.told = self.book.calls[index], None
            call.guards = ((FENCE, fence[1]),) if fence else ()
            function = Performance(self.book, index, Plan(chance), transactions)
            try:
                outcome = perform(transactions, call, function, timeout=chance.choice((0.01, 30.0)))
            except FencedRun:
                # Its process is killed; it is told nothing.
                outcome, fence = "info", None
            if outcome == "ok" and link.told is not None:
                call.seq = link.told.seq
            if call.runs:
                call.runs[-1].ended = stage.tick()
            call.end(outcome, stage.tick())

    def _transactions(self, link: Link, chance: random.Random, fence: tuple[bytes, bytes] | None) -> Transactions:
        skew = chance.random() * DAY
        means = Means(
            lambda: self._stage.now + skew, self._stage.sleep, chance.random, chance.randbytes, lambda: EPOCH + skew
        )
        return Transactions(link.ask, CODEC, means, fence)

    # -- what is true -----------------------------------------------------------------------------

    def _watch(self, batch: Batch, seq: int) -> None:
        """A batch is durable."""
        for key, value in batch.puts.items():
            if key[:1] == keys.COMMIT_ID:
                txn = key[1:]
                if txn in self._commits:
                    self.found.append(Anomaly("twice", f"{txn.hex()} is both {self._commits[txn]} and {seq}"))
                self._commits[txn] = commit_id_of(payload_of(value))
            elif key == RUN_KEY:
                run = payload_of(value)
                self._runs.append((seq_of(value), run))
                self._supersessions[run].seq = seq_of(value)
                self._supersessions[run].end("ok", self._stage.tick())
                self._supersessions[run].committed = 1

    def _resolve(self, call: Call, txn: bytes) -> None:
        """Compare what the client was told with the disk; the disk knows what the client does not."""
        true = self._commits.get(txn)
        if call.outcome == "ok" and call.seq is not None and true != (call.seq, call.committed):
            text = f"{call.name} was told {call.seq}, run {call.committed}; the disk says {true}"
            self.found.append(Anomaly("told", text))
        if call.outcome != "ok" and true is not None:
            call.seq, call.committed = true

    # -- faults -----------------------------------------------------------------------------------

    def _pause(self) -> float:
        return self._chance.expovariate(1.0 / self._conditions.calm)

    def _fault(self) -> None:
        self._stage.after(self._pause(), self._fault)
        faults: tuple[Callable[[], None], ...] = (
            self._reset_link,
            self._supersede,
            self._kill_head,
            self._lose_power,
            self._usurp,
            self._jump_clock,
        )
        self._chance.choices(faults, (10, 6, 3, 2, 2, 2))[0]()

    def _open(self) -> None:
        if self._heads and not self._heads[-1].is_dead:
            return
        self._connect(self._new_head(), self._links)

    def _new_head(self) -> StagedHead:
        engine = CrashingEngine(self._disk)
        head = StagedHead(self._stage, self._chance, engine, lambda: EPOCH + self._stage.now + self._jump, self._died)
        self._heads.append(head)
        return head

    def _connect(self, head: StagedHead | None, links: list[Link]) -> None:
        for link in links:
            link.connect(head)

    def _died(self, head: StagedHead) -> None:
        """Its clients notice, and after a while there is a head again."""
        lost = [link for link in self._links if link.head is head]
        newest = self._heads[-1]
        self._connect(None if newest.is_dead else newest, lost)
        if newest.is_dead:
            self._stage.after(0.005 * self._chance.random(), self._open)

    def _kill_head(self) -> None:
        head = self._heads[-1]
        if not head.is_dead:
            head.kill()
            self._died(head)

    def _lose_power(self) -> None:
        for head in self._heads:
            head.kill()
        self._disk.crash()
        self._died(self._heads[-1])
        self._connect(None, self._links)

    def _usurp(self) -> None:
        """A second head opens the store; the first serves until it hears of it, or its clients go."""
        old = self._heads[-1]
        if old.is_dead:
            return
        new = self._new_head()
        self._connect(new, [link for link in self._links if self._chance.random() < 0.5])

        def end() -> None:
            if not old.is_dead:
                old.kill()
                self._died(old)

        self._stage.after(0.02 * self._chance.random(), end)

    def _reset_link(self) -> None:
        link = self._chance.choice(self._links)
        link.connect(link.head)

    def _jump_clock(self) -> None:
        self._jump += self._chance.uniform(-2 * DAY, 2 * DAY)

    def _supersede(self) -> None:
        """The job gets another run; what the old one has not committed by then never will be."""
        run = self._chance.randbytes(16)
        before = self._runs[-1][1] if self._runs else None
        expect = Expect(REF, None) if before is None else Expect(REF, "running", before)
        call = Call(-1, self._stage.tick(), [Run(1, [Op(WRITE, FENCE, run)])])
        self._supersessions[run] = call
        change = Change(
            tag=run,
            expect=(expect,),
            records=((REF, JobRecord("running", b"f" * 16, EPOCH, run=run)),),
            writes=((RUN_KEY, raw(run)),),
        )
        self._heads[-1].tell(Apply((change,), Mailbox(self._superseded)))

    def _superseded(self, applied: Any) -> None:
        assert isinstance(applied, Applied)
        for run, refused in applied.answers:
            if refused is not None and self._supersessions[run].seq is not None:  # type: ignore[index]  # a run
                self.found.append(Anomaly("told", f"the change {run!r} was refused and is on the disk"))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage in a history that only grows; that would take a sixth of the time."""
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_collecting:
            gc.enable()


def judge(seed: int, conditions: Conditions = Conditions()) -> int:  # noqa: B008  it is immutable
    """Run one world; return its number of transactions.

    Raises:
        AssertionError: something was found; it says how to repeat the seed.
    """
    world = World(seed, conditions)
    found = world.run()
    assert not found, (
        f"{found[0].kind}: {found[0].text}\n(and {len(found) - 1} more)\n{how_to_repeat(seed, conditions)}"
    )
    return world.size


def how_to_repeat(seed: int, conditions: Conditions) -> str:
    """Return the line that runs this seed again."""
    changed = {name: value for name, value in conditions._asdict().items() if value != getattr(Conditions(), name)}
    given = "".join(f", {name}={value!r}" for name, value in changed.items())
    code = f"from tests.proof.world import *; judge({seed}, Conditions({given[2:]}))" if given else ""
    return "repeat it: " + shlex.join(["python", "-c", code or f"from tests.proof.world import *; judge({seed})"])

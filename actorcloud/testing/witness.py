"""What was told outside the head: every answer that a client, a job or a worker has got.

A promise is broken when somebody was told what is not so, or not durable. The witness stands where
answers arrive, at the edge of each simulated process, and keeps them for the auditor.

Thread: the simulation's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from actorcloud.base.clock import Clock
from actorcloud.client import Asking, Head, OnReply
from actorcloud.protocol.job import AddJobs, Await, DeleteJob, FinishJob, Outcomes
from actorcloud.protocol.message import Message
from actorcloud.protocol.node import DoneItem
from actorcloud.protocol.record import Fence, Outcome
from actorcloud.protocol.transaction import Commit


class Told(NamedTuple):
    """One answer, or a part of it, as it arrived."""

    request: Message
    answer: Message | Exception


class Waiting:
    """An open `Await`."""

    __slots__ = ("refs", "since")

    def __init__(self, refs: set[bytes], since: float) -> None:
        self.refs = refs
        self.since = since


class Witness:
    """Sees what is asked and answered. Owned by a `SimCloud`, read by its auditor.

    Args:
        now: the virtual time.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        #: Answers that the auditor has not looked at.
        self.told: deque[Told] = deque()
        #: Every run that a worker has begun, in order.
        self.begun: list[Fence] = []
        #: How each run ended, in the words of its worker.
        self.ended: dict[Fence, Outcome] = {}
        #: Who may commit each transaction that a job has sent.
        self.fences: dict[bytes, Fence] = {}
        #: The run by which each nested job was added.
        self.parents: dict[bytes, Fence] = {}
        #: What each run wanted to write together with its end.
        self.finishing: dict[Fence, list[frozenset[bytes]]] = {}
        #: Jobs that somebody wanted to be deleted.
        self.deletions: set[bytes] = set()
        #: The open clients, by the name of their process.
        self.clients: dict[str, WitnessedHead] = {}

    def asked(self, request: Message) -> None:
        """A process asks the head."""
        match request:
            case Commit(fence=fence) if fence is not None:
                self.fences[request.txn] = fence
                self.parents.update((job.ref, fence) for job in request.jobs)
            case AddJobs(fence=fence) if fence is not None:
                self.parents.update((ref, fence) for ref, _ in request.jobs)
            case DeleteJob(ref):
                self.deletions.add(ref)
            case FinishJob(fence, outcome):
                self.ended[fence] = outcome
                keys = frozenset(key for key, _ in request.writes)
                self.finishing.setdefault(fence, []).append(keys)

    def heard(self, request: Message, answer: Message | Exception) -> None:
        """The process has its answer."""
        self.told.append(Told(request, answer))

    def finished(self, item: DoneItem) -> None:
        """A worker says how a run ended."""
        self.ended[item.ref, item.run] = item.outcome


class WitnessedHead:
    """A `client.Head` in front of another one, with a witness.

    Args:
        head: the real one.
        witness: is told.
    """

    def __init__(self, head: Head, witness: Witness) -> None:
        #: Open asks for the ends of jobs.
        self.waits: dict[object, Waiting] = {}
        self._head = head
        self._witness = witness

    @property
    def clock(self) -> Clock:
        """See `Head.clock`."""
        return self._head.clock

    @property
    def away_since(self) -> float | None:
        """See `Head.away_since`."""
        return self._head.away_since

    def ask(self, to: str, message: Message, on_reply: OnReply) -> WitnessedAsking:
        """See `Head.ask`."""
        token = object()
        if isinstance(message, Await):
            self.waits[token] = Waiting(set(message.refs), self._witness.now())

        def heard(answer: Message | Exception, more: bool) -> None:  # noqa: FBT001  an OnReply
            if isinstance(answer, Outcomes) and token in self.waits:
                self.waits[token].refs.difference_update(ref for ref, _ in answer.items)
            if not more:
                self.waits.pop(token, None)
            self._witness.heard(message, answer)
            on_reply(answer, more)

        self._witness.asked(message)
        return WitnessedAsking(self._head.ask(to, message, heard), lambda: self.waits.pop(token, None))

    def on_reset(self, callback: Callable[[], None]) -> None:
        """See `Head.on_reset`."""

        def reset() -> None:
            # Whoever still wants them asks again.
            self.waits.clear()
            callback()

        self._head.on_reset(reset)

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        """See `Head.wait`."""
        return self._head.wait(ready, timeout)

    def wake(self) -> None:
        """See `Head.wake`."""
        self._head.wake()

    def close(self) -> None:
        """See `Head.close`."""
        self.waits.clear()
        self._head.close()


class WitnessedAsking:
    """See `client.Asking`."""

    def __init__(self, asking: Asking, forgotten: Callable[[], object]) -> None:
        self._asking = asking
        self._forgotten = forgotten

    def forget(self) -> None:
        """See `Asking.forget`."""
        self._forgotten()
        self._asking.forget()

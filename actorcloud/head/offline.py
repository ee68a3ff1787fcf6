"""A store without its head: for commands about a store that no head has.

The store actor is the head's own, with its rules and its lock; whoever comes meanwhile is told that
this process has the store. Nothing else of a head is there: jobs can be looked at, but none runs, is added
or changed, and no node can join.

Owns an actor system, for as long as the store is open. Blocks: each ask, until it is answered.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from actorcloud.actor import ActorRef, System
from actorcloud.base.clock import Clock, SystemClock
from actorcloud.base.errors import ActorCloudError, HeadUnreachable
from actorcloud.base.location import Where
from actorcloud.client import Asking, Cloud, OnReply, Waiters
from actorcloud.head.jobreader import JobReader
from actorcloud.head.place import engine_at, existing, plan_at
from actorcloud.protocol.job import STORE, GetJob, ListJobs
from actorcloud.protocol.message import Message
from actorcloud.store import StoreActor

#: Seconds that a command waits for one answer of its own store: a commit on a slow disk.
_ASK_TIMEOUT = 60.0


@contextlib.contextmanager
def open_offline(store: Where) -> Iterator[Cloud]:
    """Open a store that no head has, as a cloud with a store, jobs to look at, and nothing else.

    Args:
        store: see `base.location`; it must be there.

    Raises:
        NotAStore: there is none.
        StoreLocked: a head has it.
        StoreTooNew, StoreDamaged: as the engine says.
    """
    place = existing(store)
    with System(name="offline") as system:
        options = StoreActor.options(system=system)
        actor = options.start(engine_at(place, create=False), owner="an actorcloud command", plan=plan_at(place))
        cloud = Cloud.over(_OfflineHead(actor))
        try:
            yield cloud
        finally:
            cloud.room.session.close()
            actor.stop()


class _Answered:
    """The handle of an ask that is answered already."""

    def forget(self) -> None:
        """See `client.Asking`."""


class _OfflineHead:
    """See `client.Head`: answers what is asked of the store, at once, and what its jobs are."""

    def __init__(self, store: ActorRef[Any]) -> None:
        self.clock: Clock = SystemClock()
        self.away_since: float | None = None
        self._store = store
        self._jobs = JobReader(store)
        self._waiters = Waiters()

    def ask(self, to: str, message: Message, on_reply: OnReply) -> Asking:
        """See `client.Head`."""
        try:
            on_reply(self._answer(to, message), False)
        except ActorCloudError as error:
            on_reply(error, False)
        self._waiters.check()
        return _Answered()

    def _answer(self, to: str, message: Message) -> Any:  # noqa: ANN401  any message
        if to == STORE:
            return self._store.ask(message, timeout=_ASK_TIMEOUT)
        match message:
            case GetJob():
                return self._jobs.detail(message)
            case ListJobs():
                return self._jobs.jobs(message)
        raise HeadUnreachable(f"no head runs: {type(message).__name__} is about jobs and nodes; start it first")

    def on_reset(self, callback: Callable[[], None]) -> None:
        """See `client.Head`; it is never lost."""

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        """See `client.Head`."""
        return self._waiters.wait(ready, timeout)

    def wake(self) -> None:
        """See `client.Head`."""
        self._waiters.check()

    def close(self) -> None:
        """See `client.Head`."""
        self._waiters.check()

"""`mutate_store`: run a function as a transaction, again and again until it commits.

::

    run --conflict--> (back off) --> run ...            until the deadline
     |-- Abort --------------------> Fail
     |-- an error, SystemExit -----> raised, nothing written
     |-- an interrupt -------------> raised at once
     '-- returns --> nothing written? Commit(value): a read-only run is true at its snapshot
                     else commit it: Commit(value) | conflict -> again | refused -> raised

`Committer` sends the commits and knows which one counts; `Pacer` has the pauses and the deadline.

Thread: any; each call is a transaction of its own.

Reference: store-design 2.6, 2.9.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, cast

from actorcloud.base.errors import (
    CommitUnknown,
    NestedTransaction,
    NotInJob,
    OnceReused,
    from_code,
)
from actorcloud.protocol import transaction as wire
from actorcloud.protocol.record import Fence
from actorcloud.protocol.usage import SPACES_LIMIT, SpaceUsage
from actorcloud.store import keys
from actorcloud.store.caller.account import list_spaces, usage_of
from actorcloud.store.caller.codec import Codec
from actorcloud.store.caller.committer import Committer
from actorcloud.store.caller.memory import Memory
from actorcloud.store.caller.outcome import Abort, Commit, Fail
from actorcloud.store.caller.pacer import Means
from actorcloud.store.caller.repetition import Parts, Repetition, called, is_of_signal
from actorcloud.store.caller.space import Space, user_key
from actorcloud.store.caller.transaction import Ask, Transaction, running
from actorcloud.store.key_codec import Key

logger = logging.getLogger("actorcloud.store")

T = TypeVar("T")
R = TypeVar("R")

#: Seconds in which a transaction must commit; longer ones mostly conflict, and should be split.
TRANSACTION_TIMEOUT_DEFAULT = 30.0


class Staged(NamedTuple):
    """A run whose writes another commit carries (`on_done`)."""

    value: Any
    reads: tuple[wire.ReadEntry, ...]
    writes: tuple[wire.Write, ...]
    ranges: tuple[wire.RangeEntry, ...] = ()
    atomics: tuple[wire.Atomic, ...] = ()
    #: What `on_commit` was given; for `run_callbacks`, once that commit counts.
    callbacks: tuple[Callable[[], object], ...] = ()


class Transactions:
    """The caller's end of the store: one for each client, or run of a job.

    Args:
        ask: sends a message to the store and returns the answer. It raises `ConnectionResetError`
            where the answer was lost and the head can be asked again; `HeadUnreachable` or a
            `TimeoutError` where it gives up.
        codec: of users' values.
        means: time and chance.
        fence: (job, run) inside a job.
    """

    def __init__(self, ask: Ask, codec: Codec, means: Means, fence: Fence | None = None) -> None:
        self._ask = ask
        self._codec = codec
        self._means = means
        self._fence = fence
        self._acked: deque[bytes] = deque()
        self._memory = Memory()
        self._names_used: set[str] = set()

    def mutate(
        self,
        fun: Callable[[], T],
        once: str | None = None,
        timeout: float = TRANSACTION_TIMEOUT_DEFAULT,
        *,
        run_twice: bool | None = None,
    ) -> Commit[T] | Fail:
        """Run `fun` as one serializable transaction; it may run several times.

        Args:
            fun: works on the store through the running transaction, and does nothing else.
            once: a name; a later run of this job gets the first one's value and does not run `fun`.
            timeout: seconds until no further attempt is made. A run that goes on is not interrupted.
            run_twice: whether each run is rehearsed; see `rehearsal`. None: as `rehearsed` says.

        Raises:
            TransactionError: it did not commit in time, or was refused.
            CommitUnknown: the head went away before it answered.
            NestedTransaction: this is called within a transaction.
            NotInJob, OnceReused: `once` outside a job, or a second time in the same run.
            ImpureTransaction: the second run of a rehearsal differed from the first.

        Blocks:
            until it is durable, or `timeout`.
        """
        attempts = Repetition(self.parts, timeout, run_twice=run_twice, recall=self._memory.take)
        committer = Committer(self._ask, attempts.pacer, self._acked, self._memory)
        try:
            ended = attempts.repeat(fun, self._once_key(once), committer.commit)
            won = committer.resolve() if isinstance(ended, Fail) else ended
        except CommitUnknown:
            raise
        except (Exception, SystemExit) as error:
            # Whatever it is: if an attempt before was committed, that is how the transaction ended.
            won = None if is_of_signal(error) else committer.resolve()
            if won is None:
                raise
        if won is None:
            return cast("Fail", ended)
        if once is not None:
            self._names_used.add(once)
        run_callbacks(won.transaction.callbacks)
        return won.outcome

    def snapshot(
        self, fun: Callable[[], T], timeout: float = TRANSACTION_TIMEOUT_DEFAULT, *, run_twice: bool | None = None
    ) -> T:
        """Run `fun` and return its value; all that it reads was so at one moment within this call.

        Args:
            fun: reads the store through the running transaction; it may run several times.
            timeout: seconds until no further attempt is made.
            run_twice: as for `mutate`.

        Raises:
            ReadOnlyTransaction: `fun` writes.
            Abort: as `fun` raised it.
            TransactionError: what it read kept changing until `timeout`.
            NestedTransaction: this is called within a transaction.
        """
        attempts = Repetition(self.parts, timeout, is_snapshot=True, run_twice=run_twice)
        value = attempts.repeat(fun, None, lambda _, outcome: outcome)
        if isinstance(value, Fail):
            raise Abort(value.reason)
        return value.value

    def stage(self, fun: Callable[[], T], timeout: float = TRANSACTION_TIMEOUT_DEFAULT) -> Staged:
        """Run `fun` and return what it read and would write, for another commit to carry.

        Raises:
            Abort: as `fun` raised it.
            TransactionError: what it read kept changing until `timeout`.
            NestedTransaction: this is called within a transaction.
        """

        def keep(transaction: Transaction, outcome: Commit[T]) -> Staged:
            attempt = transaction.end()
            return Staged(
                outcome.value,
                attempt.reads,
                attempt.writes,
                attempt.ranges,
                attempt.atomics,
                tuple(transaction.callbacks),
            )

        staged = Repetition(self.parts, timeout).repeat(fun, None, keep)
        if isinstance(staged, Fail):
            raise Abort(staged.reason)
        return staged

    def fetch(self, space: Space, key: Key, default: object = None) -> Any:  # noqa: ANN401  users' values
        """Return the value under `key` by a read-only transaction of this one key.

        Raises:
            BadKey: the key cannot be one.
            NoSuchJob: the space's job does not exist.

        Blocks:
            for a round trip to the head.
        """
        return self.value_of(self.find(space, key), space, key, default)

    def value_of(self, found: wire.Found, space: Space, key: Key, default: object) -> Any:  # noqa: ANN401  as above
        """Return the value of what was found under `key`.

        Raises:
            ValueUnreadable: it cannot be decoded here.
        """
        return default if found is None else self._codec.loads(found[1], (space, key))

    def find(self, space: Space, key: Key) -> wire.Found:
        """Return what is under `key`, as it is on the wire; raises as `fetch` does."""
        where = user_key(space, key)
        answer = self._ask(wire.Read((where,), fence=self._fence))
        match answer:
            case wire.Values(_, (found,)):
                return found
            case wire.Refused(code, text):
                raise from_code(code, text)
        raise TypeError(f"the store answered a Read with {answer!r}")

    def usage(self, space: Space) -> SpaceUsage:
        """Return what a space has, and may have; see `account.usage_of`."""
        return usage_of(self._ask, space)

    def spaces(
        self, after: Space | None = None, limit: int = SPACES_LIMIT, *, of_jobs: bool = False
    ) -> list[SpaceUsage]:
        """Return the spaces that have keys; see `account.list_spaces`."""
        return list_spaces(self._ask, after, limit, of_jobs=of_jobs)

    def scan(  # noqa: PLR0913  one for each thing there is to choose
        self,
        space: Space,
        prefix: Key = None,
        *,
        start: Key = None,
        stop: Key = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> list[tuple[Key, Any]]:
        """Return the keys of a space and their values by a read-only transaction; see `Transaction.scan`.

        Blocks:
            for a round trip to the head, or several if the answer is large.
        """

        def scan() -> list[tuple[Key, Any]]:
            transaction = running.get()
            assert transaction is not None
            return transaction.scan(space, prefix, start=start, stop=stop, limit=limit, reverse=reverse)

        return self.mutate(scan).value

    def current(self) -> Transaction | None:
        """Return the transaction whose function runs on this thread.

        Raises:
            NestedTransaction: it is another caller's.
        """
        transaction = running.get()
        if transaction is not None and transaction.owner is not self:
            raise NestedTransaction("a transaction of another Cloud runs here: inside it use that Cloud alone")
        return transaction

    @property
    def parts(self) -> Parts:
        """What each transaction is made with."""
        return Parts(self._ask, self._codec, self._means, self._fence, self)

    def _once_key(self, once: str | None) -> bytes | None:
        if once is None:
            return None
        if self._fence is None:
            raise NotInJob
        if once in self._names_used:
            raise OnceReused(f"this run has used the once-name {once!r} already; give each transaction its own")
        return keys.once(self._fence[0], once)


def run_callbacks(callbacks: Iterable[Callable[[], object]]) -> None:
    """Call what `on_commit` was given; what one raises is logged, and the next one is called."""
    for callback in callbacks:
        try:
            called(callback)
        except Exception:
            logger.exception("the transaction is committed, but what it had `on_commit` call, %r, failed", callback)

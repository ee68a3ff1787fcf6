"""`mutate_store`: run a function as a transaction, again and again until it commits.

::

    run --conflict--> (back off) --> run ...            until the deadline
     |-- Abort --------------------> Fail
     |-- an error -----------------> raised, nothing written
     '-- returns --> nothing written? Commit(value): a read-only run is true at its snapshot
                     else ask Commit: Committed -> Commit(value) | Conflict -> again | Refused -> raised

The second attempt starts at once, from the values that came with the conflict; later ones back off
with full jitter. A commit whose answer was lost is sent again as it is, until the store answers.

Thread: any; each call is a transaction of its own.

Reference: store-design 2.6, 2.9; dbos' back-off; "Exponential backoff and jitter" (AWS, 2015).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

from actorcloud.base.errors import (
    CommitUnknown,
    HeadUnreachable,
    NestedTransaction,
    NotInJob,
    OnceReused,
    TransactionError,
    from_code,
)
from actorcloud.protocol import transaction as wire
from actorcloud.protocol.record import Fence
from actorcloud.store import keys
from actorcloud.store.caller.attempt import Attempt
from actorcloud.store.caller.outcome import Abort, Commit, Fail, FencedRun
from actorcloud.store.caller.transaction import Ask, Codec, Restart, Space, Transaction, running, user_key
from actorcloud.store.key_codec import Key

T = TypeVar("T")
R = TypeVar("R")

#: Seconds in which a transaction must commit; longer ones mostly conflict, and should be split.
TRANSACTION_TIMEOUT_DEFAULT = 30.0

#: Seconds of the first pause; a conflict's round trip is about as long.
BACKOFF_FIRST = 0.001
BACKOFF_FACTOR = 1.5
#: Seconds that no pause exceeds: a free store is noticed soon.
BACKOFF_LIMIT = 0.1

#: Ids in one message of those whose answers have arrived; more wait for the next one.
_ACKED_IN_ONE = 64


class Means(NamedTuple):
    """What is injected: time and chance."""

    #: Seconds that never go back.
    monotonic: Callable[[], float]
    #: Waits that many seconds.
    sleep: Callable[[float], None]
    #: A float in [0, 1).
    random: Callable[[], float]
    #: n -> n random bytes.
    randbytes: Callable[[int], bytes]


class Staged(NamedTuple):
    """A run whose writes another commit carries (`on_done`)."""

    value: Any
    reads: tuple[wire.ReadEntry, ...]
    writes: tuple[wire.Write, ...]
    ranges: tuple[wire.RangeEntry, ...] = ()


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
        self._names_used: set[str] = set()

    def mutate(
        self, fun: Callable[[], T], once: str | None = None, timeout: float = TRANSACTION_TIMEOUT_DEFAULT
    ) -> Commit[T] | Fail:
        """Run `fun` as one serializable transaction; it may run several times.

        Args:
            fun: works on the store through the running transaction, and does nothing else.
            once: a name; a later run of this job gets the first one's value and does not run `fun`.
            timeout: seconds until no further attempt is made.

        Raises:
            TransactionError: it did not commit in time, or was refused.
            CommitUnknown: the head went away before it answered.
            NestedTransaction: this is called within a transaction.
            NotInJob, OnceReused: `once` outside a job, or a second time in the same run.

        Blocks:
            until it is durable, or `timeout`.
        """
        outcome = self._repeat(fun, self._once_key(once), timeout, self._commit)
        if once is not None and outcome:
            self._names_used.add(once)
        return outcome

    def stage(self, fun: Callable[[], T], timeout: float = TRANSACTION_TIMEOUT_DEFAULT) -> Staged:
        """Run `fun` and return what it read and would write, for another commit to carry.

        Raises:
            Abort: as `fun` raised it.
            TransactionError: what it read kept changing until `timeout`.
            NestedTransaction: this is called within a transaction.
        """

        def keep(attempt: Attempt, outcome: Commit[T], _: _Pacer) -> Staged:
            return Staged(outcome.value, attempt.reads, attempt.writes, attempt.ranges)

        staged = self._repeat(fun, None, timeout, keep)
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
        where = user_key(space, key)
        answer = self._ask(wire.Read((where,), fence=self._fence))
        match answer:
            case wire.Values(_, (found,)):
                return default if found is None else self._codec.loads(found[1])
            case wire.Refused(code, text):
                raise from_code(code, text)
        raise TypeError(f"the store answered a Read with {answer!r}")

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
        """Return the transaction whose function runs on this thread."""
        return running.get()

    # -- attempts ---------------------------------------------------------------------------------

    def _repeat(
        self,
        fun: Callable[[], T],
        once_key: bytes | None,
        timeout: float,
        finish: Callable[[Attempt, Commit[T], _Pacer], R | wire.Conflict],
    ) -> R | Fail:
        """Run the function until `finish` accepts what it did."""
        if running.get() is not None:
            raise NestedTransaction
        pacer = _Pacer(self._means, timeout)
        txn, seed = self._means.randbytes(wire.TXN_ID_BYTES), None
        for number in itertools.count(1):
            transaction = Transaction(Attempt(txn, number, self._fence, seed), self._ask, self._codec)
            outcome = self._run(transaction, fun, once_key)
            if isinstance(outcome, Fail):
                return outcome
            finished = finish(transaction.end(), outcome, pacer) if isinstance(outcome, Commit) else outcome
            if not isinstance(finished, wire.Conflict):
                return finished
            seed = finished
            if pacer.is_over():
                raise pacer.error(number, "other transactions kept changing what it read")
            pacer.pause(number)
        raise AssertionError("unreachable")

    def _run(
        self, transaction: Transaction, fun: Callable[[], T], once_key: bytes | None
    ) -> Commit[T] | Fail | wire.Conflict:
        """Run the function once; a transaction that was poisoned never gives a Commit or Fail."""
        token = running.set(transaction)
        try:
            outcome: Commit[T] | Fail | None = self._call(transaction, fun, once_key)
        except Restart:
            outcome = None
        except Abort as abort:
            outcome = Fail(abort.reason)
        except Exception:
            # A function that swallowed its restart and then failed on what it did not get.
            if transaction.conflict is None:
                raise
            outcome = None
        finally:
            running.reset(token)
            transaction.end()
        if transaction.refusal is not None:
            raise transaction.refusal
        if transaction.conflict is not None:
            return transaction.conflict
        assert outcome is not None
        return outcome

    def _call(self, transaction: Transaction, fun: Callable[[], T], once_key: bytes | None) -> Commit[T]:
        if once_key is None:
            return Commit(fun())
        before = transaction.read(once_key)
        if before is not None:
            return Commit(cast("T", self._codec.loads(before)))
        value = fun()
        transaction.write(once_key, self._codec.dumps(value))
        return Commit(value)

    def _commit(self, attempt: Attempt, outcome: Commit[T], pacer: _Pacer) -> Commit[T] | wire.Conflict:
        if attempt.is_read_only:
            return outcome
        acked = tuple(self._acked.popleft() for _ in range(min(len(self._acked), _ACKED_IN_ONE)))
        answer = None
        try:
            answer = self._send(attempt.to_commit(acked), pacer)
        finally:
            if not isinstance(answer, wire.Committed):
                self._acked.extend(acked)
        if isinstance(answer, wire.Conflict):
            return answer
        self._acked.append(attempt.txn)
        if answer.attempt != attempt.number:
            raise CommitUnknown(f"attempt {answer.attempt} of this transaction was committed, and not {attempt.number}")
        return outcome

    def _send(self, commit: wire.Commit, pacer: _Pacer) -> wire.Committed | wire.Conflict:
        """Ask until there is an answer that counts."""
        is_unknown = False
        for number in itertools.count(1):
            try:
                answer = self._ask(commit)
            except ConnectionResetError:
                # It may be there already; the same id again gives the same answer.
                is_unknown = True
                why = "the connection was reset"
            except (HeadUnreachable, TimeoutError) as error:
                raise CommitUnknown from error
            else:
                decided = _decide(answer)
                if not isinstance(decided, str):
                    return decided
                why = decided
            if pacer.is_over():
                raise CommitUnknown if is_unknown else pacer.error(number, why)
            pacer.pause(number)
        raise AssertionError("unreachable")

    def _once_key(self, once: str | None) -> bytes | None:
        if once is None:
            return None
        if self._fence is None:
            raise NotInJob
        if once in self._names_used:
            raise OnceReused(f"this run has used the once-name {once!r} already; give each transaction its own")
        return keys.once(self._fence[0], once)


def _decide(answer: object) -> wire.Committed | wire.Conflict | str:
    """Return the store's verdict; a text if it is to be asked again; raise what is final."""
    match answer:
        case wire.Committed() | wire.Conflict():
            return answer
        case wire.Refused("busy", text):
            return text
        case wire.Refused("need-function"):
            # Collected between the call that brought it and this commit: run again, it is brought again.
            return wire.Conflict((b"", 0))
        case wire.Refused(code, text):
            raise from_code(code, text)
        case wire.Fenced():
            raise FencedRun("another run of this job has taken over")
        case _:
            raise TypeError(f"the store answered a Commit with {answer!r}")


class _Pacer:
    """Pauses between attempts, and knows the deadline."""

    def __init__(self, means: Means, timeout: float) -> None:
        self._means = means
        self._timeout = timeout
        self._deadline = means.monotonic() + timeout

    def is_over(self) -> bool:
        return self._means.monotonic() >= self._deadline

    def pause(self, number: int) -> None:
        """Pause after attempt `number`: not at all after the first."""
        if number > 1:
            # The exponent is capped, for 1.5 ** 1751 is more than a float holds.
            longest = min(BACKOFF_LIMIT, BACKOFF_FIRST * BACKOFF_FACTOR ** min(number - 2, 32))
            self._means.sleep(longest * self._means.random())

    def error(self, number: int, why: str) -> TransactionError:
        return TransactionError(
            f"the transaction did not commit within {self._timeout} s and {number} attempts: {why}; "
            "make it shorter, or let it read less"
        )

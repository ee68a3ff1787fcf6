"""The runs of one transaction's function: again, as long as what it read has changed.

Each run has a `Transaction` of its own, bound to this thread while the function runs. With
`run_twice` each run is rehearsed: see `rehearsal`.

Thread: the one that called `mutate_store`.

Reference: store-design 2.6.
"""

from __future__ import annotations

import functools
import itertools
import signal
import traceback
from collections.abc import Callable, Iterable
from types import AsyncGeneratorType, CodeType, CoroutineType, GeneratorType
from typing import Any, NamedTuple, TypeVar, cast

from actorcloud.base.errors import ClosedCloud, HeadUnreachable, ImpureTransaction, NestedTransaction
from actorcloud.protocol import transaction as wire
from actorcloud.protocol.record import Fence
from actorcloud.store.caller.attempt import ANEW, Attempt, Recall
from actorcloud.store.caller.codec import Codec
from actorcloud.store.caller.outcome import Abort, Commit, Fail
from actorcloud.store.caller.pacer import Means, Pacer
from actorcloud.store.caller.rehearsal import Recording, Rehearsing, compare, compare_ends
from actorcloud.store.caller.transaction import Ask, Origin, Restart, Transaction, running

T = TypeVar("T")
R = TypeVar("R")


class Parts(NamedTuple):
    """What each transaction of a caller is made with."""

    ask: Ask
    codec: Codec
    means: Means
    fence: Fence | None
    owner: object


class Repetition:
    """The runs of one transaction's function.

    Args:
        parts: of its caller.
        timeout: seconds until no further run is begun.
        is_snapshot: whether nothing may be written.
        run_twice: see `Transactions.mutate`.
        recall: finds what the first run may begin with; see `memory`.
    """

    def __init__(
        self,
        parts: Parts,
        timeout: float,
        *,
        is_snapshot: bool = False,
        run_twice: bool | None = None,
        recall: Recall | None = None,
    ) -> None:
        if running.get() is not None:
            raise NestedTransaction
        self._ask, self._codec, means, self._fence, owner = parts
        self.pacer = Pacer(means, timeout)
        self._txn = means.randbytes(wire.TXN_ID_BYTES)
        self._origin = Origin(means.time(), is_snapshot, owner)
        self._rehearses = Rehearsing.by_default if run_twice is None else run_twice
        # What is remembered is taken once, and the second run must find what the first did.
        self._recall = None if self._rehearses else recall

    def repeat(
        self,
        fun: Callable[[], T],
        once_key: bytes | None,
        finish: Callable[[Transaction, Commit[T]], R | wire.Conflict],
    ) -> R | Fail:
        """Run the function until `finish` accepts what it did."""
        seed = None
        for number in itertools.count(1):
            transaction, outcome = self._rehearse(number, seed, fun, once_key)
            if isinstance(outcome, Fail):
                return outcome
            finished = finish(transaction, outcome) if isinstance(outcome, Commit) else outcome
            if not isinstance(finished, wire.Conflict):
                return finished
            seed = finished
            if transaction.end().is_recalled:
                self.pacer.guesses += 1
                continue
            tries = number - self.pacer.guesses
            if self.pacer.is_over():
                if seed.unmet:
                    raise self.pacer.error(
                        tries, "its condition did not come true", "watch the key if that may take long"
                    )
                raise self.pacer.error(tries, "other transactions kept changing what it read")
            if not seed.has_ticket:
                self.pacer.pause(tries)
        raise AssertionError("unreachable")

    def _rehearse(
        self, number: int, seed: wire.Conflict | None, fun: Callable[[], T], once_key: bytes | None
    ) -> tuple[Transaction, Commit[T] | Fail | wire.Conflict]:
        """Run the function once; twice, if that was asked for, and compare."""
        if not self._rehearses:
            transaction = self._transaction(number, seed, self._ask)
            return transaction, self._run(transaction, fun, once_key)
        recording = Recording(self._ask)
        transaction = self._transaction(number, seed, recording.ask)
        outcome = self._run(transaction, fun, once_key)
        if not isinstance(outcome, wire.Conflict):
            again = self._transaction(number, seed, recording.again, transaction.refs)
            try:
                ended: object = self._run(again, fun, once_key)
            except ImpureTransaction:
                raise
            except Exception as error:
                raise ImpureTransaction(f"the second run of the function raised {error!r}") from error
            why = compare_ends(outcome, ended) or compare(transaction.end(), again.end(), self._codec)
            if why is not None:
                raise ImpureTransaction(f"{why}: a transaction's function may run again, and must do the same then")
        return transaction, outcome

    def _transaction(
        self, number: int, seed: wire.Conflict | None, ask: Ask, refs: Iterable[bytes] = ()
    ) -> Transaction:
        attempt = Attempt(self._txn, number, self._fence, seed, self._recall if number == 1 else None)
        return Transaction(attempt, ask, self._codec, self._origin, refs)

    def _run(
        self, transaction: Transaction, fun: Callable[[], T], once_key: bytes | None
    ) -> Commit[T] | Fail | wire.Conflict:
        """Run the function once; a transaction that was poisoned never gives a Commit or Fail."""
        token = running.set(transaction)
        outcome: Commit[T] | Fail | None = None
        try:
            outcome = self._call(transaction, fun, once_key)
        except Restart:
            pass
        except Abort as abort:
            outcome = Fail(abort.reason)
        except (Exception, SystemExit) as error:
            # Else it failed on what is no longer so, or has swallowed its restart and failed on what it did not get.
            is_founded = transaction.conflict is None and not is_unfounded(transaction.end(), error)
            if is_founded or is_of_signal(error):
                raise
        finally:
            running.reset(token)
            attempt = transaction.end()
        refusal = transaction.refusal
        if refusal is None and transaction.conflict is not None:
            return transaction.conflict
        if is_unfounded(attempt, refusal or outcome):
            return ANEW
        if refusal is not None:
            raise refusal
        assert outcome is not None
        return outcome

    def _call(self, transaction: Transaction, fun: Callable[[], T], once_key: bytes | None) -> Commit[T]:
        if once_key is None:
            return Commit(called(fun))
        before = transaction.read(once_key)
        if before is not None:
            return Commit(cast("T", self._codec.loads(before)))
        value = called(fun)
        transaction.write(once_key, self._codec.dumps(value))
        return Commit(value)


def called(fun: Callable[[], T]) -> T:
    """Call a transaction's function.

    Raises:
        TypeError: it is one of those that do nothing when they are called.
    """
    value = fun()
    if isinstance(value, CoroutineType | GeneratorType | AsyncGeneratorType):
        kind = type(value).__name__.replace("_", " ")
        if isinstance(value, CoroutineType):
            value.close()  # else Python warns that nobody awaited it
        raise TypeError(
            f"the function of a transaction returned a {kind}, so nothing of it has run; a plain function is needed, "
            "which uses the store and returns: in asyncio, await asyncio.to_thread(cloud.mutate_store, function)"
        )
    return value


def is_of_signal(error: BaseException) -> bool:
    """Tell whether the handler of a signal raised it: wherever the function was, that is nothing that it has found."""
    codes = {_code_of(signal.getsignal(number)) for number in signal.valid_signals()}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))


def _code_of(handler: object) -> CodeType | None:
    """Return what runs first when a signal is handled; None: nothing of Python's."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    # SIG_DFL and SIG_IGN are not called, but their class is: with the code of any enumeration's.
    if not callable(handler):
        return None
    return getattr(handler, "__code__", None) or getattr(type(handler).__call__, "__code__", None)


def is_unfounded(attempt: Attempt, outcome: Commit[Any] | Fail | Exception | SystemExit | None) -> bool:
    """Tell whether a run ended so on what was remembered, and no commit will show that it still holds."""
    if not attempt.is_recalled or isinstance(outcome, HeadUnreachable | ClosedCloud):
        return False
    return attempt.is_read_only or not isinstance(outcome, Commit)

"""The running transaction, as its function sees it.

A restart is signalled by a private `BaseException`, and the transaction is *poisoned* with it: each
later call raises it again and the commit is refused, so that a bare `except:` in the function cannot
commit half a run. After its end every call raises `NotInTransaction`, also on a captured handle.

Thread: the one that runs the function.

Reference: store-design 2.6.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from random import Random
from typing import Any, NamedTuple, ParamSpec, TypeVar

from actorcloud.base.errors import (
    ActorCloudError,
    ConditionFailed,
    NotInTransaction,
    ReadOnlyTransaction,
    ValueTooLarge,
    from_code,
)
from actorcloud.protocol.message import Message
from actorcloud.protocol.record import NewJob
from actorcloud.protocol.transaction import VALUE_LIMIT_BYTES, AtomicStep, Conflict, RangeRead, Read, Refused, Values
from actorcloud.store.caller.atomics import AtomicCalls
from actorcloud.store.caller.attempt import UNMET, Attempt, Unknown
from actorcloud.store.caller.codec import Codec
from actorcloud.store.caller.space import Space, limit_of, range_of, user_key
from actorcloud.store.key_codec import Key, decode_key
from actorcloud.store.value import CODEC_BYTES

P = ParamSpec("P")
T = TypeVar("T")

#: Sends a message to the store and waits for the answer; see `Transactions`.
Ask = Callable[[Message], Message]

#: The transaction whose function runs on this thread.
running: ContextVar[Transaction | None] = ContextVar("actorcloud.store.running", default=None)


class Origin(NamedTuple):
    """What all attempts of one transaction have in common."""

    #: Seconds since 1970.
    now: float
    #: Whether nothing may be written.
    is_snapshot: bool = False
    #: Whose transaction it is.
    owner: object = None


class Restart(BaseException):
    """What the function has read has changed: it is run again. Never leaves this package."""


class Transaction(AtomicCalls):
    """A serializable view of the store, while the function runs.

    Args:
        attempt: its state.
        ask: the way to the store.
        codec: of users' values.
        origin: what all its attempts have in common.
        refs: references for the jobs that it adds; beyond them new ones are made.
    """

    def __init__(self, attempt: Attempt, ask: Ask, codec: Codec, origin: Origin, refs: Iterable[bytes] = ()) -> None:
        self._attempt = attempt
        self._ask = ask
        self._codec = codec
        self._origin = origin
        self._is_open = True
        self._thread = threading.get_ident()
        self._given = iter(refs)
        #: References of the jobs that it adds.
        self.refs: list[bytes] = []
        #: What `on_commit` was given.
        self.callbacks: list[Callable[[], object]] = []
        #: Set once what was read has changed.
        self.conflict: Conflict | None = None
        #: Set once the store has refused for good.
        self.refusal: ActorCloudError | None = None

    def __repr__(self) -> str:
        state = "open" if self._is_open else "ended"
        return f"<Transaction {self._attempt.txn.hex()[:8]} attempt {self.attempt} {state}>"

    @property
    def owner(self) -> object:
        """Whose transaction it is."""
        return self._origin.owner

    @property
    def id(self) -> bytes:
        """16 bytes, the same for all attempts."""
        return self._attempt.txn

    @property
    def attempt(self) -> int:
        """Counts the runs of the function from 1."""
        return self._attempt.number

    @property
    def now(self) -> float:
        """The caller's clock when the first attempt began, in seconds since 1970; the same for all attempts."""
        return self._origin.now

    @functools.cached_property
    def rand(self) -> Random:
        """Random numbers, the same ones in each attempt; not for secrets, for its seed is `id`."""
        return Random(self.id)  # noqa: S311  as the docstring says

    def on_commit(self, fun: Callable[[], object]) -> None:
        """Call `fun` once, after the transaction has committed.

        Args:
            fun: called on this thread before `mutate_store` returns, in the order given; not at all if
                the transaction fails or its outcome is unknown, nor if this process dies between.
                What it raises is logged, for the transaction is committed all the same.

        Raises:
            TypeError: it cannot be called.
            ReadOnlyTransaction: in a snapshot, which never commits.
            NotInTransaction: the transaction has ended.
        """
        self._check_writable()
        if not callable(fun):
            raise TypeError(f"on_commit takes a function without arguments, not {fun!r}")
        self.callbacks.append(fun)

    def fetch(self, space: Space, key: Key, default: object = None) -> Any:  # noqa: ANN401  users' values
        """Return the value under `key`, `default` if there is none.

        Raises:
            BadKey: the key cannot be one.
            NoSuchJob: the space's job does not exist; this ends the transaction.
            ValueUnreadable: the value cannot be decoded here.
            NotInTransaction: the transaction has ended.

        Blocks:
            for a round trip to the head, unless this transaction has seen the key before, or remembers it of the
            last one.
        """
        payload = self.read(user_key(space, key))
        return default if payload is None else self._codec.loads(payload, (space, key))

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
        """Return the keys of a space and their values, in the order of the keys.

        Args:
            space: a job, or the name of a space.
            prefix: a tuple: only tuples that begin with its elements; a text or bytes: only texts or
                bytes that begin with it; None: all.
            start: the first key wanted; None: from the beginning.
            stop: the first key not wanted any more; None: to the end.
            limit: at most so many; what lies beyond the last one is not read, and may change.
            reverse: the last ones, from the end on.

        Raises:
            BadKey: a key cannot be one, or a prefix cannot be one.
            TypeError, ValueError: the limit is no number, or less than 0.
            TransactionTooLarge: more ranges or records than a transaction may scan.
            NoSuchJob: the space's job does not exist; this ends the transaction.
            ValueUnreadable: a value cannot be decoded here.
            NotInTransaction: the transaction has ended.

        Blocks:
            for a round trip to the head, or several if the answer is large; not at all for what this
            transaction has scanned before.
        """
        whole, lo, hi = range_of(space, prefix, start, stop)
        wanted = RangeRead(lo, hi, limit_of(limit), reverse)
        found = self.read_range(wanted) if lo < hi and wanted.limit > 0 else []
        items = ((decode_key(key[len(whole) :]), payload) for key, payload in found)
        return [(key, self._codec.loads(payload, (space, key))) for key, payload in items]

    def store(self, space: Space, key: Key, value: object, codec: str | None = None) -> None:
        """Set `key` to `value` when the transaction commits.

        Args:
            space: a job, or the name of a space.
            key: of the value.
            value: anything that its codec takes.
            codec: "raw" (bytes as they are), "int" (for `add` and its like), "msgpack" or "pickle"; None:
                "int" and "raw" for what is exactly an int or bytes, "pickle" for everything else.

        Raises:
            BadKey: the key cannot be one.
            BadValue: the codec does not take this value.
            ValueTooLarge: the value takes more than 1 MiB.
            ReadOnlyTransaction: in a snapshot.
            NotInTransaction: the transaction has ended.
        """
        where = user_key(space, key)
        payload = self._codec.dumps(value, codec)
        size = len(payload) - CODEC_BYTES
        if size > VALUE_LIMIT_BYTES:
            raise ValueTooLarge(
                f"the value for the key {key!r} takes {size} bytes; the limit is {VALUE_LIMIT_BYTES}: "
                "keep it in a file and store its name"
            )
        self.write(where, payload)

    def delete(self, space: Space, key: Key) -> None:
        """Delete `key` when the transaction commits; one that is absent is no error.

        Raises:
            BadKey: the key cannot be one.
            ReadOnlyTransaction: in a snapshot.
            NotInTransaction: the transaction has ended.
        """
        self.write(user_key(space, key), None)

    def add_job(self, job: NewJob) -> None:
        """Add a job that exists if and only if the transaction commits.

        Raises:
            ReadOnlyTransaction: in a snapshot.
            NotInTransaction: the transaction has ended.
        """
        self._check_writable()
        self._attempt.add_job(job)

    def new_ref(self, make: Callable[[], bytes]) -> bytes:
        """Return a reference for a job that is to be added; at a rehearsal, that of the run before."""
        self._check_writable()
        self.refs.append(next(self._given, None) or make())
        return self.refs[-1]

    def read(self, key: bytes) -> bytes | None:
        """Return the payload under an engine key."""
        self._check()
        payload = self._peek(self._attempt.peek, key)
        if isinstance(payload, Unknown):
            self._look_up([key])
            payload = self._peek(self._attempt.peek, key)
        assert not isinstance(payload, Unknown)
        return payload

    def read_range(self, wanted: RangeRead) -> list[tuple[bytes, bytes]]:
        """Return the payloads in a range of engine keys."""
        self._check()
        while isinstance(found := self._peek(self._attempt.peek_range, wanted), RangeRead):
            self._look_up((), [found])
        return found

    def write(self, key: bytes, payload: bytes | None) -> None:
        """Set or delete (None) an engine key."""
        self._check_writable()
        self._attempt.write(key, payload)

    def do(self, key: bytes, step: AtomicStep) -> None:
        """See `AtomicCalls.do`."""
        self._check_writable()
        self._peek(self._attempt.do, key, step)

    def end(self) -> Attempt:
        """Close the handle; return what has gathered."""
        self._is_open = False
        return self._attempt

    def _look_up(self, wanted: Sequence[bytes], scans: Sequence[RangeRead] = ()) -> None:
        attempt, is_heavy = self._attempt, self._attempt.is_heavy
        values = self._values(attempt.ask_for(wanted, scans, whole=not is_heavy))
        if is_heavy and values.snapshot != attempt.snapshot:
            # The store has moved on, and did not see what must still hold there: the same once more, with all of it.
            values = self._values(attempt.ask_for(wanted, scans))
        attempt.take_in(wanted, values, scans)

    def _values(self, question: Read) -> Values:
        answer = self._ask(question)
        match answer:
            case Values():
                return answer
            case Conflict():
                self.conflict = answer
            case Refused(code, text):
                self.refusal = from_code(code, text)
            case _:
                raise TypeError(f"the store answered a Read with {answer!r}")
        self._check()
        raise AssertionError("unreachable")  # pragma: no cover  the check has raised the conflict or the refusal

    def _peek(self, look: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Look at what an attempt makes of a value; a condition that is to be tried again ends the run."""
        try:
            return look(*args, **kwargs)
        except ConditionFailed as failed:
            if not failed.retry:
                raise
            self.conflict = UNMET
            raise Restart from failed

    def _check_writable(self) -> None:
        self._check()
        if self._origin.is_snapshot:
            raise ReadOnlyTransaction

    def _check(self) -> None:
        if not self._is_open:
            raise NotInTransaction("this transaction has ended; use it only inside the function given to mutate_store")
        if threading.get_ident() != self._thread:
            raise NotInTransaction("a transaction belongs to the thread that runs its function; this is another one")
        if self.conflict is not None:
            raise Restart
        if self.refusal is not None:
            raise self.refusal

"""The calls that use the store: the store's part of `Cloud`.

A thin face over the room's `Transactions`. The store is loaded at the first of these calls, for most
programs never use it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from actorcloud.base.errors import NestedTransaction, NotInTransaction
from actorcloud.base.ids import JobRef
from actorcloud.client.room import Room
from actorcloud.protocol.usage import SpaceUsage

if TYPE_CHECKING:
    from actorcloud.client.watching import Watch
    from actorcloud.store import Commit, Fail, Key, Transaction, Transactions

T = TypeVar("T")


class StoreCalls:
    """Uses the store of the cloud that a room is over.

    >>> cloud.mutate_store(lambda: cloud.store("prices", "tea", 3)) # doctest: +SKIP
    Commit(value=None)
    """

    _room: Room

    def mutate_store(
        self, fun: Callable[[], T], once: str | None = None, *, run_twice: bool | None = None
    ) -> Commit[T] | Fail:
        """Run `fun()` as one serializable transaction; it may run several times, so it does nothing else.

        Args:
            fun: uses `fetch`, `scan`, `store`, `delete`, `add`, `add_job` and `txn` of this cloud.
            once: inside a job, a name: a later run of the job gets the value that was committed and
                does not run `fun`. Without it, a job that is run again commits again.
            run_twice: run `fun` twice on the same state and compare what it does, for tests. None: as
                `actorcloud.testing.rehearsed` says.

        Returns:
            `Commit(value)` of what `fun` returned in the run that was committed, durable;
            `Fail(reason)`, which is falsy, if it raised `Abort(reason)`: nothing is or will be written.

        Raises:
            TransactionError: the deadline passed, it is too large, or a condition failed; nothing is written.
            NoSuchJob, JobConflict, QuotaExceeded, NoSpace, BadValue, ValueTooLarge: refused by the head; nothing is.
            CommitUnknown: the head went away for good before it answered: committed, or not.
            HeadUnreachable: no head answered for a minute, and no commit was on its way.
            Exception: what `fun` raised; nothing is written.
            NotInJob, OnceReused: `once` outside a job, or a second time in the same run.
            NestedTransaction: inside another transaction.
            ImpureTransaction: `run_twice` found that `fun` does not do the same twice.

        Blocks: until it is durable. No further run is begun after 30 s, but one that never ends is
            not interrupted.
        """
        return self._transactions.mutate(fun, once, run_twice=run_twice)

    def snapshot(self, fun: Callable[[], T]) -> T:
        """Run `fun()` and return its value: all that it reads is the state of one moment within this call.

        Args:
            fun: uses `fetch` of this cloud; it may run several times.

        Raises:
            ReadOnlyTransaction: `fun` writes, or adds a job.
            TransactionError: what it read kept changing for 30 s.
            Exception: what `fun` raised, also `Abort`.
            NestedTransaction: inside another transaction.

        Blocks: for a round trip to the head for each key that it fetches; never for a commit.
        """
        return self._transactions.snapshot(fun)

    def fetch(self, ref: JobRef[Any] | str, key: Key, default: Any = None) -> Any:
        """Return what is stored for `ref` under `key`, `default` if there is nothing.

        Args:
            ref: a job, or a plain string: the name of a space.
            key: a string, number, bytes, or tuple of these.
            default: for an absent key.

        Outside a transaction this is a transaction of its own.

        Raises:
            BadKey: the key cannot be one.
            NoSuchJob: `ref` is a job that does not exist.
            ValueUnreadable: the value cannot be decoded here; its `raw` has the bytes.
            HeadUnreachable: no head answered for a minute.

        Blocks: for a round trip to the head, unless the transaction knows the key already.
        """
        transaction = self._transactions.current()
        source = self._transactions if transaction is None else transaction
        return source.fetch(ref, key, default)

    def scan(  # noqa: PLR0913  one for each thing there is to choose
        self,
        ref: JobRef[Any] | str,
        prefix: Key = None,
        *,
        start: Key = None,
        stop: Key = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> list[tuple[Key, Any]]:
        """Return the keys stored for `ref` and their values, in the order of the keys.

        Args:
            ref: a job, or a plain string: the name of a space.
            prefix: a tuple: only tuples that begin with its elements; a text or bytes: only texts or
                bytes that begin with it; None: all.
            start: the first key wanted; None: from the beginning.
            stop: the first key not wanted any more; None: to the end.
            limit: at most so many; what lies beyond the last one is not read, and may change.
            reverse: the last ones, from the end on.

        Raises:
            BadKey: a key or the prefix cannot be one.
            TypeError, ValueError: the limit is no number, or less than 0.
            TransactionTooLarge: more than 64 ranges or 10,000 records in one transaction.
            NoSuchJob, ValueUnreadable, HeadUnreachable: as for `fetch`.

        Outside a transaction this is a transaction of its own.

        Blocks: for a round trip to the head, or several if the answer is large.
        """
        transaction = self._transactions.current()
        source = self._transactions if transaction is None else transaction
        return source.scan(ref, prefix, start=start, stop=stop, limit=limit, reverse=reverse)

    def usage(self, ref: JobRef[Any] | str) -> SpaceUsage:
        """Return how many keys and bytes a job or a named space has in the store, and may have.

        What running transactions do is not in it.

        Args:
            ref: a job, or a plain string: the name of a space.

        Raises:
            NoSuchJob: there is no such job.
            BadKey: no space can have that name.

        Blocks: for a round trip to the head.
        """
        return self._transactions.usage(ref)

    def spaces(self, after: str | None = None, limit: int = 1000) -> list[SpaceUsage]:
        """Return the named spaces that have keys, in the order of their names, and what `usage` says of them.

        Args:
            after: the last name that is not wanted any more; None: from the first.
            limit: at most so many; up to 1000.

        Raises:
            BadKey: no space can have that name.
            TypeError, TransactionTooLarge: the limit is no number from 1 to 1000.

        Blocks: for a round trip to the head.
        """
        return self._transactions.spaces(after, limit)

    def watch(self, ref: JobRef[Any] | str, key: Key, default: Any = None) -> Watch:
        """Return an iterator over what is stored for `ref` under `key`: now, and after each change.

        Changes that come while nobody waits are one: it yields the present value, not each one that
        was. None is missed, also when the connection is lost or the head restarts. It ends by its
        `close`, or the end of its with-block.

        Args:
            ref: a job, or the name of a space.
            key: as for `fetch`.
            default: for an absent key.

        Raises:
            BadKey: the key cannot be one.
            NestedTransaction: inside a transaction.
        """
        if self._transactions.current() is not None:
            raise NestedTransaction(
                "`watch` was called inside a transaction; use `fetch` there, or watch outside of it"
            )
        from actorcloud.client.watching import Watch  # noqa: PLC0415  most programs never need it
        from actorcloud.store import user_key  # noqa: PLC0415  as above

        return Watch(self._room.session, self._transactions, (ref, key), user_key(ref, key), default)

    def store(self, ref: JobRef[Any] | str, key: Key, val: Any, codec: str | None = None) -> None:
        """Store `val` for `ref` under `key` when the running transaction commits.

        Args:
            ref: a job, or a plain string: the name of a space.
            key: a string, number, bytes, or tuple of these.
            val: anything that can be pickled.
            codec: "raw", "int", "msgpack" or "pickle"; None: as it is for exactly an int or bytes, else a pickle.

        Raises:
            NotInTransaction: outside `mutate_store`.
            BadKey, BadValue, ValueTooLarge: the key or the value cannot be stored.
            Unpicklable: naming what in the value cannot be pickled.
            ReadOnlyTransaction: inside `snapshot`.
        """
        self._running("store").store(ref, key, val, codec)

    def add(self, ref: JobRef[Any] | str, key: Key, number: int = 1) -> None:
        """Add `number` to the int stored for `ref` under `key` at the commit, 0 if there is none.

        The value is not read: others may add to it at the same time, and nobody runs again for it.
        `txn` has more such calls.

        Args:
            ref: a job, or a plain string: the name of a space.
            key: as for `fetch`.
            number: an int of up to 255 bytes; if there is something else than an int, `mutate_store` raises `BadValue`.

        Raises:
            NotInTransaction: outside `mutate_store`.
            BadKey, BadValue: the key or the number cannot be one.
            ReadOnlyTransaction: inside `snapshot`.
        """
        self._running("add").add(ref, key, number)

    def delete(self, ref: JobRef[Any] | str, key: Key) -> None:
        """Delete what is stored for `ref` under `key` when the running transaction commits.

        Args:
            ref: a job, or a plain string: the name of a space.
            key: as for `fetch`; one that is absent is no error.

        Raises:
            NotInTransaction: outside `mutate_store`.
            BadKey: the key cannot be one.
            ReadOnlyTransaction: inside `snapshot`.
        """
        self._running("delete").delete(ref, key)

    @property
    def txn(self) -> Transaction:
        """The running transaction.

        Raises:
            NotInTransaction: outside `mutate_store` and `snapshot`.
        """
        return self._running("txn")

    def _running(self, call: str) -> Transaction:
        transaction = self._transactions.current()
        if transaction is None:
            raise NotInTransaction(
                f"`{call}` was used outside a transaction; it is for the function given to mutate_store"
            )
        return transaction

    @property
    def _transactions(self) -> Transactions:
        self._room.session.check()
        return self._room.transactions

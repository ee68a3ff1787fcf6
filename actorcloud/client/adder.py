"""The calls that add jobs: what `Cloud` and `cloud.options(...)` have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import ParamSpec, TypeVar

from actorcloud.base.codec import dump_call
from actorcloud.base.errors import NestedTransaction
from actorcloud.base.ids import JobRef
from actorcloud.client.adding import add_all, add_one
from actorcloud.client.future import JobFuture
from actorcloud.client.options import JobOptions
from actorcloud.client.room import Room
from actorcloud.client.waiting import ordered, read
from actorcloud.protocol.record import NewJob

P = ParamSpec("P")
A = TypeVar("A")
T = TypeVar("T")

#: What a transaction may do instead of adding jobs in another way.
_ADD_THERE = "use add_job or add_jobs there"


class JobAdder:
    """Adds jobs with certain options; made by `Cloud.options`.

    >>> cloud.options(retries=3, timeout=60).add_job(fetch, url)       # doctest: +SKIP
    JobRef('01JD6X0Q2V8Z3N7YB5K4M9RHTC')
    """

    def __init__(self, room: Room, options: JobOptions) -> None:
        self._room = room
        self._options = options

    def add_job(self, fun: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> JobRef[T]:
        """Add a job: `fun(*args, **kwargs)`, run once, somewhere.

        Inside `mutate_store` the job exists if and only if the transaction commits.

        Args:
            fun: travels by value, as it is now, unless it comes from a library.
            *args: pickled now.
            **kwargs: pickled now.

        Returns:
            Its reference, once the job is durable. With a `key` that names a job already, the reference of that one,
            and a WARNING where that was added with another function or other arguments.

        Raises:
            Unpicklable: naming what cannot travel.
            PayloadTooLarge: function or arguments take more than 16 MiB.
            HeadUnreachable: with the reference as `refs`; the job may have been added.

        Blocks: for one durable commit.
        """
        function = self._room.function(fun)
        arguments = dump_call(args, kwargs)
        if self._in_transaction():
            return JobRef(self._stage(function, arguments))
        return JobRef(self._add_one(function, arguments, self._mark(fun, args, kwargs)))

    def add_jobs(self, fun: Callable[[A], T], iterable: Iterable[A]) -> list[JobRef[T]]:
        """Add the job `fun(item)` for each item.

        Args:
            fun: as for `add_job`.
            iterable: read to its end; the first jobs run before it gets there.

        Returns:
            References in the order of the items, once all are durable.

        Raises:
            Exception: what the iterable raised, or as for `add_job`; then `refs` of the error has the
                references of the jobs that were or may have been added.

        Blocks: until all are durable.
        """
        return [JobRef(ref) for ref in self._add_jobs(fun, iterable)]

    def map(self, fun: Callable[[A], T], iterable: Iterable[A]) -> Iterator[T]:
        """Add the job `fun(item)` for each item, and return an iterator of their values.

        Args:
            fun: as for `add_job`.
            iterable: read to its end by this call; the first jobs run before it gets there.

        Returns:
            The values in the order of the items, each as soon as it and those before it are there;
            the jobs go on if it is dropped. It raises what a job raised, at its place.

        Raises:
            Exception: as for `add_jobs`.

        Blocks: until all jobs are durable; the iterator blocks for values.
        """
        self._refuse_in_transaction("map", _ADD_THERE)
        refs = self._add_jobs(fun, iterable)
        session = self._room.session
        return (read(session, ref, outcome) for ref, outcome in ordered(session, refs))

    def submit(self, fun: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> JobFuture[T]:
        """Add a job and return at once; the future's value is the job's.

        The job is durable a moment later: jobs submitted meanwhile share its commit. `close` waits
        for that; `add_job` is the call that returns when the job is durable.

        Raises:
            Unpicklable, PayloadTooLarge: as for `add_job`; all else comes out of the future.

        Blocks: while more jobs are submitted than the head commits; with `key`, for one commit.
        """
        self._refuse_in_transaction("submit", _ADD_THERE)
        function = self._room.function(fun)
        arguments = dump_call(args, kwargs)
        submitter = self._room.submitter
        if self._options.key is not None:
            # The name may stand for another job: its reference comes with the answer.
            return submitter.attach(self._add_one(function, arguments, self._mark(fun, args, kwargs)))
        return submitter.submit(function, arguments, self._options)

    def _add_one(self, function: tuple[bytes, bytes], arguments: bytes, mark: bytes) -> bytes:
        return add_one(self._room.session, function, arguments, self._options, mark)

    def _mark(self, fun: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> bytes:
        if self._options.key is None:
            return b""
        from actorcloud.client.fingerprint import fingerprint  # noqa: PLC0415  most jobs have no key

        return fingerprint(fun, args, kwargs)

    def _add_jobs(self, fun: Callable[[A], T], iterable: Iterable[A]) -> list[bytes]:
        options = self._options.for_many()
        function = self._room.function(fun)
        if self._in_transaction():
            return [self._stage(function, dump_call((item,), {})) for item in iterable]
        return add_all(self._room.session, function, ((item,) for item in iterable), options)

    def _stage(self, function: tuple[bytes, bytes], arguments: bytes) -> bytes:
        transaction = self._room.transactions.current()
        assert transaction is not None
        self._room.store_function(function)
        options = self._options
        ref = transaction.new_ref(self._room.session.refs.make)
        transaction.add_job(NewJob(ref, function[0], arguments, options.retries, options.timeout, options.key))
        return ref

    def _in_transaction(self) -> bool:
        # Asking must not load the store: a program that has none open has not loaded it.
        return "transactions" in self._room.__dict__ and self._room.transactions.current() is not None

    def _refuse_in_transaction(self, call: str, advice: str) -> None:
        if self._in_transaction():
            raise NestedTransaction(f"{call} was called inside a transaction; {advice}")

    def __repr__(self) -> str:
        return f"<JobAdder {self._options!r}>"

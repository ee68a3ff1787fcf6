"""What simulated programs do with a cloud, and what must come of it whatever happens meanwhile.

Each act is a function (cloud, book, number) that adds jobs, waits for what it needs and asserts what
it was told. What a full disk may refuse is tried again; what may have been lost is accepted only
where the book says that such a fault was planned.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from actorcloud import Cloud, Commit, Fail, JobRef
from actorcloud.base.errors import (
    CommitUnknown,
    JobCancelled,
    JobSuspended,
    JobTimeout,
    NoSpace,
    NoSuchJob,
    TransactionError,
)
from actorcloud.store import Abort
from tests.simulation import jobs

T = TypeVar("T")


class Book:
    """What all programs of one simulated cloud know."""

    def __init__(self) -> None:
        #: The disk may be full for a moment: a transaction of a job may fail by that.
        self.has_full_disk = False

    def insist(self, call: Callable[[], T], cloud: Cloud) -> T:
        """Do it again while the disk is full."""
        while True:
            try:
                return call()
            except NoSpace:
                assert self.has_full_disk
                jobs.rest(cloud, 0.05)

    def expect(self, cloud: Cloud, ref: JobRef[Any], value: object) -> None:
        """The job has this value, but for what was planned to go wrong."""
        try:
            assert cloud.result(ref) == value
        except NoSpace:
            assert self.has_full_disk


def count_once(cloud: Cloud, book: Book, number: int) -> None:
    refs = [book.insist(lambda n=n: cloud.add_job(jobs.count, n), cloud) for n in range(number)]  # type: ignore[misc]
    for n, ref in enumerate(refs):
        book.expect(cloud, ref, n)


def count_with_the_end(cloud: Cloud, book: Book, number: int) -> None:
    refs = book.insist(lambda: cloud.options(retries=1).add_jobs(jobs.finish, range(number)), cloud)
    for ref in cloud.as_completed(refs):
        book.expect(cloud, ref, refs.index(ref))


def nest(cloud: Cloud, book: Book, number: int) -> None:
    ref = book.insist(lambda: cloud.add_job(jobs.parent, number), cloud)
    try:
        children = cloud.result(ref)
    except NoSpace:
        return
    for child, child_ref in enumerate(children):
        book.expect(cloud, child_ref, number + child)


def nest_recklessly(cloud: Cloud, book: Book, number: int) -> None:
    refs = book.insist(lambda: cloud.add_jobs(jobs.reckless, range(number)), cloud)
    for n, ref in enumerate(refs):
        try:
            child = cloud.result(ref)
        except NoSpace:
            continue
        book.expect(cloud, child, n)


def nest_and_wait(cloud: Cloud, book: Book, number: int) -> None:
    depth = 1 + number % 2
    ref = book.insist(lambda: cloud.add_job(jobs.await_children, depth), cloud)
    book.expect(cloud, ref, 2 ** (depth + 1) - 1)


def write_often(cloud: Cloud, book: Book, number: int) -> None:
    ref = book.insist(lambda: cloud.add_job(jobs.overtake, number), cloud)
    book.expect(cloud, ref, number)


def retry(cloud: Cloud, book: Book, number: int) -> None:
    failures = 1 + number % 2
    ref = book.insist(lambda: cloud.options(retries=failures).add_job(jobs.flaky, failures), cloud)
    book.expect(cloud, ref, failures)


def fail(cloud: Cloud, book: Book, number: int) -> None:
    ref = book.insist(lambda: cloud.options(retries=number % 2).add_job(jobs.fail, "as planned"), cloud)
    with pytest.raises(ValueError, match="as planned"):
        cloud.result(ref)


def time_out(cloud: Cloud, book: Book, number: int) -> None:
    ref = book.insist(lambda: cloud.options(timeout=0.1).add_job(jobs.sleep, 1000.0), cloud)
    with pytest.raises(JobTimeout):
        cloud.result(ref)


def cancel(cloud: Cloud, book: Book, number: int) -> None:
    ref = book.insist(lambda: cloud.add_job(jobs.sleep, 1000.0), cloud)
    jobs.rest(cloud, 0.04 * number)
    # Asked again after a restart, it may hear that it is over already: by its own first word.
    book.insist(lambda: cloud.cancel(ref), cloud)
    with pytest.raises(JobCancelled):
        cloud.result(ref)


def delete(cloud: Cloud, book: Book, number: int) -> None:
    ref = book.insist(lambda: cloud.add_job(jobs.overtake if number % 2 else jobs.sleep, number), cloud)
    jobs.rest(cloud, 0.03 * number)

    def remove() -> None:
        # Asked again after a restart, it may be gone already.
        with contextlib.suppress(NoSuchJob):
            assert cloud.delete_job(ref)

    book.insist(remove, cloud)
    with pytest.raises(NoSuchJob):
        cloud.result(ref)


def share_a_key(cloud: Cloud, book: Book, number: int) -> None:
    adder = cloud.options(key=f"shared-{number % 2}")
    refs = {book.insist(lambda: adder.add_job(jobs.echo, 7), cloud) for _ in range(2)}
    assert len(refs) == 1
    book.expect(cloud, refs.pop(), 7)


def map_many(cloud: Cloud, book: Book, number: int) -> None:
    values = book.insist(lambda: cloud.map(jobs.echo, range(4 * number)), cloud)
    assert list(values) == list(range(4 * number))


def submit(cloud: Cloud, book: Book, number: int) -> None:
    futures = [cloud.submit(jobs.echo, n) for n in range(number)]
    late = cloud.submit(jobs.sleep, 1000.0)
    late.cancel()
    for n, future in enumerate(futures):
        try:
            assert future.result() == n
        except NoSpace:
            assert book.has_full_disk
    assert late.cancelled()


def change_the_store(cloud: Cloud, book: Book, number: int) -> None:
    def refuse() -> None:
        jobs.increment(cloud, "sum", "refused")
        raise Abort("no")

    for _ in range(number):
        try:
            answer = book.insist(lambda: cloud.mutate_store(lambda: jobs.increment(cloud, "sum", "client")), cloud)
        except (CommitUnknown, TransactionError):
            continue
        assert isinstance(answer, Commit)
    assert isinstance(cloud.mutate_store(refuse), Fail)
    assert cloud.fetch("sum", "refused") is None


def keep_a_bank(cloud: Cloud, book: Book, number: int) -> None:
    """Jobs and this program transfer; every run of every transaction that looks sees the right sum."""
    refs = [book.insist(lambda n=n: cloud.add_job(jobs.transfer, n), cloud) for n in range(number)]  # type: ignore[misc]
    for n in range(3 * number):
        with contextlib.suppress(CommitUnknown, TransactionError):
            book.insist(lambda n=n: cloud.mutate_store(lambda: jobs.move(cloud, n)), cloud)  # type: ignore[misc]
        book.insist(lambda: cloud.snapshot(lambda: jobs.audit(cloud)), cloud)
    for n, ref in enumerate(refs):
        book.expect(cloud, ref, n)
    book.insist(lambda: cloud.mutate_store(lambda: jobs.audit(cloud)), cloud)


def add_in_a_transaction(cloud: Cloud, book: Book, number: int) -> None:
    def add() -> JobRef[int]:
        cloud.store("added", number, 1)
        return cloud.add_job(jobs.count, number)

    def add_and_refuse() -> None:
        cloud.add_job(jobs.echo, number)
        raise Abort("no")

    answer = book.insist(lambda: cloud.mutate_store(add), cloud)
    assert isinstance(answer, Commit)
    assert not book.insist(lambda: cloud.mutate_store(add_and_refuse), cloud)
    book.expect(cloud, answer.value, number)


def look_around(cloud: Cloud, book: Book, number: int) -> None:
    ref = book.insist(lambda: cloud.add_job(jobs.count, number), cloud)
    cloud.status(ref)
    assert ref in cloud.jobs(limit=1000)
    cloud.info()
    book.expect(cloud, ref, number)
    cloud.status(ref)


def leave_threads(cloud: Cloud, book: Book, number: int) -> None:
    refs = [book.insist(lambda n=n: cloud.add_job(jobs.leave_a_thread, n), cloud) for n in range(number)]  # type: ignore[misc]
    for n, ref in enumerate(refs):
        book.expect(cloud, ref, n)


def crash_until_suspended(cloud: Cloud, book: Book, number: int) -> None:
    ref = book.insist(lambda: cloud.add_job(jobs.die), cloud)
    with pytest.raises(JobSuspended):
        cloud.result(ref)
    if number % 2:
        book.insist(lambda: cloud.cancel(ref), cloud)
        with pytest.raises(JobCancelled):
            cloud.result(ref)


Act = Callable[[Cloud, Book, int], None]

ACTS: tuple[Act, ...] = (
    add_in_a_transaction,
    cancel,
    change_the_store,
    count_once,
    count_with_the_end,
    crash_until_suspended,
    delete,
    fail,
    leave_threads,
    look_around,
    map_many,
    nest,
    nest_and_wait,
    nest_recklessly,
    retry,
    share_a_key,
    submit,
    time_out,
    write_often,
)

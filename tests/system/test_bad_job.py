"""Jobs that cannot travel, fail, or break the rules: a clear error each, through a real cloud."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import actorcloud
from actorcloud import Cloud, Done, Failed, JobRef, NoSuchJob, RemoteError
from actorcloud.base.errors import (
    BadJobRef,
    JobConflict,
    NotInTransaction,
    PayloadTooLarge,
    ResultUnreadable,
    Unpicklable,
)
from tests.system.cluster import wait_for

pytestmark = pytest.mark.slow

#: Seconds: the machine is shared.
LONG = 60

#: More than the 16 MiB that a job can carry.
OVERSIZED = 17 * 1024 * 1024


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """One cloud for all jobs here: none of them ends its worker."""
    with Cloud(workers=2) as cloud:
        # A worker that comes up during a test would count as a leak.
        cloud.results(cloud.add_jobs(abs, range(20)), timeout=LONG)
        yield cloud


# -- what cannot travel ---------------------------------------------------------------------------


def test_an_unpicklable_function_is_refused_at_the_call_and_named(cloud: Cloud) -> None:
    lock = threading.Lock()

    def guarded() -> None:
        with lock:
            pass

    with pytest.raises(Unpicklable, match=r"guarded(.|\n)*'lock'"):
        cloud.add_job(guarded)


def test_an_unpicklable_argument_is_refused_at_the_call_and_named(cloud: Cloud) -> None:
    with pytest.raises(Unpicklable, match=r"number 2(.|\n)*lock"):
        cloud.add_job(print, 1, threading.Lock())
    with pytest.raises(Unpicklable, match=r"'guard'(.|\n)*lock"):
        cloud.add_job(dict, guard=threading.Lock())


def test_an_unpicklable_result_fails_the_job_and_is_named(cloud: Cloud) -> None:
    ref = cloud.add_job(threading.Lock)
    with pytest.raises(Unpicklable, match=r"result(.|\n)*lock"):
        cloud.result(ref, LONG)
    assert isinstance(cloud.status(ref), Failed)


def test_an_oversized_argument_is_refused_at_the_call(cloud: Cloud) -> None:
    with pytest.raises(PayloadTooLarge, match=r"arguments(.|\n)*16,777,216 bytes"):
        cloud.add_job(len, bytes(OVERSIZED))


def test_an_oversized_result_fails_the_job(cloud: Cloud) -> None:
    with pytest.raises(PayloadTooLarge, match=r"result(.|\n)*16,777,216 bytes"):
        cloud.result(cloud.add_job(bytes, OVERSIZED), LONG)


def test_arguments_and_results_up_to_the_limit_pass(cloud: Cloud) -> None:
    data = os.urandom(15 * 1024 * 1024)
    assert cloud.result(cloud.add_job(bytes.__add__, data, b"!"), LONG) == data + b"!"


def test_a_result_whose_class_is_missing_here_says_what_is_missing(cloud: Cloud, tmp_path: Path) -> None:
    # Given a library that only the node has
    library = tmp_path / "site-packages"
    library.mkdir()
    (library / "only_there.py").write_text("class Thing: pass\n")

    def make(path: str) -> object:
        sys.path.insert(0, path)
        import only_there  # type: ignore[import-not-found]  # that is what is tested

        return only_there.Thing()

    # When
    ref = cloud.add_job(make, str(library))
    # Then
    with pytest.raises(ResultUnreadable, match="only_there"):
        cloud.result(ref, LONG)
    assert cloud.status(ref) == Done()


# -- references -----------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["result", "status", "cancel", "delete_job", "future"])
def test_a_malformed_reference_is_refused(cloud: Cloud, call: str) -> None:
    with pytest.raises(BadJobRef, match="nonsense"):
        getattr(cloud, call)("nonsense")


@pytest.mark.parametrize("call", ["result", "status", "cancel", "delete_job"])
def test_an_unknown_reference_is_no_job(cloud: Cloud, call: str) -> None:
    unknown = JobRef[Any](bytes(16))
    with pytest.raises(NoSuchJob, match=str(unknown)):
        getattr(cloud, call)(unknown)


def test_a_reference_survives_its_text(cloud: Cloud) -> None:
    ref = cloud.add_job(pow, 2, 10)
    assert cloud.result(str(ref), LONG) == 1024


# -- what jobs raise ------------------------------------------------------------------------------


class Grumble(Exception):
    """An error of the user's own."""

    def __init__(self, what: str, *, how: str) -> None:
        super().__init__(what)
        self.how = how


def test_the_error_of_a_job_comes_from_the_remote_traceback_that_ends_in_the_users_line(cloud: Cloud) -> None:
    def divide(by: int) -> float:
        return 1 / by  # the user's line

    # When
    ref = cloud.add_job(divide, 0)
    with pytest.raises(ZeroDivisionError) as caught:
        cloud.result(ref, LONG)
    # Then
    shown = "".join(traceback.format_exception(caught.value))
    assert "return 1 / by  # the user's line" in shown
    cause = str(caught.value.__cause__).rstrip().splitlines()
    assert cause[-1] == "ZeroDivisionError: division by zero"
    assert [line for line in cause if line.lstrip().startswith("File ")][-1].endswith("in divide")
    assert not any("actorcloud/worker" in line for line in cause)
    state = cloud.status(ref)
    assert isinstance(state, Failed)
    assert state.error.type == "ZeroDivisionError"


def test_an_error_of_the_users_own_class_arrives_as_itself(cloud: Cloud) -> None:
    def grumble() -> None:
        raise Grumble("not again", how="loudly")

    with pytest.raises(Grumble, match="not again"):
        cloud.result(cloud.add_job(grumble), LONG)


@pytest.mark.parametrize("code", [None, 0, 3, "tired"])
def test_sys_exit_fails_the_job_and_not_the_worker(cloud: Cloud, code: str | int | None) -> None:
    def pid() -> int:
        return os.getpid()

    before: set[int] = set()

    def are_known() -> bool:
        # One of them may take all of the jobs.
        before.update(cloud.map(lambda _: os.getpid(), range(50)))
        return len(before) == 2

    wait_for(are_known, "both workers at work")
    with pytest.raises(RemoteError, match="SystemExit"):
        cloud.result(cloud.add_job(sys.exit, code), LONG)
    assert cloud.result(cloud.add_job(pid), LONG) in before


def test_a_keyboard_interrupt_in_a_job_fails_it(cloud: Cloud) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(RemoteError, match="KeyboardInterrupt"):
        cloud.result(cloud.add_job(interrupt), LONG)


def test_out_of_memory_as_an_exception_fails_the_job(cloud: Cloud) -> None:
    with pytest.raises(MemoryError):
        cloud.result(cloud.add_job(lambda: b"." * 2**62), LONG)


def test_retries_run_a_failing_job_again(cloud: Cloud, tmp_path: Path) -> None:
    marks = tmp_path / "attempts"

    def fail_twice(path: str) -> int:
        attempt = actorcloud.current().attempt
        with Path(path).open("a") as file:
            file.write(f"{attempt}\n")
        if attempt < 3:
            raise ValueError(attempt)
        return attempt

    assert cloud.result(cloud.options(retries=2).add_job(fail_twice, str(marks)), LONG) == 3
    assert marks.read_text().split() == ["1", "2", "3"]
    with pytest.raises(ValueError, match="2"):
        cloud.result(cloud.options(retries=1).add_job(fail_twice, str(tmp_path / "others")), LONG)


# -- the store ------------------------------------------------------------------------------------


def test_store_outside_a_transaction_is_refused_here_and_in_a_job(cloud: Cloud) -> None:
    def careless() -> None:
        Cloud().store("space", "key", 1)

    with pytest.raises(NotInTransaction):
        cloud.store("space", "key", 1)
    with pytest.raises(NotInTransaction):
        cloud.result(cloud.add_job(careless), LONG)
    assert cloud.fetch("space", "key") is None


def test_a_job_added_in_a_transaction_exists_if_that_commits(cloud: Cloud) -> None:
    def add() -> JobRef[int]:
        ref: JobRef[int] = cloud.add_job(pow, 3, 3)
        cloud.store("added", "ref", str(ref))
        return ref

    def add_and_abort() -> None:
        refs.append(cloud.add_job(pow, 3, 4))
        raise actorcloud.Abort("not today")

    # When
    refs: list[JobRef[int]] = []
    done, failed = cloud.mutate_store(add), cloud.mutate_store(add_and_abort)
    # Then
    assert cloud.result(cloud.fetch("added", "ref"), LONG) == 27
    assert cloud.result(done.value, LONG) == 27
    assert not failed
    with pytest.raises(NoSuchJob):
        cloud.result(refs[0], LONG)


def test_a_job_adds_jobs(cloud: Cloud) -> None:
    def parent() -> JobRef[int]:
        return Cloud().add_job(pow, 2, 5)

    assert cloud.result(cloud.result(cloud.add_job(parent), LONG), LONG) == 32


def test_on_done_commits_with_the_result(cloud: Cloud) -> None:
    def job() -> int:
        current = actorcloud.current()

        def add() -> None:
            current.cloud.store("finished", "n", current.cloud.fetch("finished", "n", 0) + 1)

        current.on_done(add)
        return 7

    assert cloud.results(cloud.add_jobs(lambda _: job(), range(10)), LONG) == [7] * 10
    assert cloud.fetch("finished", "n") == 10


# -- names, deletion ------------------------------------------------------------------------------


def test_a_key_names_one_job(cloud: Cloud) -> None:
    first = cloud.options(key="avg-2024").add_job(pow, 2, 2)
    again = cloud.options(key="avg-2024").add_job(pow, 2, 3)
    assert first == again
    assert cloud.result(again, LONG) == 4
    # When
    cloud.delete_job(first)
    # Then
    assert cloud.result(cloud.options(key="avg-2024").add_job(pow, 2, 3), LONG) == 8


def test_a_deleted_job_leaves_nothing(cloud: Cloud) -> None:
    # Given
    ref = cloud.add_job(pow, 2, 3)
    assert cloud.result(ref, LONG) == 8
    cloud.mutate_store(lambda: cloud.store(ref, "note", "mine"))
    # When
    assert cloud.delete_job(ref) is True
    # Then
    for call in (cloud.result, cloud.status, cloud.cancel, cloud.delete_job):
        with pytest.raises(NoSuchJob):
            call(ref)
    with pytest.raises(NoSuchJob):
        cloud.fetch(ref, "note")
    assert ref not in cloud.jobs()


def test_an_ended_job_cannot_be_cancelled(cloud: Cloud) -> None:
    ref = cloud.add_job(pow, 2, 3)
    assert cloud.result(ref, LONG) == 8
    assert cloud.cancel(ref) is False
    assert cloud.result(ref, LONG) == 8


def test_jobs_are_found_again_by_their_state(cloud: Cloud) -> None:
    done, failed = cloud.add_job(pow, 2, 3), cloud.add_job(pow, 0, -1)
    for ref in cloud.as_completed([done, failed], LONG):
        assert ref in {done, failed}
    assert done in cloud.jobs("done", 10_000)
    assert failed in cloud.jobs("failed", 10_000)
    assert failed not in cloud.jobs("done", 10_000)


def test_a_wrong_option_is_refused_with_its_limit(cloud: Cloud) -> None:
    with pytest.raises(ValueError, match="retries"):
        cloud.options(retries=-1)
    with pytest.raises(ValueError, match="timeout"):
        cloud.options(timeout=0)


# -- what a job changes ---------------------------------------------------------------------------


def test_what_a_job_changes_around_it_is_not_seen_by_the_next(cloud: Cloud) -> None:
    def change(path: str) -> int:
        os.chdir(path)
        os.environ["AC_CHANGED"] = "1"
        sys.argv.append("changed")
        return os.getpid()

    def look() -> tuple[str, str | None, bool]:
        return str(Path.cwd()), os.environ.get("AC_CHANGED"), "changed" in sys.argv

    before = cloud.result(cloud.add_job(look), LONG)
    cloud.results([cloud.add_job(change, "/") for _ in range(20)], LONG)
    assert set(cloud.results([cloud.add_job(look) for _ in range(20)], LONG)) == {before}
    assert before[1:] == (None, False)


def test_the_same_reference_with_other_content_is_refused(cloud: Cloud) -> None:
    from actorcloud.client.adding import AddRequest
    from actorcloud.client.options import JobOptions

    # Given a client that uses a reference twice, as none of ours does
    session = cloud.room.session
    raw = session.refs.make()

    def add(arguments: bytes) -> None:
        request = AddRequest(session, cloud.room.function(len), [(raw, arguments)], JobOptions())
        session.open(request)
        session.wait_finished(request, lambda: [JobRef(raw)])

    add(b"one")
    add(b"one")
    # Then
    with pytest.raises(JobConflict, match=str(JobRef[Any](raw))):
        add(b"other")

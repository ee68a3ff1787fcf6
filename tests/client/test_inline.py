"""`Cloud(workers=0)`: the same states, errors and transactions, in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from actorcloud.base.errors import ConfigError, JobCancelled, NoSuchJob, NoSuchNode, NotInJob, RemoteError, Unpicklable
from actorcloud.base.ids import NodeRef
from actorcloud.base.states import Done, Failed, Queued, Running
from actorcloud.client import Cloud, current
from actorcloud.store import Abort, Commit

runs: list[object] = []


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    runs.clear()
    with Cloud(workers=0) as cloud:
        yield cloud


def note(value: object) -> object:
    from tests.client import test_inline

    test_inline.runs.append(value)
    return value


def test_a_job_runs_inside_result(cloud: Cloud) -> None:
    # Given
    ref = cloud.add_job(pow, 2, 5)
    assert cloud.status(ref) == Queued()
    assert cloud.info().queued == 1
    # Then
    assert cloud.result(ref) == 32
    assert cloud.status(ref) == Done()
    assert (cloud.info().queued, cloud.info().done) == (0, 1)
    assert cloud.nodes() == [NodeRef("here")]


def test_a_job_runs_on_the_thread_that_asks(cloud: Cloud) -> None:
    assert cloud.result(cloud.add_job(threading.get_ident)) == threading.get_ident()


def test_bulk_calls_and_futures_work_as_with_workers(cloud: Cloud) -> None:
    # Given
    refs = cloud.add_jobs(abs, [-1, -2, -3])
    # Then
    assert cloud.results(refs) == [1, 2, 3]
    assert [cloud.result(ref) for ref in cloud.as_completed(refs)] == [1, 2, 3]
    assert list(cloud.map(abs, range(-3000, 0))) == list(range(3000, 0, -1))
    assert cloud.submit(abs, -4).result() == 4


def test_a_failing_job_is_run_again_as_often_as_told(cloud: Cloud) -> None:
    # Given
    attempts: list[int] = []

    def fail() -> None:
        cloud.mutate_store(lambda: cloud.store("s", "attempt", current().attempt))
        raise KeyError(current().attempt)

    # When
    ref = cloud.options(retries=2).add_job(fail)
    with pytest.raises(KeyError) as caught:
        cloud.result(ref)
    # Then
    assert caught.value.args == (3,)
    assert cloud.fetch("s", "attempt") == 3
    assert isinstance(cloud.status(ref), Failed)
    assert not attempts


def test_an_error_that_is_no_exception_fails_the_job_as_with_workers(cloud: Cloud) -> None:
    # Given
    class Stop(BaseException):
        pass

    def stop() -> None:
        raise Stop("now")

    ref = cloud.add_job(stop)
    # When
    with pytest.raises(RemoteError, match="Stop: now"):
        cloud.result(ref)
    # Then
    match cloud.status(ref):
        case Failed(error):
            assert error.traceback.endswith("Stop: now\n")
        case other:
            pytest.fail(f"the job is {other}")


def test_a_job_sees_itself(cloud: Cloud) -> None:
    # Given
    def look() -> object:
        job = current()
        return job.ref, job.attempt, Cloud() is not None, str(job.cloud.status(job.ref))

    # When
    ref = cloud.add_job(look)
    # Then
    assert cloud.result(ref) == (ref, 1, True, str(Running(NodeRef("here"))))
    with pytest.raises(NotInJob):
        current()


def test_jobs_may_wait_for_jobs(cloud: Cloud) -> None:
    # Given
    def factorial(number: int) -> int:
        own = current().cloud
        return 1 if number == 0 else number * own.result(own.add_job(factorial, number - 1))

    # Then
    assert cloud.result(cloud.add_job(factorial, 5)) == 120


def test_on_done_commits_with_the_job(cloud: Cloud) -> None:
    # Given
    def work(fails: object) -> None:
        own = current().cloud
        current().on_done(lambda: own.store("s", "paid", True))
        if fails:
            raise ValueError

    # When
    with pytest.raises(ValueError):
        cloud.result(cloud.add_job(work, True))
    # Then
    assert cloud.fetch("s", "paid") is None
    # When
    cloud.result(cloud.add_job(work, False))
    # Then
    assert cloud.fetch("s", "paid") is True


def test_jobs_scan_count_and_push(cloud: Cloud) -> None:
    # Given
    def work(number: int) -> list[object]:
        own = current().cloud

        def staged() -> None:
            own.add("s", "done", len(own.scan("s", ("queue",))))
            own.txn.push("s", ("queue",), number)

        current().on_done(staged)
        return [value for _, value in own.scan("s", ("queue",), limit=1, reverse=True)]

    # When
    values = [cloud.result(cloud.add_job(work, number)) for number in (1, 2, 3)]
    # Then
    assert values == [[], [1], [2]]
    assert cloud.fetch("s", "done") == 0 + 1 + 2
    assert [value for _, value in cloud.scan("s", ("queue",))] == [1, 2, 3]


def test_a_staged_abort_fails_the_job(cloud: Cloud) -> None:
    # Given
    def refuse() -> None:
        raise Abort("no")

    ref = cloud.add_job(lambda: current().on_done(refuse))
    # Then
    with pytest.raises(Abort, match="no"):
        cloud.result(ref)


def test_what_is_staged_is_not_there_if_the_value_cannot_travel(cloud: Cloud) -> None:
    # Given
    def work() -> object:
        own = current().cloud
        current().on_done(lambda: own.store("s", "paid", True))
        return (number for number in range(3))

    # When
    with pytest.raises(Unpicklable):
        cloud.result(cloud.add_job(work))
    # Then
    assert cloud.fetch("s", "paid") is None


def test_a_staged_coroutine_function_fails_the_job(cloud: Cloud) -> None:
    # Given
    async def nothing() -> None:
        raise AssertionError("nobody awaits it")

    ref = cloud.add_job(lambda: current().on_done(nothing))
    # Then
    with pytest.raises(TypeError, match="returned a coroutine"):
        cloud.result(ref)


def test_once_runs_once_over_the_attempts(cloud: Cloud) -> None:
    # Given
    def pay() -> int:
        own = current().cloud

        def charge() -> int:
            total: int = own.fetch("s", "charged", 0) + 1
            own.store("s", "charged", total)
            return total

        paid = own.mutate_store(charge, once="charge")
        if current().attempt < 3:
            raise ConnectionError
        assert isinstance(paid, Commit)
        return paid.value

    # When
    value = cloud.result(cloud.options(retries=5).add_job(pay))
    # Then
    assert value == 1
    assert cloud.fetch("s", "charged") == 1


def test_ctrl_c_puts_the_job_back(cloud: Cloud) -> None:
    # Given
    def interrupted() -> str:
        if current().attempt == 1:
            raise KeyboardInterrupt
        return "second"

    ref = cloud.add_job(interrupted)
    with pytest.raises(KeyboardInterrupt):
        cloud.result(ref)
    # Then
    assert cloud.status(ref) == Queued()
    assert cloud.result(ref) == "second"


def test_a_job_that_cancels_itself_is_cancelled(cloud: Cloud) -> None:
    # Given
    def give_up() -> None:
        job = current()
        job.cloud.cancel(job.ref)
        job.cloud.mutate_store(lambda: job.cloud.store("s", "late", 1))

    ref = cloud.add_job(give_up)
    # Then
    with pytest.raises(JobCancelled):
        cloud.result(ref)
    assert cloud.fetch("s", "late") is None


def test_cancelled_and_deleted_jobs_never_run(cloud: Cloud) -> None:
    # Given
    one, two = cloud.add_jobs(note, [1, 2])
    # When
    assert cloud.cancel(one) is True
    assert cloud.delete_job(two) is True
    # Then
    with pytest.raises(JobCancelled):
        cloud.result(one)
    with pytest.raises(NoSuchJob):
        cloud.result(two)
    with pytest.raises(NoSuchJob):
        cloud.mutate_store(lambda: cloud.store(two, "k", 1))
    assert cloud.jobs() == [one]
    assert runs == []


def test_a_job_that_another_thread_runs_is_waited_for(cloud: Cloud) -> None:
    # Given
    entered, go_on = threading.Event(), threading.Event()
    _gates[:] = [entered, go_on]
    ref = cloud.add_job(_pass_gates)
    values: list[object] = []
    thread = threading.Thread(target=lambda: values.append(cloud.result(ref)))
    thread.start()
    assert entered.wait(60)
    future = cloud.future(ref)
    assert not future.done()
    # When
    go_on.set()
    # Then
    assert cloud.result(ref, timeout=60) == "through"
    thread.join(60)
    assert values == ["through"]


_gates: list[threading.Event] = []


def _pass_gates() -> str:
    from tests.client import test_inline

    entered, go_on = test_inline._gates
    entered.set()
    assert go_on.wait(60)
    return "through"


def test_a_key_names_one_job(cloud: Cloud) -> None:
    # Given
    ref = cloud.options(key="k").add_job(abs, 1)
    # Then
    assert cloud.options(key="k").add_job(abs, 1) == ref
    cloud.delete_job(ref)
    assert cloud.options(key="k").add_job(abs, 1) != ref


def test_there_are_no_nodes_to_add(cloud: Cloud) -> None:
    with pytest.raises(NoSuchNode, match="workers=0"):
        cloud.add_node("db1", 7711)


def test_closing_says_that_nothing_is_kept(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    cloud.add_job(abs, 1)
    # When
    cloud.close()
    # Then
    assert "closing with 1 unfinished job: gone, for workers=0 keeps nothing" in caplog.text


def test_a_durable_store_needs_workers() -> None:
    with pytest.raises(ConfigError, match="not durable"):
        Cloud(path="data", workers=0)

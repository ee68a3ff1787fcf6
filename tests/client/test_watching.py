"""`cloud.watch`: an iterator that misses nothing."""

from __future__ import annotations

import threading

import pytest

from actorcloud.base.errors import BadKey, ClosedCloud, HeadUnreachable, NestedTransaction, NoSuchJob, ResultTimeout
from actorcloud.client import Cloud
from actorcloud.protocol.transaction import WatchKey
from tests.client.fakes import FakeHead


@pytest.fixture
def head() -> FakeHead:
    return FakeHead()


@pytest.fixture
def cloud(head: FakeHead) -> Cloud:
    return Cloud.over(head)


def put(head: FakeHead, value: object, key: str = "k") -> None:
    reset = head._reset
    other = Cloud.over(head)
    other.mutate_store(lambda: other.store("s", key, value))
    # This head has one to tell that it came back.
    head.on_reset(reset)


def test_the_first_value_is_what_is_there_now(cloud: Cloud, head: FakeHead) -> None:
    assert next(cloud.watch("s", "k", "none")) == "none"
    put(head, 1)
    assert next(cloud.watch("s", "k", "none")) == 1


def test_each_change_gives_the_value_then(cloud: Cloud, head: FakeHead) -> None:
    # Given
    watch = cloud.watch("s", "k")
    assert next(watch) is None
    # When
    head.script.append(lambda: put(head, 0, "other"))
    head.script.append(lambda: put(head, 1))
    # Then
    assert next(watch) == 1
    # When: it is deleted.
    head.script.append(lambda: cloud.mutate_store(lambda: cloud.delete("s", "k")))
    assert next(watch) is None


def test_changes_while_nobody_waits_are_one(cloud: Cloud, head: FakeHead) -> None:
    # Given
    watch = cloud.watch("s", "k")
    next(watch)
    # When
    for value in range(5):
        put(head, value)
    # Then
    assert next(watch) == 4
    with pytest.raises(ResultTimeout, match="a change of the key 'k' of 's'"):
        watch.wait(timeout=1.0)
    head.script.append(lambda: put(head, 5))
    assert watch.wait(timeout=1.0) == 5


def test_a_change_that_the_lost_head_did_not_tell_of_is_told_by_the_next(cloud: Cloud, head: FakeHead) -> None:
    # Given
    watch = cloud.watch("s", "k")
    next(watch)

    def lose_and_change() -> None:
        head.lose()
        head.away_since = None
        put(head, 1)
        head.away_since = 0.0

    # When
    head.script.append(lose_and_change)
    head.script.append(head.come_back)
    # Then
    assert next(watch) == 1
    assert head.count(WatchKey) == 2


def test_a_head_that_stays_away_is_an_error_and_the_watch_goes_on_after_it(cloud: Cloud, head: FakeHead) -> None:
    # Given
    watch = cloud.watch("s", "k")
    next(watch)
    head.script.append(head.lose)
    # When
    with pytest.raises(HeadUnreachable, match="a change of the key 'k'"):
        next(watch)
    # Then
    head.come_back()
    put(head, 1)
    assert next(watch) == 1


def test_a_closed_watch_is_at_its_end(cloud: Cloud, head: FakeHead) -> None:
    # Given
    with cloud.watch("s", "k") as watch:
        next(watch)
        head.script.append(watch.close)
        # Then
        assert list(watch) == []
    assert list(watch) == []
    assert "closed" in repr(watch)
    assert not head._open[-1].is_open


def test_the_loop_ends_with_its_block(cloud: Cloud, head: FakeHead) -> None:
    seen = []
    for value in range(3):
        head.script.append(lambda value=value: put(head, value))  # type: ignore[misc]
    with cloud.watch("s", "k", "none") as watch:
        for value in watch:
            seen.append(value)
            if value == 2:
                break
    assert seen == ["none", 0, 1, 2]


def test_the_deletion_of_the_job_ends_it(cloud: Cloud, head: FakeHead) -> None:
    # Given
    ref = cloud.add_job(len, "x")
    watch = cloud.watch(ref, "k", 0)
    assert next(watch) == 0
    # When
    head.script.append(lambda: head.records.pop(ref.raw))
    head.script.append(lambda: head.store.forget(ref.raw))
    # Then
    with pytest.raises(NoSuchJob):
        next(watch)
    with pytest.raises(NoSuchJob):
        next(watch)


def test_a_watch_waits_outside_of_transactions(cloud: Cloud) -> None:
    watch = cloud.watch("s", "k")
    with pytest.raises(NestedTransaction):
        cloud.mutate_store(lambda: next(watch))


def test_no_watch_is_made_inside_of_a_transaction(cloud: Cloud) -> None:
    for call in (cloud.mutate_store, cloud.snapshot):
        with pytest.raises(NestedTransaction, match="`watch` was called inside a transaction"):
            call(lambda: cloud.watch("s", "k"))


def test_what_cannot_be_a_key_is_refused_at_once(cloud: Cloud) -> None:
    with pytest.raises(BadKey):
        cloud.watch("s", [1])  # type: ignore[arg-type]
    with pytest.raises(BadKey):
        cloud.watch("", "k")


def test_closing_the_cloud_ends_a_watch(cloud: Cloud, head: FakeHead) -> None:
    watch = cloud.watch("s", "k")
    next(watch)
    head.script.append(cloud.close)
    with pytest.raises(ClosedCloud):
        next(watch)


def test_a_long_wait_for_a_change_is_no_reason_for_a_warning(
    cloud: Cloud, head: FakeHead, caplog: pytest.LogCaptureFixture
) -> None:
    watch = cloud.watch("s", "k")
    next(watch)
    with pytest.raises(ResultTimeout):
        watch.wait(timeout=100.0)
    assert caplog.records == []


def test_a_cloud_without_workers_has_watches() -> None:
    # Given
    with Cloud(workers=0) as cloud:
        first = threading.Event()
        seen = []

        def look() -> None:
            with cloud.watch("s", "k") as watch:
                for value in watch:
                    seen.append(value)
                    first.set()
                    if value == 2:
                        break

        thread = threading.Thread(target=look)
        thread.start()
        assert first.wait(60)
        # When
        cloud.mutate_store(lambda: cloud.store("s", "k", 2))
        # Then
        thread.join(60)
        assert seen == [None, 2]
        # When: the job of a watch is deleted.
        ref = cloud.add_job(len, "x")
        watch = cloud.watch(ref, "k")
        next(watch)
        cloud.delete_job(ref)
        with pytest.raises(NoSuchJob):
            next(watch)
        # When: nobody waits any more.
        gone = cloud.watch("s", "k")
        next(gone)
        with pytest.raises(ResultTimeout):
            gone.wait(timeout=0.01)

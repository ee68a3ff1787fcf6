"""The head goes away and comes back: what is open is asked again, and nothing is done twice."""

from __future__ import annotations

import logging

import pytest

from actorcloud.base.errors import CommitUnknown, HeadUnreachable
from actorcloud.client import Cloud
from actorcloud.protocol.job import AddJobs, Await
from actorcloud.protocol.transaction import Commit
from tests.client.fakes import FakeHead


def double(number: int) -> int:
    return 2 * number


@pytest.fixture
def head() -> FakeHead:
    return FakeHead()


@pytest.fixture
def cloud(head: FakeHead) -> Cloud:
    return Cloud.over(head)


def test_unacknowledged_jobs_are_added_again_under_the_same_reference(cloud: Cloud, head: FakeHead) -> None:
    # Given: the head commits, and dies before its answer arrives
    head.drop_answers(1, then=[head.lose, head.come_back])
    # When
    ref = cloud.add_job(double, 21)
    # Then
    assert list(head.records) == [ref.raw]
    assert head.count(AddJobs) == 2
    assert cloud.result(ref) == 42


HOUR = 3600.0


def sleep(head: FakeHead, hours: float) -> None:
    """The head commits; before its answer arrives the client sleeps, and then loses it."""
    head.drop_answers(1, then=[head.pass_time(hours * HOUR), head.lose, head.come_back])


def test_a_job_is_not_added_again_when_its_deletion_may_have_been_forgotten(cloud: Cloud, head: FakeHead) -> None:
    # Given
    sleep(head, 12.1)
    # When
    with pytest.raises(CommitUnknown, match="a call of 12 h ago was lost") as caught:
        cloud.add_job(double, 21)
    # Then
    assert head.count(AddJobs) == 1
    assert [ref.raw for ref in caught.value.refs] == list(head.records)  # type: ignore[attr-defined]  # JobRefs


def test_a_commit_is_not_sent_again_when_it_may_have_been_forgotten(cloud: Cloud, head: FakeHead) -> None:
    # Given: one that the store would not know from a new one
    sleep(head, 12.1)
    # When
    with pytest.raises(CommitUnknown):
        cloud.mutate_store(lambda: cloud.add("visits", "all"))
    # Then
    assert head.count(Commit) == 1
    assert cloud.fetch("visits", "all") == 1


def test_a_commit_is_sent_again_after_a_night(cloud: Cloud, head: FakeHead) -> None:
    # Given
    sleep(head, 11.9)
    # When
    cloud.mutate_store(lambda: cloud.add("visits", "all"))
    # Then
    assert head.count(Commit) == 2
    assert cloud.fetch("visits", "all") == 1


def test_a_sleep_that_only_the_calendar_has_noticed_counts(cloud: Cloud, head: FakeHead) -> None:
    # Given: the monotonic clock stands still while a machine sleeps
    def wake_up() -> None:
        head.clock._epoch += 13 * HOUR

    head.drop_answers(1, then=[wake_up, head.lose, head.come_back])
    # Then
    with pytest.raises(CommitUnknown):
        cloud.mutate_store(lambda: cloud.add("visits", "all"))


def test_a_new_head_without_the_function_is_sent_it_again(cloud: Cloud, head: FakeHead) -> None:
    # Given
    cloud.add_job(double, 1)
    head.lose()
    head.functions.clear()
    head.come_back()
    # When
    ref = cloud.add_job(double, 2)
    # Then
    assert cloud.result(ref) == 4


def test_a_wait_goes_on_for_what_is_unanswered() -> None:
    # Given
    head = FakeHead(runs=False)
    cloud = Cloud.over(head)
    refs = cloud.add_jobs(double, range(4))
    ended = [ref.raw for ref in refs]
    head.script.extend(
        [
            lambda: head.run(ended[0]),
            head.lose,
            head.pass_time(10.0),
            # They end while the client is away, or before it asks again.
            lambda: head.run(ended[1]),
            head.come_back,
            lambda: head.run(ended[2]),
            lambda: head.run(ended[3]),
        ]
    )
    # When
    values = cloud.results(refs)
    # Then
    assert values == [0, 2, 4, 6]
    asked = [message.refs for message in head.received if isinstance(message, Await)]
    assert [len(refs) for refs in asked] == [4, 3]


def test_submitted_jobs_and_their_futures_survive_the_head(cloud: Cloud, head: FakeHead) -> None:
    # Given
    head.drop_answers(1, then=[head.lose, head.come_back])
    # When
    futures = [cloud.submit(double, number) for number in range(100)]
    # Then
    assert [future.result() for future in futures] == [2 * number for number in range(100)]
    assert len(head.records) == 100


def test_a_head_that_stays_away_is_an_error_that_names_the_jobs() -> None:
    # Given
    head = FakeHead(runs=False)
    cloud = Cloud.over(head)
    refs = cloud.add_jobs(double, range(2))
    head.script.append(head.lose)
    before = head.clock.monotonic()
    # When
    with pytest.raises(HeadUnreachable, match="60 s") as caught:
        cloud.results(refs)
    # Then
    assert list(caught.value.refs) == refs
    assert head.clock.monotonic() - before == pytest.approx(60.0)


def test_an_unacknowledged_job_is_named_too(cloud: Cloud, head: FakeHead) -> None:
    # Given
    head.drop_answers(1, then=[head.lose])
    # When
    with pytest.raises(HeadUnreachable) as caught:
        cloud.add_job(double, 1)
    # Then
    assert [ref.raw for ref in caught.value.refs] == list(head.records)  # type: ignore[attr-defined]  # JobRefs


def test_half_done_bulk_calls_carry_their_references(cloud: Cloud, head: FakeHead) -> None:
    # Given
    head.drop_answers(1, then=[head.lose])
    # When
    with pytest.raises(HeadUnreachable) as caught:
        cloud.add_jobs(double, range(10))
    # Then
    assert sorted(ref.raw for ref in caught.value.refs) == sorted(head.records)  # type: ignore[attr-defined]


def test_an_outage_that_ends_in_time_is_no_error() -> None:
    # Given
    head = FakeHead(runs=False)
    cloud = Cloud.over(head)
    ref = cloud.add_job(double, 1)
    for _ in range(3):
        head.script.extend([head.lose, head.pass_time(50.0), head.come_back])
    head.script.append(lambda: head.run(ref.raw))
    # Then
    assert cloud.result(ref) == 2


def test_the_warning_of_a_wait_says_that_the_head_is_away(caplog: pytest.LogCaptureFixture) -> None:
    # Given
    head = FakeHead(runs=False)
    cloud = Cloud.over(head)
    ref = cloud.add_job(double, 1)
    head.script.append(head.lose)
    # When
    with caplog.at_level(logging.WARNING, "actorcloud.client"), pytest.raises(HeadUnreachable):
        cloud.result(ref)
    # Then
    (record,) = caplog.records
    assert "the head has been away for 5 s, of 60 s" in record.getMessage()


def test_a_repr_says_that_nobody_answers(cloud: Cloud, head: FakeHead) -> None:
    # When
    head.lose()
    # Then
    assert repr(cloud) == "<Cloud (cluster): the head does not answer>"

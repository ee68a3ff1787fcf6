"""The `key` of a job: adding it again gives the job that has it, and a WARNING where that is about something else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actorcloud.base.errors import ConfigError
from actorcloud.client import Cloud
from tests.client.fakes import FakeHead


def double(number: int) -> int:
    return 2 * number


def halve(number: int) -> float:
    return number / 2


@pytest.fixture
def cloud() -> Cloud:
    return Cloud.over(FakeHead())


def test_a_key_gives_the_job_that_has_it(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    first = cloud.options(key="avg").add_job(double, 1)
    # When
    again = cloud.options(key="avg").add_job(double, 1)
    future = cloud.options(key="avg").submit(double, 1)
    # Then
    assert again == first
    assert future.ref == first
    assert future.result() == 2
    assert not caplog.records


@pytest.mark.parametrize(
    ("fun", "argument", "words"),
    [
        (double, 2, "with other arguments: nothing"),
        (halve, 1, "with another function: nothing"),
        (halve, 2, "with another function and other arguments: nothing"),
    ],
)
def test_a_key_that_names_something_else_is_a_warning(
    cloud: Cloud, caplog: pytest.LogCaptureFixture, fun: Callable[[int], object], argument: int, words: str
) -> None:
    # Given
    first = cloud.options(key="avg").add_job(double, 1)
    # When
    again = cloud.options(key="avg").add_job(fun, argument)
    # Then
    assert again == first
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert f"the key 'avg' names job {first}" in record.getMessage()
    assert words in record.getMessage()


def test_equal_arguments_in_another_order_under_a_key_are_no_warning(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    named = cloud.options(key="avg")
    first = named.add_job(dict, {"seattle": 1, "tacoma": 2}, year=2014, month=6)
    # When
    again = named.add_job(dict, {"tacoma": 2, "seattle": 1}, month=6, year=2014)
    # Then
    assert again == first
    assert not caplog.records


def test_a_key_names_one_job_only(cloud: Cloud) -> None:
    with pytest.raises(ConfigError, match="several"):
        cloud.options(key="avg").add_jobs(double, [1, 2])

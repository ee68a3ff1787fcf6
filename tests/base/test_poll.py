"""Waiting for descriptors."""

from __future__ import annotations

import os
import resource

import pytest

from actorcloud.base.poll import wait_readable


def test_who_can_be_read_is_told_and_who_cannot_is_not() -> None:
    reading, writing = os.pipe()
    assert wait_readable(reading, seconds=0.01) == set()
    os.write(writing, b"x")
    assert wait_readable(reading) == {reading}
    os.close(writing)
    os.read(reading, 1)
    # The other end is gone.
    assert wait_readable(reading) == {reading}
    os.close(reading)


def test_a_high_number_is_as_good_as_any() -> None:
    # Given a descriptor beyond what select can take
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 1500:
        pytest.skip("this machine allows too few descriptors")
    reading, writing = os.pipe()
    os.dup2(reading, 1500)
    # When
    os.write(writing, b"x")
    # Then
    assert wait_readable(1500, seconds=1) == {1500}
    for descriptor in (reading, writing, 1500):
        os.close(descriptor)

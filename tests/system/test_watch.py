"""A program and a job watch a key while the head is killed again and again."""

from __future__ import annotations

import threading

import pytest

from actorcloud import Cloud, current
from tests.system.cluster import Site

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

LAST = 12


def follow(cloud: Cloud, last: int) -> list[int]:
    """Return what a key was, until it is `last`."""
    seen = []
    with cloud.watch("tide", "level", 0) as watch:
        for value in watch:
            seen.append(value)
            if value == last:
                break
    return seen


def follow_in_a_job(last: int) -> list[int]:
    return follow(current().cloud, last)


def test_no_change_is_missed_over_the_deaths_of_the_head() -> None:
    # Given
    seen: list[list[int]] = []
    with Site() as site:
        head = site.head(workers=1)
        site.wait_head(head)
        with Cloud(site.endpoint) as cloud, Cloud(site.endpoint) as watcher:
            ref = cloud.add_job(follow_in_a_job, LAST)
            thread = threading.Thread(target=lambda: seen.append(follow(watcher, LAST)))
            thread.start()
            # When: the change comes before the watches are back, or after.
            for level in range(1, LAST + 1):
                cloud.mutate_store(lambda: cloud.store("tide", "level", level))  # noqa: B023  called at once
                if level % 4 == 1:
                    head.kill()
                    head = site.head(workers=1)
                    site.wait_head(head)
            # Then
            seen.append(cloud.result(ref, timeout=60))
            thread.join(60)
    assert len(seen) == 2
    for values in seen:
        assert values == sorted(set(values))
        assert values[-1] == LAST

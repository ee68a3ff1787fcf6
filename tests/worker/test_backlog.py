"""A job is begun here or given back, never both."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from actorcloud.protocol.node import RunItem
from actorcloud.worker.backlog import Backlog, fence_of


def items(numbers: Sequence[int]) -> list[RunItem]:
    return [RunItem(number.to_bytes(16, "big"), b"run", b"function", b"") for number in numbers]


@given(numbers=st.lists(st.integers(0, 30), unique=True), wanted=st.sets(st.integers(0, 40)))
def test_what_is_not_given_back_is_taken_in_order(numbers: list[int], wanted: set[int]) -> None:
    # Given
    backlog = Backlog()
    queued = items(numbers)
    backlog.add(queued)

    # When
    given_back = backlog.revoke(fence_of(item) for item in items(sorted(wanted)))

    # Then
    taken = [backlog.take() for _ in range(len(backlog))]
    assert given_back == [fence_of(item) for item, number in zip(queued, numbers, strict=True) if number in wanted]
    assert taken == [item for item, number in zip(queued, numbers, strict=True) if number not in wanted]


def test_a_closed_backlog_gives_everything_back_also_what_comes_later() -> None:
    # Given
    backlog = Backlog()
    early, late = items([1, 2]), items([3])
    backlog.add(early)

    # When
    given_back = backlog.close()

    # Then
    assert given_back == [fence_of(item) for item in early]
    assert backlog.add(late) == [fence_of(item) for item in late]
    assert len(backlog) == 0


def test_taking_and_revoking_at_once_loses_nothing_and_doubles_nothing() -> None:
    # Given
    backlog = Backlog()
    queued = items(range(2000))
    backlog.add(queued)
    end = RunItem(b"end", b"run", b"", b"")
    taken: list[RunItem] = []

    def take_all() -> None:
        while (item := backlog.take()) != end:
            taken.append(item)

    # When
    taker = threading.Thread(target=take_all)
    taker.start()
    given_back = [fence for item in reversed(queued) for fence in backlog.revoke([fence_of(item)])]
    backlog.add([end])
    taker.join(60)

    # Then
    assert sorted([*given_back, *map(fence_of, taken)]) == sorted(map(fence_of, queued))

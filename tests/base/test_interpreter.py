"""How the interpreter of a head and of a node is set."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from actorcloud.base.interpreter import SWITCH_INTERVAL, settle


@pytest.fixture(autouse=True)
def _unsettled() -> Iterator[None]:
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    gc.disable()  # but when it is told to collect
    yield
    gc.enable()
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)
    gc.unfreeze()


class _Ring:
    """Refers to itself, so that only the collector can free it."""

    def __init__(self) -> None:
        self.self = self


def test_what_was_loaded_is_not_looked_at_again_and_what_came_later_is() -> None:
    # Given
    before = weakref.ref(_Ring())
    settle()
    after = weakref.ref(_Ring())
    # When
    gc.collect()
    # Then
    assert before() is not None
    assert after() is None
    # When it may be looked at again
    gc.unfreeze()
    gc.collect()
    # Then
    assert before() is None


def test_a_thread_waits_no_5_ms_for_another() -> None:
    settle()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)

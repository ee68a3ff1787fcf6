"""A Ctrl-C at any step of a send: whoever was told then is not lost, nor is a thread that was to run it."""

from __future__ import annotations

import _weakrefset
import gc
import itertools
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from actorcloud.actor import Actor, ActorRef, AsyncActor, Pool, System
from tests.actor.cast import PATIENCE

#: Within these Python itself loses count: of a thread that it was about to start, of a weak reference.
_PYTHONS = {threading.__file__, _weakrefset.__file__}


class Pooled(Actor):
    def on_receive(self, message: object) -> object:
        return message


class Pinned(Pooled):
    dispatcher = "thread"


class Awaiting(AsyncActor):
    async def on_receive(self, message: object) -> object:
        return message


def is_interrupted(step: int, function: Callable[[], object]) -> bool:
    """Call a function and interrupt it where a Ctrl-C may come: as a call begins, or as one of C's returns.

    Args:
        step: at which of these places, from 0.
        function: called here.

    Returns:
        False if it ended before.
    """
    left = step

    def interrupt(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal left
        if event in {"call", "c_return"} and frame.f_code.co_filename not in _PYTHONS:
            left -= 1
            if left < 0:
                sys.setprofile(None)
                raise KeyboardInterrupt

    gc.disable()  # what others left behind is not ours to interrupt
    try:
        sys.setprofile(interrupt)
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
        gc.enable()
    return False


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Pooled, Pinned, Awaiting])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_ctrl_c_at_any_step_of_a_send_loses_nobody(kind: Any, *, is_first: bool) -> None:
    for step in itertools.count():
        pool = Pool(threads=1)
        with System(dispatcher=pool) as system, system.activate():
            # Given an actor that rests, and threads that were never started, or rest as well
            ref: ActorRef[Any] = kind.start()
            if not is_first:
                assert ref.ask("before", timeout=PATIENCE) == "before"
                wait_until_idle(pool, ref)
            # When
            is_over = not is_interrupted(step, lambda ref=ref: ref.tell("now"))  # type: ignore[misc]
            # Then
            assert ref.ask("after", timeout=PATIENCE) == "after", step
            wait_until_idle(pool, ref)
        if is_over:
            break
    assert step > 5


def wait_until_idle(pool: Pool, ref: ActorRef[Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not pool.is_idle() or ref.info("status") != "waiting":
        assert time.monotonic() < deadline, f"{pool.running} threads count as running"
        time.sleep(0.001)

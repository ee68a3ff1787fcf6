"""Threads that wait until something is true."""

from __future__ import annotations

import threading

from actorcloud.client import Waiters


def test_what_is_true_already_is_not_waited_for() -> None:
    assert Waiters().wait(lambda: True, None) is True


def test_a_wait_ends_with_its_time() -> None:
    assert Waiters().wait(lambda: False, 0.01) is False
    assert Waiters().wait(lambda: False, 0) is False


def test_a_waiting_thread_is_woken_when_its_condition_is_true() -> None:
    # Given
    waiters, looks = Waiters(), threading.Semaphore(0)
    state = {"ready": False}

    def ready() -> bool:
        looks.release()
        return state["ready"]

    result: list[bool] = []
    thread = threading.Thread(target=lambda: result.append(waiters.wait(ready, 10)))
    thread.start()
    assert looks.acquire(timeout=60)
    # When something else happens, it sleeps on
    waiters.check()
    # When it becomes true
    state["ready"] = True
    waiters.check()
    waiters.check()
    # Then
    thread.join(60)
    assert result == [True]


def test_a_condition_that_becomes_false_again_is_waited_for_again() -> None:
    # Given
    waiters, looks = Waiters(), threading.Semaphore(0)
    answers = iter([False, True, False, True, True])

    def ready() -> bool:
        answer = next(answers)
        looks.release()
        return answer

    def check_twice() -> None:
        for count in (1, 2):
            for _ in range(count):
                assert looks.acquire(timeout=60)
            waiters.check()

    # When: the check sees it true, the woken thread sees it false
    thread = threading.Thread(target=check_twice)
    thread.start()
    # Then
    assert waiters.wait(ready, 60) is True
    thread.join()

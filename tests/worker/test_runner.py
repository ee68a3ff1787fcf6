"""One job, from its bytes to its outcome; and the functions that a worker keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actorcloud.base.code import dump_function
from actorcloud.base.codec import dump_call, load_value
from actorcloud.base.errors import JobsError
from actorcloud.protocol.node import RunItem
from actorcloud.worker import runner
from actorcloud.worker.runner import Functions, run


def made(number: int) -> Callable[[], int]:
    return lambda: number


def keep(functions: Functions, function: Callable[..., object]) -> bytes:
    digest, code = dump_function(function)
    functions.add(digest, code)
    return digest


def job(digest: bytes, *args: object) -> RunItem:
    return RunItem(bytes(16), b"run", digest, dump_call(args, {}))


def test_a_function_is_loaded_once() -> None:
    # Given
    functions = Functions()
    digest = keep(functions, made(1))

    # Then
    assert functions.get(digest) is functions.get(digest)


def test_loaded_functions_are_bounded_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr(runner, "LOADED_LIMIT", 3)
    functions = Functions()
    digests = [keep(functions, made(number)) for number in range(10)]

    # When
    values = [functions.get(digest)() for digest in digests + digests]

    # Then
    assert values == [*range(10), *range(10)]
    assert len(functions._loaded) == 3


def test_a_worker_that_has_seen_too_much_code_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr(runner, "CODE_LIMIT", 3)
    functions = Functions()

    # When
    fullness = []
    for number in range(5):
        keep(functions, made(number))
        fullness.append(functions.is_full)

    # Then
    assert fullness == [False, False, False, True, True]


def test_a_function_that_never_came_is_named() -> None:
    with pytest.raises(JobsError, match=r"\(3f3f\) did not come with it"):
        Functions().get(b"??")


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(2), KeyboardInterrupt(), GeneratorExit(), RecursionError()]
)
def test_whatever_a_job_raises_is_its_outcome(error: BaseException) -> None:
    # Given
    functions = Functions()

    def fail(error: BaseException) -> None:
        raise error

    # When
    outcome = run(job(keep(functions, fail), error), functions)

    # Then
    assert outcome.state == "failed"
    assert outcome.error is not None
    assert outcome.error.type == type(error).__name__
    assert bool(outcome.value) == isinstance(error, Exception)
    assert outcome.error.traceback.splitlines()[1].startswith(f'  File "{__file__}"')


def test_a_result_is_pickled_for_the_client() -> None:
    # Given
    functions = Functions()

    # When
    outcome = run(job(keep(functions, sorted), [2, 1]), functions)

    # Then
    assert outcome.state == "done"
    assert load_value(outcome.value) == [1, 2]


def test_arguments_that_are_no_arguments_fail_the_job() -> None:
    # Given
    functions = Functions()
    broken = RunItem(bytes(16), b"run", keep(functions, made(1)), b"no pickle")

    # When
    outcome = run(broken, functions)

    # Then
    assert outcome.state == "failed"

"""A worker process, as its agent sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from actorcloud.base.errors import PayloadTooLarge, Unpicklable
from actorcloud.base.failure import load_error
from actorcloud.protocol.worker import Finished, Output, Revoke, Revoked, Work
from tests.worker.agent import ROOT, FakeAgent, WorkerGone, value_of


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    with FakeAgent() as agent:
        yield agent


# -- results ------------------------------------------------------------------------------------------


def test_a_job_is_done_and_its_result_comes_back(agent: FakeAgent) -> None:
    # When
    finished = agent.run(lambda a, b: a + b, 1, b=2)

    # Then
    assert value_of(finished) == 3
    assert finished.reusable
    assert not finished.stored


def test_jobs_run_in_the_order_given(agent: FakeAgent) -> None:
    # Given
    items = tuple(agent.item(lambda number: number, number) for number in range(50))

    # When
    agent.send(Work(items[:30]), Work(items[30:]))
    ends = [agent.wait_for(Finished) for _ in items]

    # Then
    assert [end.item.ref for end in ends] == [item.ref for item in items]
    assert [value_of(end) for end in ends] == list(range(50))


def test_a_result_does_not_wait_for_a_long_job_behind_it(agent: FakeAgent, tmp_path: Path) -> None:
    # Given a job that ends only after the result of the first has arrived here
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def wait_for_gate(path: Path) -> str:
        return path.read_text()

    quick = [agent.item(lambda: "quick") for _ in range(5)]

    # When
    agent.send(Work((*quick, agent.item(wait_for_gate, gate))))
    ends = [value_of(agent.wait_for(Finished)) for _ in quick]
    gate.write_text("opened")

    # Then
    assert ends == ["quick"] * 5
    assert value_of(agent.wait_for(Finished)) == "opened"


def test_a_result_that_cannot_be_pickled_fails_the_job_and_is_named(agent: FakeAgent) -> None:
    # When
    outcome = agent.run(lambda: {"gate": threading.Lock()}).item.outcome

    # Then
    assert outcome.state == "failed"
    assert outcome.code == Unpicklable.code
    assert outcome.error is not None
    assert outcome.error.message.startswith("the result -> the item 'gate': a _thread.lock cannot be pickled")
    assert "worker/runner.py" not in outcome.error.traceback


def test_a_result_over_the_limit_fails_the_job(agent: FakeAgent) -> None:
    # When
    outcome = agent.run(lambda: b"x" * (16 * 1024 * 1024 + 1)).item.outcome

    # Then
    assert outcome.code == PayloadTooLarge.code
    assert outcome.error is not None
    assert "16,777,216 bytes" in outcome.error.message


def test_the_next_job_runs_after_a_failed_one(agent: FakeAgent) -> None:
    # Given
    agent.run(lambda: 1 / 0)

    # When
    finished = agent.run(lambda: "fine")

    # Then
    assert value_of(finished) == "fine"


# -- errors -------------------------------------------------------------------------------------------


def test_the_traceback_of_a_failed_job_ends_at_the_users_line(agent: FakeAgent) -> None:
    # Given
    def divide(a: int, b: int) -> float:
        return a / b  # the user's line

    # When
    finished = agent.run(divide, 1, 0)

    # Then
    error = finished.item.outcome.error
    assert finished.item.kind == "failed"
    assert error is not None
    assert error.type == "ZeroDivisionError"
    lines = error.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].startswith(f'  File "{__file__}"')
    assert "return a / b  # the user's line" in lines[2]
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert isinstance(load_error(finished.item.outcome.value, error), ZeroDivisionError)


@pytest.mark.parametrize("status", [0, 3, "bye", None])
def test_sys_exit_in_a_job_fails_it_and_nothing_else(agent: FakeAgent, status: object) -> None:
    # When
    finished = agent.run(sys.exit, status)

    # Then
    assert finished.item.kind == "failed"
    assert finished.item.outcome.error is not None
    assert finished.item.outcome.error.type == "SystemExit"
    assert value_of(agent.run(lambda: 1)) == 1


def test_an_argument_that_cannot_be_unpickled_says_where(agent: FakeAgent) -> None:
    # Given a class whose unpickling fails
    class Fussy:
        def __reduce__(self) -> Any:
            return (int, ("not a number",))

    # When
    error = agent.run(lambda fussy: fussy, Fussy()).item.outcome.error

    # Then
    assert error is not None
    assert error.type == "ValueError"
    assert "raised on the node while it unpickled the job's arguments" in error.traceback


def test_a_missing_function_fails_the_job(agent: FakeAgent) -> None:
    # Given
    item = agent.item(lambda: 1)

    # When
    agent.send(Work((type(item)(item.ref, item.run, b"?" * 16, item.arguments),)))

    # Then
    error = agent.wait_for(Finished).item.outcome.error
    assert error is not None
    assert "did not come with it" in error.message


# -- revoking -----------------------------------------------------------------------------------------


def test_what_has_not_begun_can_be_revoked_and_nothing_else(agent: FakeAgent, tmp_path: Path) -> None:
    # Given a job that runs, and others behind it
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def wait_for_gate(path: Path) -> str:
        print("running")
        return path.read_text()

    first = agent.give(wait_for_gate, gate)
    agent.wait_for(Output)
    rest = [agent.item(lambda number: number, number) for number in range(4)]
    agent.send(Work(tuple(rest)))

    # When
    wanted = [first, rest[1], rest[3]]
    agent.send(Revoke((*((item.ref, item.run) for item in wanted), (b"?" * 16, b"?" * 16))))

    # Then
    assert agent.wait_for(Revoked).runs == tuple((item.ref, item.run) for item in (rest[1], rest[3]))
    gate.write_text("ran")
    assert [value_of(agent.wait_for(Finished)) for _ in range(3)] == ["ran", 0, 2]


# -- the end ------------------------------------------------------------------------------------------


def test_the_end_of_the_socket_ends_the_worker_even_in_a_job(agent: FakeAgent) -> None:
    # Given
    def spin() -> None:
        print("spinning")
        while True:
            pass

    agent.give(spin)
    agent.wait_for(Output)

    # When
    agent.socket.close()

    # Then
    assert agent.wait_end() == 1


@pytest.mark.parametrize(
    ("die", "status"),
    [
        (lambda: os._exit(7), 7),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), -signal.SIGKILL),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), -signal.SIGSEGV),
        (os.abort, -signal.SIGABRT),
    ],
    ids=["exit", "kill", "segfault", "abort"],
)
def test_a_job_that_kills_its_process_ends_the_socket_after_all_that_was_told(
    agent: FakeAgent, die: object, status: int
) -> None:
    # Given
    before = agent.item(lambda: "before")

    # When
    agent.send(Work((before, agent.item(die))))  # type: ignore[arg-type]  # a callable

    # Then
    with pytest.raises(WorkerGone):
        agent.wait_for(Revoked)
    assert [value_of(message) for message in agent.seen if isinstance(message, Finished)] == ["before"]
    assert agent.wait_end() == status


def test_a_crash_leaves_its_traceback_on_stderr(agent: FakeAgent) -> None:
    # Given
    def crash() -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    # When
    agent.give(crash)
    agent.wait_end()

    # Then
    assert agent.process.stderr is not None
    assert b"Fatal Python error: Segmentation fault" in agent.process.stderr.read()


def test_ctrl_c_does_not_reach_a_job(agent: FakeAgent) -> None:
    # When
    finished = agent.run(lambda: os.kill(os.getpid(), signal.SIGINT))

    # Then
    assert finished.item.kind == "done"


def test_a_job_may_handle_signals(agent: FakeAgent) -> None:
    # Given
    def alarmed() -> str:
        def ring(*_: object) -> None:
            raise TimeoutError("ring")

        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        try:
            threading.Event().wait(5)
        except TimeoutError as error:
            return str(error)
        return "slept"

    # When
    finished = agent.run(alarmed)

    # Then
    assert value_of(finished) == "ring"


def test_a_worker_whose_parent_is_gone_ends_at_once() -> None:
    # When it is told a parent that is not its own
    command = [sys.executable, "-m", "actorcloud.worker", "0", "1"]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, timeout=120, check=False)

    # Then
    assert done.returncode == 1


def test_a_worker_loads_no_engine(agent: FakeAgent) -> None:
    # When
    loaded = value_of(agent.run(lambda: [name for name in ("zmq", "lmdb", "pykka", "asyncio") if name in sys.modules]))

    # Then
    assert loaded == []


def test_a_worker_is_ready_soon() -> None:
    # When
    with FakeAgent() as agent:
        took = psutil.Process(agent.process.pid).cpu_times()

    # Then that took far more of the processor than it needs (0.1 s) and less than would be noticed
    assert took.user + took.system < 3

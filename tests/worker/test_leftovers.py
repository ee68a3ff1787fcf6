"""What one job changes or leaves running in a real worker process, and what the next one sees of it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorcloud.protocol.worker import Finished, Revoked, Work
from tests.worker.agent import FakeAgent, value_of


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    with FakeAgent() as agent:
        yield agent


def test_what_a_job_changed_is_put_back(agent: FakeAgent, tmp_path: Path) -> None:
    # Given
    def look() -> tuple[object, ...]:
        return Path.cwd(), dict(os.environ), list(sys.argv), list(sys.path)

    def change(path: str) -> None:
        os.chdir(path)
        os.environ["NEW"] = "1"
        del os.environ["PATH"]
        os.environ["HOME"] = "/elsewhere"
        sys.argv.append("--more")
        sys.path.insert(0, path)

    before = value_of(agent.run(look))

    # When
    agent.run(change, str(tmp_path))

    # Then
    assert value_of(agent.run(look)) == before


def test_what_a_job_asked_of_the_kernel_is_put_back(agent: FakeAgent) -> None:
    # Given
    def look() -> tuple[object, ...]:
        umask = os.umask(0o022)
        os.umask(umask)
        handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)]
        return umask, handlers, resource.getrlimit(resource.RLIMIT_AS), signal.getitimer(signal.ITIMER_REAL)

    def change() -> None:
        os.umask(0o077)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.alarm(1000)
        resource.setrlimit(resource.RLIMIT_AS, (1 << 40, resource.getrlimit(resource.RLIMIT_AS)[1]))

    before = value_of(agent.run(look))

    # When
    finished = agent.run(change)

    # Then
    assert finished.reusable
    assert value_of(agent.run(look)) == before


def test_a_worker_whose_standard_files_were_closed_is_not_reusable(agent: FakeAgent) -> None:
    assert not agent.run(lambda: os.close(1)).reusable


def test_a_breakpoint_fails_the_job_and_not_its_worker(agent: FakeAgent) -> None:
    # When its debugger, which has nobody to ask, stops where the job has returned to us
    finished = agent.run(breakpoint)
    # Then
    assert finished.item.outcome.error is not None
    assert finished.item.outcome.error.type == "bdb.BdbQuit"
    assert value_of(agent.run(lambda: "next")) == "next"


def test_a_trace_function_does_not_reach_the_next_job(agent: FakeAgent) -> None:
    # Given
    before = value_of(agent.run(lambda: repr(sys.gettrace())))
    # When
    agent.run(lambda: sys.settrace(lambda *_: None))
    # Then
    assert value_of(agent.run(lambda: repr(sys.gettrace()))) == before


def test_a_context_variable_does_not_reach_the_next_job(agent: FakeAgent) -> None:
    # Given a variable of a library, which both jobs share
    def set_precision() -> None:
        import decimal

        decimal.getcontext().prec = 3

    def precision() -> int:
        import decimal

        return decimal.getcontext().prec

    # When
    agent.run(set_precision)

    # Then
    assert value_of(agent.run(precision)) == 28


def test_a_worker_with_a_surviving_thread_is_not_reusable_and_gives_back_the_rest(agent: FakeAgent) -> None:
    # Given
    def leave_a_thread() -> None:
        threading.Thread(target=threading.Event().wait, daemon=True).start()

    last = agent.item(leave_a_thread)
    rest = [agent.item(lambda: 1) for _ in range(3)]

    # When
    agent.send(Work((last, *rest)))

    # Then
    finished = agent.wait_for(Finished)
    assert not finished.reusable
    assert finished.item.ref == last.ref
    assert agent.wait_for(Revoked).runs == tuple((item.ref, item.run) for item in rest)
    late = agent.give(lambda: 2)
    assert agent.wait_for(Revoked).runs == ((late.ref, late.run),)


def test_a_worker_with_a_surviving_child_is_not_reusable(agent: FakeAgent) -> None:
    # Given
    def leave_a_child() -> int:
        return subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]).pid

    # When
    finished = agent.run(leave_a_child)

    # Then
    assert not finished.reusable


def test_a_child_that_was_waited_for_or_has_ended_does_no_harm(agent: FakeAgent) -> None:
    # Given
    def zombie() -> None:
        child = subprocess.Popen([sys.executable, "-c", ""])
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    # When
    finished = agent.run(zombie)

    # Then
    assert finished.reusable


def test_a_forked_child_that_returns_from_the_job_tells_the_agent_nothing(agent: FakeAgent) -> None:
    # Given
    def fork() -> int:
        pid = os.fork()
        if pid == 0:
            print("from the child")
            return -1
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    # When
    finished = agent.run(fork)

    # Then
    assert value_of(finished) == 0
    assert value_of(agent.run(lambda: "next")) == "next"
    assert [type(message) for message in agent.seen].count(Finished) == 2


@pytest.mark.parametrize("status", [0, 3])
def test_a_forked_child_may_end_by_sys_exit(agent: FakeAgent, status: int) -> None:
    # Given
    def fork(status: int) -> int:
        pid = os.fork()
        if pid == 0:
            sys.exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    # When
    finished = agent.run(fork, status)

    # Then
    assert value_of(finished) == status


@pytest.mark.parametrize("what", ["argv", "path"])
@pytest.mark.parametrize("value", ["None", "()", "gone"])
def test_a_job_may_put_anything_in_the_place_of_what_is_put_back(agent: FakeAgent, what: str, value: str) -> None:
    # Given
    def change(what: str, value: str) -> None:
        if value == "gone":
            delattr(sys, what)
        else:
            setattr(sys, what, None if value == "None" else ())

    before = value_of(agent.run(lambda: (list(sys.argv), list(sys.path))))
    # When
    ended = agent.run(change, what, value)
    # Then
    assert ended.reusable
    assert value_of(agent.run(lambda: (list(sys.argv), list(sys.path)))) == before


def test_a_worker_in_which_nothing_can_be_put_back_is_not_reusable(agent: FakeAgent) -> None:
    def change() -> None:
        os.environ.__class__.update = None  # type: ignore[assignment, method-assign]
        os.environ["NEW"] = "1"

    assert not agent.run(change).reusable

"""The process of an isolated actor: how it ends, and that it never outlives its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actorcloud.actor import (
    Actor,
    ActorDeadError,
    AskTimeout,
    System,
)
from actorcloud.base.exits import ExitReason, MemoryExceeded, ProcessDied
from tests.actor.cast import PATIENCE, end_of


@pytest.fixture
def real() -> Iterator[System]:
    """A system with real processes."""
    with System(name="test") as real, real.activate():
        yield real


class Real(Actor):
    isolation = "process"

    def on_receive(self, message: Any) -> Any:
        match message:
            case "pid":
                return os.getpid()
            case "segfault":
                ctypes.string_at(0)
            case "exit":
                os._exit(3)
            case "spin":
                while True:
                    pass
            case ("take", size):
                self.taken = bytearray(size)
            case "child":
                return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]).pid
        return message


def state_of(pid: int) -> str:
    """Return the letter that the kernel has for the state of a process; Z if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def is_running(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    return state_of(pid) != "Z"


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} lives"
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("death", "code", "text"),
    [("segfault", -signal.SIGSEGV, "SIGSEGV"), ("exit", 3, "exit code 3")],
)
def test_a_process_that_ends_is_an_exit_reason(real: System, death: str, code: int, text: str) -> None:
    # Given
    ref = Real.start()
    watched = ref.monitor()
    # When
    with pytest.raises(ActorDeadError, match=text):
        ref.ask(death, timeout=PATIENCE)
    # Then
    reason = watched.get(PATIENCE).reason
    assert isinstance(reason, ProcessDied)
    assert reason.code == code


@pytest.mark.slow
def test_a_kill_from_outside_and_one_of_ours_end_the_process(real: System) -> None:
    # Given
    outside, ours = Real.start(), Real.start()
    pids = [ref.ask("pid", timeout=PATIENCE) for ref in (outside, ours)]
    watched = [ref.monitor() for ref in (outside, ours)]
    ours.tell("spin")
    # When
    os.kill(pids[0], signal.SIGKILL)
    ours.kill()
    # Then
    assert watched[0].get(PATIENCE).reason == ProcessDied("signal 9 (SIGKILL)", -9)
    assert watched[1].get(PATIENCE).reason == ExitReason.KILLED
    assert not any(is_running(pid) for pid in pids)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_more_memory_than_it_may_have_is_an_exit_reason(real: System) -> None:
    # Given
    limit = 64 * 1024 * 1024
    ref = Real.options(memory=limit).start()
    watched = ref.monitor()
    ref.ask(("take", limit // 4), timeout=PATIENCE)
    # When
    with pytest.raises((MemoryError, ActorDeadError)):
        ref.ask(("take", 2 * limit), timeout=PATIENCE)
    # Then
    assert watched.get(PATIENCE).reason == MemoryExceeded(limit)


@pytest.mark.slow
def test_what_it_started_dies_with_it(real: System) -> None:
    # Given
    ref = Real.start()
    grandchild = ref.ask("child", timeout=PATIENCE)
    # When
    ref.kill()
    end_of(ref)
    # Then
    wait_until_gone(grandchild)


@pytest.mark.slow
def test_a_parent_that_is_killed_leaves_no_orphan() -> None:
    # Given
    program = textwrap.dedent(
        """
        import os, sys, time
        from actorcloud.actor import Actor

        class Real(Actor):
            isolation = "process"

            def on_receive(self, message):
                if message == "spin":
                    while True:
                        pass
                return os.getpid()

        quiet, busy = Real.start(), Real.start()
        print(quiet.ask("pid"), busy.ask("pid"), flush=True)
        busy.tell("spin")
        time.sleep(1000)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    # When
    parent.kill()
    parent.wait()
    parent.stdout.close()
    # Then
    for pid in pids:
        wait_until_gone(pid)


@pytest.mark.slow
def test_closing_the_system_ends_the_processes(real: System) -> None:
    # Given
    ref = Real.start()
    pid = ref.ask("pid", timeout=PATIENCE)
    ref.tell("spin")
    # When
    real.close()
    # Then
    assert not is_running(pid)


@pytest.mark.slow
def test_an_ask_of_a_stopped_process_times_out_and_a_kill_still_ends_it(real: System) -> None:
    # Given
    ref = Real.start()
    pid = ref.ask("pid", timeout=PATIENCE)
    os.kill(pid, signal.SIGSTOP)
    while state_of(pid) != "T":
        time.sleep(0.001)
    # When
    with pytest.raises(AskTimeout):
        ref.ask("anybody?", timeout=0.05)
    ref.kill()
    # Then
    assert end_of(ref) in {ExitReason.KILLED, ExitReason.NOPROC}
    wait_until_gone(pid)

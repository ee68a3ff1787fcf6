"""Real heads and nodes for the tests: each a process, all of them in one temporary directory.

::

    with cluster.Site() as site:
        head = site.head(workers=2)              a head with a node of its own
        with Cloud(site.endpoint) as cloud: ...
        head.kill()                              SIGKILL

A `Site` owns its processes, the threads that read what they say, and its directory; when it ends
all of them are gone, workers and orphaned nodes included. What a process said is in the error of a
wait that failed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import psutil

from actorcloud.client import Connection, child_environment, find_head

T = TypeVar("T")

#: Seconds that anything may take that should happen soon: the machine is shared, no test is about speed.
PATIENCE = 150.0

#: Seconds of silence after which a node counts as lost: some tests wait for it, and busy machines stand still.
NODE_TIMEOUT = 5.0

#: Seconds between two looks at what another process does and nobody tells us.
LOOK_EVERY = 0.02

#: Lines of a process that are shown when it disappoints.
_LAST_LINES = 30


class Process:
    """A child process and what it says on both of its streams.

    Args:
        command: program and arguments.
        environment: added to that of a child of actorcloud.
    """

    def __init__(self, *command: str, environment: dict[str, str] | None = None) -> None:
        self._lines: list[str] = []
        self._said = threading.Condition()
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**child_environment(), **(environment or {})},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"reads {command[-1]}", daemon=True)
        self._reader.start()

    def __repr__(self) -> str:
        return f"<Process {self.pid}, it said:\n{self.said}>"

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    @property
    def said(self) -> str:
        return "\n".join(self._lines[-_LAST_LINES:])

    @property
    def everything(self) -> str:
        """All lines, for tests that count."""
        return "\n".join(self._lines)

    def wait_said(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Return the match of the line that made `pattern` match so many lines."""

        def found() -> re.Match[str] | None:
            matches = [match for match in (re.search(pattern, line) for line in self._lines) if match is not None]
            return matches[times - 1] if len(matches) >= times else None

        with self._said:
            self._said.wait_for(lambda: found() or not self._reader.is_alive(), PATIENCE)
        match = found()
        assert match is not None, f"{pattern!r} was not said by {self!r}"
        return match

    def wait(self, timeout: float = PATIENCE) -> int:
        """Return the exit code; negative: the signal."""
        try:
            code = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {timeout:g} s: {self!r}") from None
        # All that it said is read; a child of its own may keep the pipe open.
        self._reader.join(1.0)
        return code

    def signal(self, number: int) -> None:
        self._popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and bury it."""
        self._popen.kill()
        self._popen.wait()

    def close(self) -> None:
        if self.is_running:
            self.kill()
        self._reader.join(5.0)
        if self._popen.stdout is not None and not self._reader.is_alive():
            self._popen.stdout.close()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            with self._said:
                self._lines.append(line.rstrip("\n"))
                self._said.notify_all()
        with self._said:
            self._said.notify_all()


class Site:
    """One directory with a store, and the processes that a test starts there.

    Args:
        node_timeout: seconds, of all heads and nodes here.
        address: of the heads' store, with "{store}" for its directory here.
    """

    def __init__(self, *, node_timeout: float = NODE_TIMEOUT, address: str = "{store}") -> None:
        # Short: a unix socket's path has its limit.
        self.directory = Path(tempfile.mkdtemp(prefix="s-"))
        self.store = self.directory / "store"
        self.address = address.format(store=self.store)
        self.runtime = self.directory / "r"
        self.endpoint = f"ipc://{self.runtime}/head.sock"
        self._timeout = ["--node-timeout", str(node_timeout)]
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            for process in self._processes:
                print(f"--- {process!r}")
        self.close()

    def close(self) -> None:
        self.end()
        shutil.rmtree(self.directory)

    def end(self) -> None:
        """End all processes: as they should, else by force."""
        for process in reversed(self._processes):
            if process.is_running:
                process.signal(signal.SIGTERM)
        for process in self._processes:
            with suppress(AssertionError):
                process.wait(10.0)
        end_all(self.processes())
        for process in self._processes:
            process.close()

    # -- processes --------------------------------------------------------------------------------

    def start(self, *command: str, environment: dict[str, str] | None = None) -> Process:
        """Start any program; its environment names this site, so that it ends with it."""
        own = {"ACTORCLOUD_TEST_SITE": str(self.directory), **(environment or {})}
        process = Process(*command, environment=own)
        self._processes.append(process)
        return process

    def python(self, code: str, *arguments: str, environment: dict[str, str] | None = None) -> Process:
        """Start a script, as a user would: from a file."""
        path = self.directory / f"script{len(self._processes)}.py"
        path.write_text(code)
        return self.start(sys.executable, str(path), *arguments, environment=environment)

    def head(self, *arguments: str, workers: int = 0, environment: dict[str, str] | None = None) -> Process:
        """Start the head of this site's store."""
        where = ["--store", self.address, "--runtime", str(self.runtime), "--workers", str(workers)]
        command = [sys.executable, "-P", "-m", "actorcloud.head", *where, *self._timeout, *arguments]
        return self.start(*command, environment=environment)

    def node(
        self,
        name: str,
        *arguments: str,
        workers: int = 1,
        runtime: str | None = None,
        environment: dict[str, str] | None = None,
    ) -> Process:
        """Start a node; without `--join` it joins the head of this site over ipc."""
        command = [sys.executable, "-P", "-m", "actorcloud.node", "--name", name, "--workers", str(workers)]
        command += ["--runtime", runtime or str(self.directory / f"r-{name}"), *self._timeout]
        if "--join" not in arguments:
            command += ["--head", self.endpoint]
        else:
            command += ["--keys", str(self.directory / f"keys-{name}")]
        return self.start(*command, *arguments, environment=environment)

    def wait_head(self, head: Process) -> Connection:
        """Return what the head says of itself, once it listens."""

        def look() -> Connection | None:
            assert head.is_running, f"the head ended: {head!r}"
            found = find_head(self.runtime)
            return found if found is not None and found.pid == head.pid else None

        return wait_for(look, f"a head at {self.endpoint}")

    def processes(self) -> list[psutil.Process]:
        """Return all processes of this site, orphans and workers included."""
        return processes_with("ACTORCLOUD_TEST_SITE", str(self.directory))


def wait_for(look: Callable[[], T | None], what: str, timeout: float = PATIENCE) -> T:
    """Return the first true value of `look`; for what another process does and nobody tells us."""
    pause = threading.Event()
    deadline = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not come within {timeout:g} s"
        pause.wait(LOOK_EVERY)
    return found


def processes_with(variable: str, value: str) -> list[psutil.Process]:
    """Return the living processes whose environment has this variable of this value, but not this one."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if process.environ().get(variable) == value and process.pid != os.getpid():
                found.append(process)
    return found


def end_all(processes: list[psutil.Process]) -> None:
    """Kill these, and wait until they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, 10.0)


def workers_of(node: int) -> list[psutil.Process]:
    """Return the worker processes of the node of this pid."""
    with suppress(psutil.NoSuchProcess):
        return [child for child in psutil.Process(node).children() if is_module(child, "actorcloud.worker")]
    return []


def is_module(process: psutil.Process, module: str) -> bool:
    """Tell whether a process was started as `python -m MODULE`."""
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return module in process.cmdline()
    return False


def has_stopped(pid: int) -> bool:
    """Tell whether the last thread of a process has heard of SIGSTOP."""
    states = [path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"T"}


@contextmanager
def thread(function: Callable[[], object]) -> Iterator[threading.Thread]:
    """Run `function` beside the block; its error is raised when the block has ended."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001  raised below, in the thread of the test
            errors.append(error)

    runner = threading.Thread(target=run, name="beside")
    runner.start()
    try:
        yield runner
    finally:
        runner.join(PATIENCE * 3)
    assert not runner.is_alive(), "the thread beside did not end"
    if errors:
        raise errors[0]

"""Commands as processes, in a directory and with settings of their own."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.house.tree import ROOT

#: Seconds that anything may take here; the machine may be busy.
PATIENCE = 120.0


class Commands:
    """Runs and starts commands; what was started is ended by `close`.

    Args:
        directory: the working directory, and the user's home.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "ACTORCLOUD_STORE": str(directory / "store"),
            "XDG_DATA_HOME": str(directory),
            "XDG_CONFIG_HOME": str(directory),
        }
        self._started: list[Started] = []

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return self._run([sys.executable, "-m", "actorcloud", *arguments], variables)

    def run_program(self, path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a Python program to its end."""
        return self._run([sys.executable, str(path)], variables)

    def start(self, *arguments: str) -> Started:
        """Start a command that stays."""
        return self.start_program("-m", "actorcloud", *arguments)

    def start_program(self, *arguments: str) -> Started:
        """Start Python with these arguments, as something that stays."""
        started = Started(list(arguments), self.directory, self._environment)
        self._started.append(started)
        return started

    def close(self) -> None:
        """End what was started, newest first."""
        for started in reversed(self._started):
            started.end()

    def _run(self, command: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.directory,
            env={**self._environment, **variables},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


class Started:
    """A process and what it says."""

    def __init__(self, arguments: list[str], directory: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_line(self, part: str) -> str:
        """Return the next line that has `part` in it."""
        seen = []
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            if part in line:
                return line.strip()
            seen.append(line)
        raise AssertionError(f"it ended without saying {part!r}: {''.join(seen)}")

    def rest(self) -> str:
        """Return what it has said since, up to its end."""
        return "".join(iter(lambda: self._lines.get(timeout=PATIENCE) or "", ""))

    def end(self, number: int = signal.SIGTERM) -> int:
        """Tell it to end; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self._reader.join(PATIENCE)
            if self.process.stdout is not None:
                self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

"""A PostgreSQL server for a session of tests: private, on a unix socket, with fsync, gone at its end."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from actorcloud.store import Batch, PostgresEngine
from actorcloud.store.engine.postgres_link import Link

#: Where Debian has the server's own programs.
_PROGRAMS = "/usr/lib/postgresql"

_MISSING = "PostgreSQL is not installed: apt-get install postgresql"

#: The first version that can flush a file system instead of each of its files.
_SYNCS_AT_ONCE = 14

#: Seconds that the server may take to start or to stop.
_TIMEOUT = "120"


#: Settings -> an engine on a schema of the test's own.
Make = Callable[..., PostgresEngine]


class PostgresServer:
    """A server that runs until `stop`; root starts it as the user `postgres`, for it refuses to be root's."""

    def __init__(self, programs: Path, place: Path, user: list[str]) -> None:
        self._programs = programs
        self._place = place
        self._user = user
        self._options = f"-k {place} -c listen_addresses= -c fsync=on -c max_connections=50"
        if int(programs.parent.name) >= _SYNCS_AT_ONCE:
            # After a crash: thousands of files one by one would take longer than a head waits.
            self._options += " -c recovery_init_sync_method=syncfs"
        #: How to reach it.
        self.dsn = f"postgresql:///postgres?host={place}&user=tester"

    @classmethod
    def start(cls) -> PostgresServer:
        """Make a server, or skip the test where there is none to be had; where CI asks for it, fail."""
        found = sorted(Path(_PROGRAMS).glob("*/bin/initdb"))
        if not found:
            if os.environ.get("CI"):
                pytest.fail(_MISSING)
            pytest.skip(_MISSING)
        # A short path of its own: the session's directory is closed to the user it runs as.
        place = Path(tempfile.mkdtemp(prefix="ac-pg-", dir="/tmp"))
        user: list[str] = []
        if os.geteuid() == 0:
            user = ["runuser", "-u", "postgres", "--"]
            shutil.chown(place, "postgres", "postgres")
        server = cls(found[-1].parent, place, user)
        server._run("initdb", "-D", "data", "-A", "trust", "-U", "tester", "--no-sync", "--no-locale")
        server.resume()
        return server

    def database(self, options: str = "") -> str:
        """Make a new database; return its address.

        Args:
            options: added to it, "&sslmode=disable".
        """
        name = f"d{secrets.token_hex(4)}"
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f"create database {name}".encode())
        return f"postgresql://tester:hush@/{name}?host={self._place}{options}"

    def restart(self) -> None:
        """End it in the way of a crash, and start it again."""
        self._run("pg_ctl", "-D", "data", "-m", "immediate", "-w", "-t", _TIMEOUT, "stop")
        self.resume()

    def promote(self) -> None:
        """End it, and let it go on as a standby does that is promoted."""
        self._run("pg_ctl", "-D", "data", "-m", "fast", "-w", "-t", _TIMEOUT, "stop")
        self._run("/usr/bin/touch", "data/standby.signal")
        self.resume()
        self._run("pg_ctl", "-D", "data", "-w", "-t", _TIMEOUT, "promote")

    def resume(self) -> None:
        """Start it again."""
        self._run("pg_ctl", "-D", "data", "-w", "-t", _TIMEOUT, "-l", "log", "-o", self._options, "start")

    def stop(self) -> None:
        """End it and remove all that it has written."""
        self._run("pg_ctl", "-D", "data", "-m", "immediate", "-w", "-t", _TIMEOUT, "stop")
        shutil.rmtree(self._place)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._user, str(self._programs / program), *arguments]
        log = self._place / "log"
        # To a file: the server would keep a pipe open for ever.
        with tempfile.TemporaryFile() as said:
            run = subprocess.run(command, cwd=self._place, stdout=said, stderr=said, check=False)
            said.seek(0)
            assert run.returncode == 0, said.read().decode() + (log.read_text() if log.exists() else "")


def put(engine: PostgresEngine, epoch: int, seq: int, key: bytes = b"k", value: bytes = b"v") -> None:
    engine.commit(Batch({key: value}, ()), epoch=epoch, expect=seq, new=seq + 1)


def answers_lost(link: Link, monkeypatch: pytest.MonkeyPatch, times: int, *, is_done: bool) -> None:
    """Lose the connection with the next statements, after they were done or before."""
    connected = link._connected

    class Losing:
        def __init__(self) -> None:
            self._connection = connected()

        def execute(self, *args: object, **kwargs: object) -> object:
            nonlocal times
            if times > 0:
                times -= 1
                if is_done:
                    self._connection.execute(*args, **kwargs)  # type: ignore[call-overload]
                self._connection.close()
                raise psycopg.OperationalError("planted: the server closed the connection")
            return self._connection.execute(*args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(link, "_connected", Losing)

"""A PostgreSQL of our own to measure against: Debian's, in a temporary directory, on a Unix socket, fsync on."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Where Debian installs each version's programs.
_INSTALLED = "/usr/lib/postgresql"

#: PostgreSQL refuses to run as root; its package brings this user.
_USER = "postgres"


def find_programs() -> Path | None:
    """Return the directory of the newest installed server's programs; None: there is none."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).parent
    versions = sorted(Path(_INSTALLED).glob("*/bin/initdb"), key=lambda found: float(found.parts[-3]))
    return versions[-1].parent if versions else None


@contextmanager
def server(directory: Path) -> Iterator[str]:
    """Run a server below `directory` and give the string that connects to it.

    Raises:
        FileNotFoundError: none is installed.
    """
    programs = find_programs()
    if programs is None:
        raise FileNotFoundError("PostgreSQL is not installed; Debian's package is called postgresql")
    directory.mkdir()
    if os.geteuid() == 0:
        user = pwd.getpwnam(_USER)
        os.chown(directory, user.pw_uid, user.pw_gid)
        # The temporary directory around it lets nobody else in.
        directory.parent.chmod(0o711)
    data = directory / "data"
    _run(programs / "initdb", "-D", data, "-A", "trust", "-U", _USER, "-E", "UTF8")
    options = f"-c listen_addresses= -c unix_socket_directories={directory} -c max_connections=200"
    _run(programs / "pg_ctl", "-D", data, "-w", "-l", directory / "log", "-o", options, "start")
    try:
        yield f"host={directory} user={_USER} dbname=postgres"
    finally:
        _run(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def _run(*command: object) -> None:
    as_user = ["runuser", "-u", _USER, "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*as_user, *map(str, command)], capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr or done.stdout}")

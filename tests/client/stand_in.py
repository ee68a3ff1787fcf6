"""Stands in for `python -m actorcloud.head`: keeps the contract of `client.headprocess`, and does nothing else.

It locks the store, listens at head.sock, writes head.json, says that it is ready, and ends when
something connects and sends "end <code>". With STAND_IN_FAILS it ends before it is ready, and so often as
STAND_IN_KILLED says it is killed.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

from actorcloud.base.exitcode import ExitCode
from actorcloud.client.localhead import Connection


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--runtime", type=Path, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--ready-fd", type=int, required=True)
    parser.add_argument("--temporary", action="store_true")
    parser.add_argument("--existing", action="store_true")
    given = parser.parse_args()
    given.store.mkdir(exist_ok=True, parents=True)
    with (given.store / "started").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    if given.existing:
        with (given.store / "existing").open("a") as existing:
            existing.write(f"{os.getpid()}\n")
    if "STAND_IN_FAILS" in os.environ:
        return 9
    if len((given.store / "started").read_text().split()) <= int(os.environ.get("STAND_IN_KILLED", "0")):
        os.kill(os.getpid(), signal.SIGKILL)
    lock = os.open(given.store / "head.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return ExitCode.TRY_AGAIN
    return listen(given.runtime, given.ready_fd)


def listen(runtime: Path, ready_fd: int) -> int:
    path = runtime / "head.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        told = Connection(endpoint=f"ipc://{path}", incarnation=1, pid=os.getpid())
        draft = runtime / "head.json.new"
        draft.write_bytes(msgspec.json.encode(told))
        draft.rename(runtime / "head.json")
        os.write(ready_fd, b"1")
        os.close(ready_fd)
        while True:
            connection, _ = listener.accept()
            with connection:
                word = connection.recv(100)
            if word.startswith(b"end "):
                return int(word[4:])


if __name__ == "__main__":
    sys.exit(main())

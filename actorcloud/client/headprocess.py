"""The process of a private head: found or started, and started again if it dies.

The contract with `actorcloud.head`::

    python -P -m actorcloud.head --store NAME --runtime DIR --workers N --ready-fd FD [--temporary]
        [--store-fd FD] [--existing]

    --store      its store (`base.location`); created if need be, and its home locked while the head has it
    --store-fd   inherited: the store's whole address is there to be read, as its name is not all of it
    --existing   the store must be there: a head has been ready with it
    --runtime    a 0700 directory: it listens at `head.sock` in there, and writes `head.json`
                 (0600, whole or not at all: a `Connection`) when it does
    --ready-fd   inherited: it writes "1" there after `head.json`, or "!" and a `Failure` in JSON, and closes it
    --temporary  when it ends, it removes the directory around the store unless a client holds
                 `clients.lock` in there (`client.temporary`)
    exit code    `TRY_AGAIN` without a `Failure` is a head that came second: the first is to be found;
                 any other is a failure

It has a session of its own, so that a Ctrl-C for the program is none for the head, and it ends when
its last client has left. Which of two heads may stay is decided by the flock on the store: clients
connect, else start one, in a loop, and whoever comes second finds the first (design 6.1, rule 1).

Owns the child process and, once watching, a thread; a head that outlives its client has one that buries it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from actorcloud.base.errors import ActorCloudError, HeadUnreachable, StoreLocked, from_code
from actorcloud.base.exitcode import ExitCode
from actorcloud.base.headnode import end_node
from actorcloud.base.location import Location
from actorcloud.base.poll import wait_readable
from actorcloud.base.rendezvous import SERVED_AFTER, holding
from actorcloud.client.headcommand import COMMAND, start_head
from actorcloud.client.localhead import LOCK_FILE, Connection, is_alive, is_locked, owner_of, read_connection

#: Seconds that a head may take until it is ready: a large store is verified after a power cut.
START_TIMEOUT_DEFAULT = 60.0

#: Seconds that a head may take to end after its last client has left.
END_TIMEOUT = 5.0

#: Seconds after which a head that still says where it listens has other clients.
DECISION_TIMEOUT = 0.5

#: Seconds between two looks.
_LOOK_EVERY = 0.02

#: Ends within `_ENDS_SECONDS` after which a head that keeps dying before it has served is started again only after
#: a pause: as many as a supervisor would forgive.
_ENDS_LIMIT, _ENDS_SECONDS = 3, 60.0

#: Seconds of the longest such pause: it must leave waits, which give up after a minute, some tries.
_PAUSE_LIMIT = 10.0

#: Times that a head may be killed, not end by itself, before it is ready until that is an error.
KILLS_LIMIT = 3

#: Seconds between two tries while another head is on its way up or down.
_PAUSE = 0.02

logger = logging.getLogger("actorcloud.client")


class Failure(msgspec.Struct, frozen=True):
    """Why a head cannot start."""

    #: As in `base.errors`.
    code: str
    text: str


class HeadProcess:
    """A private head, from the side of a client that uses it.

    Args:
        store: where its store is.
        runtime: a private directory that belongs to this store alone.
        workers: worker processes of its own node.
        temporary: whether the store goes with its last client.
        start_timeout: seconds; see `START_TIMEOUT_DEFAULT`.
        served_after: seconds; see `base.rendezvous`.
        command: what starts a head; tests have one of their own.
    """

    def __init__(  # noqa: PLR0913  the last three are for tests
        self,
        store: Location,
        runtime: Path,
        workers: int,
        *,
        temporary: bool = False,
        start_timeout: float = START_TIMEOUT_DEFAULT,
        served_after: float = SERVED_AFTER,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.store = store
        self.runtime = runtime
        self._command = command
        self._arguments = ["--runtime", str(runtime), "--workers", str(workers)]
        if temporary:
            self._arguments.append("--temporary")
        self._start_timeout = start_timeout
        self._served_after = served_after
        #: Since when the head is known to be ready.
        self._ready_at: float | None = None
        self._has_been_ready = False
        self._child: subprocess.Popen[bytes] | None = None
        self._ready_fd = -1
        self._watcher: threading.Thread | None = None
        self._stop_reader, self._stop_writer = os.pipe()
        self._ends: list[float] = []

    @property
    def endpoint(self) -> str:
        """Where the head listens, or will."""
        return f"ipc://{self.runtime}/head.sock"

    # -- connect, else start -------------------------------------------------------------------------

    def begin(self) -> None:
        """Start a head unless one listens; `wait_ready` waits for it. Lets the caller do something meanwhile."""
        if self._connection() is None:
            self._start()

    def wait_ready(self) -> Connection:
        """Return once a head listens, started by whomever.

        Raises:
            HeadUnreachable: it ended, was killed `KILLS_LIMIT` times, or did not listen within the start timeout.
            StoreLocked: a head that listens elsewhere has the store; `StoreLeased` if on another machine.
            ActorCloudError: what the head said before it ended: `NotAStore`, `StoreTooNew`, `NoSpace` and more.
        """
        deadline = time.monotonic() + self._start_timeout
        kills = 0
        while True:
            killed_by = 0 if self._child is None else self._wait_child_ready(deadline)
            if killed_by:
                kills += 1
                self._tell_kill(killed_by, kills)
            found = self._connection()
            if found is not None:
                self._has_been_ready = True
                self._ready_at = time.monotonic()
                return found
            if time.monotonic() >= deadline:
                raise HeadUnreachable(
                    f"no head listens at {self.endpoint} after {self._start_timeout:g} s, but another one has the "
                    f"store {self.store}; see what holds {self.store.home / LOCK_FILE}"
                )
            has_died = killed_by or self._has_died_ready()
            # The one that has the store is on its way up or down; nothing tells us when.
            self._is_stopped(max(_PAUSE, self._pause_after_ends() if has_died else 0.0))
            self._start()

    def _has_died_ready(self) -> bool:
        """Tell whether our head has died as soon as it was ready; note it."""
        if self._child is None or self._child.poll() is None:
            return False
        self._tell_end(self._child.pid)
        return True

    def _connection(self) -> Connection | None:
        """Return what `head.json` says if the head that wrote it has the store."""
        # The lock alone may be that of its successor, not ready yet; the pid alone may be anybody's by now.
        found = read_connection(self.runtime)
        return found if found is not None and is_alive(found.pid) and is_locked(self.store.home) else None

    def _start(self) -> None:
        reader, writer = os.pipe()
        try:
            self._child = start_head(
                self.store,
                [*self._arguments, "--ready-fd", str(writer)],
                existing=self._has_been_ready,
                command=self._command,
                pass_fds=(writer,),
                # What jobs print goes to our stderr; stdout is the program's own.
                stdout=2,
            )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self._ready_fd = reader

    def _wait_child_ready(self, deadline: float) -> int:
        """Return the number of the signal that killed our head before it was ready, else 0."""
        child = self._child
        assert child is not None
        try:
            said = self._read_ready(deadline)
        finally:
            os.close(self._ready_fd)
            self._ready_fd = -1
        if said == b"1":
            return 0
        if said is None:
            child.kill()
        code = child.wait()
        self._child = None
        if said is None:
            raise HeadUnreachable(f"the private head was not ready after {self._start_timeout:g} s and was killed")
        error = _failure(said)
        if error is not None and not (type(error) is StoreLocked and not self._has_a_stranger()):
            raise error
        if code < 0:
            return -code
        if code != ExitCode.TRY_AGAIN:
            raise HeadUnreachable(
                f"the private head for {self.store} ended with exit code {code} before it was ready; "
                "what it said is on stderr"
            )
        return 0

    def _tell_kill(self, number: int, times: int) -> None:
        """Say that our head was killed before it was ready, and give up if that happens too often.

        Raises:
            HeadUnreachable: it has happened `KILLS_LIMIT` times.
        """
        name = f"the private head for {self.store} was killed by signal {number} ({signal.strsignal(number)})"
        if times >= KILLS_LIMIT:
            raise HeadUnreachable(
                f"{name} before it was ready, {times} times in a row: see who kills it (often the kernel, for want of "
                "memory: `dmesg` tells), and what it said on stderr; nothing in its store is lost"
            )
        self._ends.append(time.monotonic())
        logger.warning("%s before it was ready; starting it again", name)

    def _read_ready(self, deadline: float) -> bytes | None:
        """Return what it said about being ready; empty: it ended; None: neither until the deadline."""
        left = max(0.0, deadline - time.monotonic())
        readable = wait_readable(self._ready_fd, self._stop_reader, seconds=left)
        if self._ready_fd in readable:
            return os.read(self._ready_fd, select.PIPE_BUF)
        return None

    def _has_a_stranger(self) -> bool:
        """Tell whether the head that has the store listens elsewhere: waiting for it is of no use."""
        owner = owner_of(self.store.home)
        return bool(owner) and str(self.runtime) not in owner

    # -- watching ------------------------------------------------------------------------------------

    def watch(self, connection: Connection) -> None:
        """Start the head again whenever it dies, until `leave`."""
        self._watcher = threading.Thread(
            target=self._watch, args=(connection,), name="actorcloud-head-watch", daemon=True
        )
        self._watcher.start()

    def _watch(self, connection: Connection) -> None:
        found: Connection | None = connection
        while found is not None and not self._wait_death(found.pid):
            self._tell_end(found.pid)
            found = self._start_again()

    def _tell_end(self, pid: int) -> None:
        """Take note of the end of a head that had been ready."""
        code = None if self._child is None else self._child.wait()
        self._child = None
        told = "" if code is None else f" with exit code {code}"
        logger.warning("the private head (pid %d) ended%s; starting it again", pid, told)
        now, ready_at, self._ready_at = time.monotonic(), self._ready_at, None
        if ready_at is not None and now - ready_at >= self._served_after:
            self._ends.clear()
        else:
            self._ends.append(now)

    def _start_again(self) -> Connection | None:
        """Return the connection to another head; None: we are leaving."""
        while True:
            if self._is_stopped(self._pause_after_ends()):
                return None
            try:
                self.begin()
                return self.wait_ready()
            except (ActorCloudError, OSError) as error:
                if self._is_stopped(0):
                    return None
                logger.warning("the private head could not be started again: %s", error)
                self._ends.append(time.monotonic())

    def _pause_after_ends(self) -> float:
        """Return the seconds to wait before another start: none, unless it ends again and again and never serves."""
        now = time.monotonic()
        self._ends = [end for end in self._ends if end > now - _ENDS_SECONDS]
        excess = len(self._ends) - _ENDS_LIMIT
        if excess <= 0:
            return 0.0
        pause = min(_PAUSE_LIMIT, 2.0 ** (excess - 1))
        text = "the private head ended %d times within %g s, soon after its start; it is started again in %g s; "
        text += "what it said is on stderr"
        logger.error(text, len(self._ends), _ENDS_SECONDS, pause)
        return pause

    def _wait_death(self, pid: int) -> bool:
        """Wait until the process is dead; return True if it is to be left alone first."""
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return self._is_stopped(0)
        except (AttributeError, OSError):
            return self._wait_death_by_polling(pid)
        try:
            readable = wait_readable(descriptor, self._stop_reader)
        finally:
            os.close(descriptor)
        return self._stop_reader in readable

    def _wait_death_by_polling(self, pid: int) -> bool:
        # Where there is no pidfd.
        while not self._is_stopped(0.5):
            if not is_alive(pid):
                return False
            if self._child is not None and self._child.poll() is not None:
                return False
        return True

    def _is_stopped(self, seconds: float) -> bool:
        return bool(wait_readable(self._stop_reader, seconds=seconds))

    # -- the end -------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Stop watching; give a head of our own, without clients now, a moment to end. Idempotent.

        Blocks: until it has ended, at most `END_TIMEOUT`; `DECISION_TIMEOUT` where the head has other clients.
        """
        if self._stop_writer < 0:
            return
        os.close(self._stop_writer)
        self._stop_writer = -1
        if self._watcher is not None:
            self._watcher.join()
        if self._ready_fd >= 0:
            os.close(self._ready_fd)
        if self._child is not None and not self._has_ended(self._child):
            # It has other clients and outlives us, as it should; somebody has to bury it all the same.
            burial = threading.Thread(target=self._child.wait, name="actorcloud-head-end", daemon=True)
            # At the exit of a program no thread can be had (CPython 3.12); its heir buries the dead.
            with contextlib.suppress(RuntimeError):
                burial.start()
        os.close(self._stop_reader)

    def _has_ended(self, child: subprocess.Popen[bytes]) -> bool:
        """Wait for the end of a head without clients; False if it goes on."""
        decided_at = time.monotonic() + DECISION_TIMEOUT
        deadline = time.monotonic() + END_TIMEOUT
        while child.poll() is None and (now := time.monotonic()) < deadline:
            # A head that has decided to end takes its file away before anything else.
            if now >= decided_at and read_connection(self.runtime) is not None:
                return False
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_LOOK_EVERY)
        return child.returncode is not None

    def end(self) -> None:
        """End the head by force, if it is ours, and the node that it leaves: their store is about to go.

        Blocks: until they have ended.
        """
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        # Else whoever sweeps could take the directory away meanwhile, or the lock by which the node is found.
        with holding(str(self.runtime)):
            end_node(str(self.runtime), at_once=True)


def _failure(said: bytes) -> ActorCloudError | None:
    try:
        failure = msgspec.json.decode(said.removeprefix(b"!"), type=Failure)
    except msgspec.MsgspecError:  # it died without a word
        return None
    return from_code(failure.code, failure.text)

"""The sockets of child processes, and the thread that reads them: a node's workers, a program's isolated actors.

One thread owns the reading side: it hands whole messages to the sinks, and notices a dead child by
its pidfd (or, where there is none, by the end of file). A dead child is buried by a thread of its
own, as that may take a while: its socket is emptied first, then its process group is killed, then it
is reaped: only then does its sink hear `Exited`.

The thread is the network's, as soon as there is one (see `base.ports.Guest`): what a node's worker says
is then on its way to the head without a switch of threads. Before and after, it is one of our own.

Writing happens on the caller's thread as long as the socket takes it; what is left over waits for
this thread. The socket is non-blocking; a lock per child guards what is left over.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from actorcloud.base.errors import WireError
from actorcloud.base.pipe import PipeDecoder, encode_frame
from actorcloud.base.ports import Exited, HostThread, Said, Sink

logger = logging.getLogger("actorcloud.base")

#: Bytes read from a child at once; a buffer of more than glibc's threshold for mmap costs 15 us a read.
READ_BYTES = 64 * 1024


class PipeProcess:
    """One child process and our end of its socketpair; a `ports.Child`.

    Args:
        name: for people.
        sink: gets what it says, from the thread of `pipes`.
        pipes: the thread.
    """

    def __init__(self, name: object, sink: Sink, pipes: Pipes) -> None:
        self.name = name
        #: Our end, once the process is started.
        self.socket: socket.socket | None = None
        self._sink = sink
        self._pipes = pipes
        self._process: subprocess.Popen[bytes] | None = None
        self._is_doomed = False
        self._is_buried = False
        self._decoder = PipeDecoder()
        self._left = bytearray()
        #: Guards `_left` and the order of writes; a leaf, nothing is called under it but send.
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<PipeProcess {self.name}, pid {self._process.pid if self._process else None}>"

    @property
    def pid(self) -> int | None:
        """Process id, once it is started."""
        return self._process.pid if self._process else None

    @property
    def ours(self) -> socket.socket:
        """Our end of a process that was started."""
        assert self.socket is not None, "only a child that has begun is read"
        return self.socket

    @property
    def has_left(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._left)

    # -- any thread -------------------------------------------------------------------------------

    def send(self, message: Any) -> None:  # noqa: ANN401  what `encode` takes
        """See `Child.send`."""
        frame = encode_frame(self._pipes.encode(message))
        with self._lock:
            if self._left:
                self._left += frame
                return
            self._left += frame[self._write(frame) :]
        if self._left:
            self._pipes.call(lambda: self._pipes.watch(self, writable=True))

    def kill(self) -> None:
        """See `Child.kill`."""
        self._is_doomed = True
        process = self._process
        # Not yet reaped, which sets `returncode` first: the group is ours.
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    def began(self, ours: socket.socket, process: subprocess.Popen[bytes]) -> None:
        """The process runs: read what it says at our end of its socketpair, which is owned from now on."""
        ours.setblocking(False)
        self._process = process
        self.socket = ours
        if self._is_doomed:
            self.kill()
        self._pipes.call(lambda: self._pipes.add(self))

    def fail(self, exited: Exited) -> None:
        """The process could not be started."""
        self._sink(exited)

    # -- the pipes' thread, and then the burial's -------------------------------------------------

    def read(self) -> bool:
        """Hand out what has come; False at the end of file."""
        return self._read(self.ours)

    def _read(self, ours: socket.socket) -> bool:
        try:
            data = ours.recv(READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if data:
            self._say(data)
        return bool(data)

    def flush(self) -> bool:
        """Write what is left; True if nothing is."""
        with self._lock:
            del self._left[: self._write(self._left)]
            return not self._left

    def bury(self) -> None:
        """Empty the socket of a dead or dying child, kill what is left of its group, reap it."""
        self.kill()
        with self._lock:
            ours, self.socket = self.ours, None
            self._is_buried = True
        # Its end closes with the process; a grandchild that kept it open is dead by the kill.
        ours.settimeout(1.0)
        while self._read(ours):
            pass
        ours.close()
        status = self._process.wait() if self._process else -signal.SIGKILL
        self._sink(Exited(describe(status), status))

    def _say(self, data: bytes) -> None:
        try:
            messages = tuple(self._pipes.decode(frame) for frame in self._decoder.feed(data))
        except WireError:
            # User code wrote to our descriptor: nothing that follows can be trusted.
            self.kill()
            return
        if messages:
            self._sink(Said(messages))

    def _write(self, data: bytes | bytearray) -> int:
        if self._is_buried:
            return len(data)
        if self.socket is None:
            return 0
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)


class Pipes:
    """The sockets of all children; a guest. Thread: `call`, `close` and `kill_all` any, the rest the thread that reads.

    Args:
        encode: a message -> its bytes.
        decode: bytes -> the message; raises `WireError` alone.
        gather: seconds between two reads, which lets many small messages be taken together.
    """

    def __init__(self, encode: Callable[[Any], bytes], decode: Callable[[bytes], Any], gather: float = 0.0) -> None:
        self.encode = encode
        self.decode = decode
        self._gather = gather
        self._selector = selectors.DefaultSelector()
        self._calls: deque[Callable[[], None]] = deque()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._children: dict[PipeProcess, int] = {}
        self._burials: set[threading.Thread] = set()
        self._is_closing = False
        self._has_read = False
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._awake)
        #: Who reads, if we do not.
        self._host: HostThread | None = None
        self._is_moving = False
        self._closed = threading.Event()
        self._thread = self._start_thread()

    def call(self, function: Callable[[], None]) -> None:
        """Let the thread call `function` soon."""
        self._calls.append(function)
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake_write.send(b"\0")

    def close(self, timeout: float) -> None:
        """Kill all children, reap them and end the thread; waits for at most `timeout` seconds."""
        self._is_closing = True
        self.call(lambda: None)
        self._closed.wait(timeout)

    def kill_all(self) -> None:
        """Kill all children."""
        for child in list(self._children):
            child.kill()

    # -- the guest of the network's thread ---------------------------------------------------------

    def arrive(self, host: HostThread) -> None:
        """See `Guest.arrive`: our own thread ends after the round that it is in."""
        self._is_moving = True
        self.call(lambda: None)
        self._thread.join()
        self._is_moving = False
        if not self._closed.is_set():
            self._host = host
            host.watch(self._descriptor, self._hosted_round)
            # Perhaps it was told to close while nobody looked.
            self._hosted_round()

    def run(self) -> bool:
        """See `Guest.run`: there is nothing to do but to read."""
        return False

    def away(self) -> contextlib.AbstractContextManager[object]:
        """See `Guest.away`: nothing to step aside with."""
        return contextlib.nullcontext()

    def leave(self) -> None:
        """See `Guest.leave`."""
        if self._host is not None:
            self._host = None
            self._thread = self._start_thread()

    @property
    def _descriptor(self) -> int:
        # Of epoll and kqueue: readable when one of the sockets is.
        return int(self._selector.fileno())

    def _hosted_round(self) -> None:
        self._round(0.0)
        if self._is_closing and self._host is not None:
            self._host.unwatch(self._descriptor)
            self._host = None
            self._finish()

    # -- on the thread ----------------------------------------------------------------------------

    def add(self, child: PipeProcess) -> None:
        """Read this child from now on."""
        self._selector.register(child.ours, selectors.EVENT_READ, lambda mask: self._ready(child, mask))
        self._children[child] = _pidfd(child.pid)
        if self._children[child] >= 0:
            self._selector.register(self._children[child], selectors.EVENT_READ, lambda _: self._bury(child))
        if child.has_left:
            self.watch(child, writable=True)

    def watch(self, child: PipeProcess, *, writable: bool) -> None:
        """Flush this child's socket when it takes more; or no longer."""
        if child in self._children:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writable else 0)
            self._selector.modify(child.ours, events, lambda mask: self._ready(child, mask))

    def _start_thread(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="actorcloud-pipes", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        while not self._is_closing and not self._is_moving:
            self._round(None)
            if self._has_read and self._gather:
                self._has_read = False
                time.sleep(self._gather)
        if self._is_closing:
            self._finish()

    def _round(self, timeout: float | None) -> None:
        for key, mask in self._selector.select(timeout):
            if key.fd in self._selector.get_map():
                _guarded(key.data, mask)
        while self._calls:
            _guarded(self._calls.popleft())

    def _finish(self) -> None:
        for child in list(self._children):
            child.kill()
            self._bury(child)
        for burial in tuple(self._burials):
            burial.join()
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()
        self._closed.set()

    def _awake(self, _mask: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_read.recv(READ_BYTES)

    def _ready(self, child: PipeProcess, mask: int) -> None:
        if mask & selectors.EVENT_WRITE and child.flush():
            self.watch(child, writable=False)
        if mask & selectors.EVENT_READ:
            self._has_read = True
            if not child.read():
                self._bury(child)

    def _bury(self, child: PipeProcess) -> None:
        pidfd = self._children.pop(child, None)
        if pidfd is None:
            return
        self._selector.unregister(child.ours)
        if pidfd >= 0:
            self._selector.unregister(pidfd)
            os.close(pidfd)
        burial = threading.Thread(target=self._dig, args=(child,), name="actorcloud-burial", daemon=True)
        self._burials.add(burial)
        try:
            burial.start()
        except RuntimeError:
            # The machine gives no thread more, perhaps because of what this very child did: then here.
            self._burials.discard(burial)
            child.bury()

    def _dig(self, child: PipeProcess) -> None:
        try:
            child.bury()
        finally:
            self._burials.discard(threading.current_thread())


def _guarded(function: Callable[..., object], *args: object) -> None:
    try:
        function(*args)
    except Exception:
        # Of one child: the others are still to be read.
        logger.exception("the sockets of child processes: %r failed", function)


def describe(status: int) -> str:
    """Return how a process ended, for people.

    >>> describe(3), describe(-11)
    ('exit code 3', 'signal 11 (SIGSEGV)')
    """
    if status >= 0:
        return f"exit code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = "unknown"
    return f"signal {-status} ({name})"


def _pidfd(pid: int | None) -> int:
    # Linux only, and not in every container; the end of file on the socket tells the same, a little later.
    if pid is None or not hasattr(os, "pidfd_open"):
        return -1
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1

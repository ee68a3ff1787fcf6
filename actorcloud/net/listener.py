"""A bound ROUTER: the door of a head, on ipc for this user's processes or on tcp with CURVE.

The two kinds never share a socket, so that whoever came in by ipc cannot be taken for somebody else.
A connection is (listener, routing id); the ids are libzmq's own, guessable and never kept: authority is
the ZAP user that comes with every frame.

Reference: net-design 1.7, 2.3, 6.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import socket as socket_module
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import cast

import zmq

from actorcloud.base.errors import AddressInUse, ConfigError
from actorcloud.net.dealer import Hub
from actorcloud.net.frames import DONTWAIT, DONTWAIT_MORE, FRAMES_PER_TURN, has_input, skip_rest
from actorcloud.net.keys import private_directory
from actorcloud.net.loop import Loop
from actorcloud.net.monitor import Happened, Monitor
from actorcloud.net.resolver import parse_tcp
from actorcloud.protocol.handshake import is_handshake

#: Seconds that a dismissed peer gets to close its end before we do.
KICK_DELAY = 1.0


def user_of_frame(frame: zmq.Frame) -> str:
    """Return the ZAP user with whom this frame's connection came in; "" if there is none."""
    try:
        user = frame.get("User-Id")
    except zmq.ZMQError:
        return ""
    return user if isinstance(user, str) else ""


class IpcLock:
    """The right to bind one ipc path: libzmq would let a second process steal it silently.

    Args:
        path: of the socket; the lock is beside it and stays there.

    Raises:
        AddressInUse: if another process holds it.
        InsecureKey: if the directory is open to others.
        ConfigError: if the path is too long.
    """

    def __init__(self, path: Path) -> None:
        if len(os.fsencode(path)) > zmq.IPC_PATH_MAX_LEN:
            raise ConfigError(
                f"{path} has {len(os.fsencode(path))} bytes, but a socket's path at most {zmq.IPC_PATH_MAX_LEN}; "
                "use a shorter directory"
            )
        private_directory(path.parent)
        self._fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise AddressInUse(f"another head listens at {path}; use that one, or another path") from None

    def release(self) -> None:
        """Let others bind."""
        os.close(self._fd)


class Listener:
    """One bound ROUTER. Thread: made by the starting thread, then the I/O thread's.

    Args:
        hub: told what happens.
        index: which of the reactor's listeners this is.
        socket: a ROUTER with all its options set, not yet bound.
        endpoint: where to bind.
        clock: monotonic seconds.

    Raises:
        AddressInUse: if another process is there.
        ConfigError: if the endpoint is malformed or not of this machine.
    """

    def __init__(
        self, hub: Hub, index: int, socket: zmq.Socket[bytes], endpoint: str, *, clock: Callable[[], float]
    ) -> None:
        self._hub = hub
        self._index = index
        self._socket = socket
        self._clock = clock
        self._is_ipc = endpoint.startswith("ipc://")
        self._local_user = f"local:{os.geteuid()}"
        self._lock: IpcLock | None = None
        #: Of connections that said hello; both go when the descriptor is closed.
        self._fd_of: dict[bytes, int] = {}
        self._id_of: dict[int, bytes] = {}
        #: (when, routing id, descriptor, who was there), oldest first.
        self._kicks: deque[tuple[float, bytes, int, object]] = deque()
        try:
            if self._is_ipc:
                self._lock = IpcLock(Path(endpoint.removeprefix("ipc://")))
                socket.setsockopt(zmq.IPC_FILTER_UID, os.geteuid())
            self._monitor = Monitor(socket)
        except BaseException:
            socket.close(0)
            raise
        try:
            _bind(socket, endpoint)
        except BaseException:
            self.close()
            raise
        #: As bound, with the real port.
        self.endpoint = _last_endpoint(socket)

    def watch(self, loop: Loop) -> None:
        """Begin."""
        loop.watch(self._socket, self._read)
        loop.watch(self._monitor.socket, self._notice)

    def send(self, routing_id: bytes, frame: bytes) -> None:
        """Put a frame on a connection; one that is gone, or does not read, is reported lost."""
        try:
            # Not `send_multipart`, which looks at every part first.
            self._socket.send(routing_id, DONTWAIT_MORE)
            self._socket.send(frame, DONTWAIT)
        except zmq.Again:
            # The link's window is below the high-water mark: an honest peer never gets here.
            self.kick(routing_id)
            self._hub.on_lost((self._index, routing_id), "", "it does not read")
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self._forget(routing_id)
            self._hub.on_lost((self._index, routing_id), "", "")

    def kick(self, routing_id: bytes) -> None:
        """Close a connection in a moment, if the other end does not; libzmq has no call for it."""
        fd = self._fd_of.get(routing_id)
        if fd is not None and not self._is_ipc:
            self._kicks.append((self._clock() + KICK_DELAY, routing_id, fd, _peer_of(fd)))

    def sweep(self, now: float) -> None:
        """Close those whose moment is over."""
        while self._kicks and self._kicks[0][0] <= now:
            _, routing_id, fd, who = self._kicks.popleft()
            # Descriptors are used again: it must still be the same connection.
            if self._fd_of.get(routing_id) == fd and who is not None and _peer_of(fd) == who:
                _shut(fd)

    def close(self, linger_ms: int = 0) -> None:
        """Close both sockets and let others bind."""
        self._monitor.close()
        self._socket.close(linger_ms)
        if self._lock is not None:
            self._lock.release()

    def _read(self) -> None:
        for _ in range(FRAMES_PER_TURN):
            try:
                routing_id = self._socket.recv(DONTWAIT)
            except zmq.Again:
                return
            # libzmq hands out whole messages: the frame is there.
            part = self._socket.recv(DONTWAIT, copy=False)
            if part.more:
                self._hub.on_stranger("frames", f"a message of {1 + skip_rest(self._socket)} frames; ours have one")
                continue
            user = self._local_user if self._is_ipc else user_of_frame(part)
            if not user:
                self._hub.on_stranger("user", "a frame without a ZAP user was dropped")
                continue
            frame = part.bytes
            if is_handshake(frame):
                self._note(routing_id, int(part.get(zmq.SRCFD)))
            self._hub.on_frame((self._index, routing_id), user, frame)
            if not has_input(self._socket):
                return

    def _notice(self) -> None:
        for notice in self._monitor.read():
            if notice.happened is Happened.DISCONNECTED:
                routing_id = self._id_of.get(notice.value)
                if routing_id is not None:
                    # Only a hint, since descriptors are used again: sending tells (EHOSTUNREACH).
                    self._read()
                    self._hub.on_hint((self._index, routing_id))
            elif notice.happened in {Happened.REFUSED, Happened.BROKEN_HANDSHAKE} and not self._is_ipc:
                # Over ipc it is a program of this user's that looks whether a head listens.
                self._hub.on_stranger("handshake", f"somebody at {self.endpoint} was no peer: {notice.text}")

    def _note(self, routing_id: bytes, fd: int) -> None:
        older = self._id_of.get(fd)
        if older is not None:
            self._fd_of.pop(older, None)
        self._id_of[fd] = routing_id
        self._fd_of[routing_id] = fd

    def _forget(self, routing_id: bytes) -> None:
        fd = self._fd_of.pop(routing_id, None)
        if fd is not None:
            self._id_of.pop(fd, None)


def _bind(socket: zmq.Socket[bytes], endpoint: str) -> None:
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        if error.errno == zmq.EADDRINUSE:
            raise AddressInUse(
                f"{endpoint} is in use by another process; choose another port (--listen HOST:PORT)"
            ) from error
        if endpoint.startswith("tcp://") and error.errno in {errno.EADDRNOTAVAIL, errno.ENODEV}:
            host, port = parse_tcp(endpoint)
            text = f"this machine has no address {host}; --listen 0.0.0.0:{port} listens at all that it has"
            raise ConfigError(f"cannot listen at {endpoint}: {text}") from error
        raise ConfigError(f"cannot listen at {endpoint}: {error}") from error


def _last_endpoint(socket: zmq.Socket[bytes]) -> str:
    endpoint = cast("bytes", socket.getsockopt(zmq.LAST_ENDPOINT))
    text = endpoint.rstrip(b"\0").decode()
    # A dual-stack socket shows IPv4 addresses in IPv6's clothes.
    return re.sub(r"\[::ffff:([0-9.]+)\]", r"\1", text)


def _copy(fd: int) -> socket_module.socket | None:
    """Return a socket object on a duplicate of `fd`; None if that is no socket any more."""
    copy = -1
    try:
        copy = os.dup(fd)
        return socket_module.socket(fileno=copy)
    except OSError:
        if copy >= 0:
            os.close(copy)
        return None


def _peer_of(fd: int) -> object:
    copy = _copy(fd)
    if copy is None:
        return None
    with copy:
        try:
            return copy.getpeername()
        except OSError:
            return None


def _shut(fd: int) -> None:
    copy = _copy(fd)
    if copy is not None:
        with copy, contextlib.suppress(OSError):
            copy.shutdown(socket_module.SHUT_RDWR)

"""Messages over an inherited socketpair: a 4-byte length, then the bytes.

::

    | length, u32 little endian | message |

A child reads and writes with blocking calls; its parent has one thread for all pipes, see `pipes`. The
end of the process at the other side is the end of the stream, seen at once.

Reference: net-design 4.1, "worker link".
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator, Sequence

from actorcloud.base.errors import MessageTooLarge, WireError

#: The largest message; as on a link, and a little for what wraps it.
PIPE_LIMIT_BYTES = 17 * 1024 * 1024

_LENGTH = struct.Struct("<I")

#: Read at once; a pipe's kernel buffer is about 200 KiB.
_READ_BYTES = 256 * 1024


class PipeClosed(EOFError):
    """The process at the other end is gone."""


def encode_frame(message: bytes) -> bytes:
    """Return `message` with its length in front.

    Raises:
        MessageTooLarge: if it is longer than `PIPE_LIMIT_BYTES`.
    """
    if len(message) > PIPE_LIMIT_BYTES:
        raise MessageTooLarge(f"a message of {len(message)} bytes is larger than the pipe's {PIPE_LIMIT_BYTES}")
    return _LENGTH.pack(len(message)) + message


class PipeDecoder:
    """Cuts a stream of bytes into messages. Pure.

    >>> decoder = PipeDecoder()
    >>> decoder.feed(encode_frame(b"one") + encode_frame(b"two")[:5])
    [b'one']
    >>> decoder.feed(b"wo")
    [b'two']
    """

    def __init__(self, limit_bytes: int = PIPE_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        """How much of a message that is not whole has come."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take in what was read.

        Returns:
            The messages that are whole now, in order.

        Raises:
            WireError: if a length is beyond the limit; the stream is of no use any more.
        """
        buffer = self._buffer
        buffer += data
        messages: list[bytes] = []
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length > self._limit_bytes:
                raise WireError(f"a message of {length} bytes is announced; the pipe's limit is {self._limit_bytes}")
            end = start + _LENGTH.size + length
            if len(buffer) < end:
                break
            messages.append(bytes(memoryview(buffer)[start + _LENGTH.size : end]))
            start = end
        del buffer[:start]
        return messages


class Pipe:
    """One end of a socketpair. Owns the socket.

    Thread: `send` any; `receive` one; `close` any, and it wakes a `receive` that waits.

    Args:
        end: a connected, blocking stream socket.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(True)
        self._socket = end
        self._decoder = PipeDecoder()
        self._lock = threading.Lock()  # held while writing, so that messages of two threads do not mix

    def __repr__(self) -> str:
        return f"<Pipe fd={self._socket.fileno()}>"

    def fileno(self) -> int:
        """Return the descriptor; -1 once closed."""
        return self._socket.fileno()

    def send(self, messages: Sequence[bytes]) -> None:
        """Write messages, in one piece.

        Raises:
            PipeClosed: if the other end is gone.
            MessageTooLarge: if one is too long; none was written.

        Blocks: while the other end does not read and the kernel's buffer is full.
        """
        data = b"".join(map(encode_frame, messages))
        try:
            with self._lock:
                self._socket.sendall(data)
        except OSError as error:
            raise PipeClosed(f"the process at the other end is gone ({error.strerror})") from error

    def receive(self) -> list[bytes]:
        """Return the next messages, at least one.

        Raises:
            PipeClosed: if the other end is gone and all its messages were received.
            WireError: if its bytes are no messages.

        Blocks: until there is one.
        """
        while True:
            try:
                data = self._socket.recv(_READ_BYTES)
            except OSError as error:
                raise PipeClosed(f"the pipe was closed ({error.strerror})") from error
            if not data:
                raise PipeClosed("the process at the other end is gone")
            messages = self._decoder.feed(data)
            if messages:
                return messages

    def __iter__(self) -> Iterator[bytes]:
        """Yield messages until the other end is gone."""
        while True:
            try:
                messages = self.receive()
            except PipeClosed:
                return
            yield from messages

    def close(self) -> None:
        """Close this end; the other sees the end of the stream."""
        # The other end may be gone already, or this one closed before.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

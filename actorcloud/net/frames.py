"""What listeners and dealers share about reading and writing frames.

The flags are plain numbers: an operation on pyzmq's enums costs more than the call it is for.
"""

from __future__ import annotations

from typing import Final

import zmq

#: Frames read from one socket in one turn, so that one peer cannot starve the others.
FRAMES_PER_TURN = 500

#: Flags of send and recv: never block; and another part follows.
DONTWAIT: Final = int(zmq.DONTWAIT)
DONTWAIT_MORE: Final = int(zmq.DONTWAIT | zmq.SNDMORE)

_EVENTS: Final = zmq.EVENTS
_POLLIN: Final = int(zmq.POLLIN)


def has_input(socket: zmq.Socket[bytes]) -> bool:
    """Tell whether a frame can be read: a look costs less than half of a `zmq.Again`."""
    return bool(int(socket.getsockopt(_EVENTS)) & _POLLIN)


def skip_rest(socket: zmq.Socket[bytes]) -> int:
    """Throw away the rest of a message that has begun; returns its number of frames."""
    count = 0
    while socket.getsockopt(zmq.RCVMORE):
        socket.recv(DONTWAIT)
        count += 1
    return count

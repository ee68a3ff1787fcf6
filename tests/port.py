"""Ports for what the tests start: nobody else has them before they are used, nor while who had one is away."""

from __future__ import annotations

import itertools
import os
import socket

#: Below the range from which systems give ports away: to sockets that name none, and to each connection that is made.
_FIRST = 10_000

#: Ports of one process, and of how many processes at a time: their numbers are mostly close to each other.
_OWN, _PROCESSES = 22, 1_000

_turns = itertools.count()


def free_port() -> int:
    """Return a port of the loopback at which nobody listens; another one each time, as far as there are."""
    first = _FIRST + os.getpid() % _PROCESSES * _OWN
    for turn in itertools.islice(_turns, _OWN):
        port = first + turn % _OWN
        with socket.socket() as probe:
            # As whoever will listen does: what a connection of before has left is no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"all ports from {first} to {first + _OWN - 1} are taken")

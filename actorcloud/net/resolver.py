"""Turns the host names of endpoints into addresses, away from the I/O thread.

libzmq would resolve inside its own I/O thread and stall every socket of the process meanwhile
(net-design 1.8). Each look-up has a short-lived thread; there is at most one for each name.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable

from actorcloud.base.errors import AddressInUse, ConfigError


def parse_tcp(endpoint: str) -> tuple[str, str]:
    """Return (host, port) of `tcp://host:port`; brackets of IPv6 addresses removed.

    Raises:
        ConfigError: if it is something else.
    """
    host, separator, port = endpoint.removeprefix("tcp://").rpartition(":")
    if not endpoint.startswith("tcp://") or not separator or not host or not (port.isdigit() or port == "*"):
        raise ConfigError(f"{endpoint!r} is no endpoint; it looks like tcp://host:7710 or ipc:///path")
    return host.removeprefix("[").removesuffix("]"), port


def is_literal(host: str) -> bool:
    """Tell whether `host` is an address and needs no look-up."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def probe_port(endpoint: str) -> None:
    """Find out at the start, not in a log, that a listening node's port is taken.

    Raises:
        AddressInUse: if it is.
        ConfigError: if its port is `*`: the head could not find it.
    """
    host, port = parse_tcp(endpoint)
    if port == "*":
        raise ConfigError(f"{endpoint}: a node that waits for its head needs a fixed port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("" if host == "*" else host, int(port)))
        except OSError as error:
            raise AddressInUse(f"{endpoint} cannot be bound: {error.strerror}; choose another address") from error


class Resolver:
    """Looks names up. Thread: `resolve` the I/O thread's; `reply` is called in a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _pending
        self._pending: set[str] = set()

    def resolve(self, endpoint: str, reply: Callable[[str | None, str], None]) -> bool:
        """Find an address for `endpoint`.

        Args:
            endpoint: `tcp://name:port`.
            reply: called later with (endpoint with an address, "") or (None, why not).

        Returns:
            False if the last look-up of this name is still under way.
        """
        host, port = parse_tcp(endpoint)
        with self._lock:
            if host in self._pending:
                return False
            self._pending.add(host)
        threading.Thread(
            target=self._look_up, args=(host, port, reply), name=f"actorcloud-resolve-{host}", daemon=True
        ).start()
        return True

    def _look_up(self, host: str, port: str, reply: Callable[[str | None, str], None]) -> None:
        try:
            found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
            address = str(found[0][4][0])
            answer: tuple[str | None, str] = (
                f"tcp://[{address}]:{port}" if ":" in address else f"tcp://{address}:{port}",
                "",
            )
        except OSError as error:
            answer = (None, f"{host} cannot be resolved: {error}")
        with self._lock:
            self._pending.discard(host)
        reply(*answer)

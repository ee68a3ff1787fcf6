"""Who uses a private head: it ends when the last client has left.

A client has left when it has said goodbye, or when its process is dead; never by a disconnect alone
(design 6.1, rule 1). A client that was stopped by a debugger is still a client. While the core
restarts nobody hears who goes: all are away then, until they are back.

Owns a descriptor for each client's process. A new head begins with no clients, and waits for the first.

Reference: pidfd_open(2).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from actorcloud.actor import Actor, ActorRef, Down
from actorcloud.base.poll import wait_readable
from actorcloud.base.ports import PeerDown, PeerSuspect, PeerUp

#: Seconds that a head waits for its first client.
FIRST_CLIENT_TIMEOUT = 60.0

#: Seconds between two looks at clients that are away.
LOOK_EVERY = 1.0

#: No process id is longer.
PID_DIGITS = 10


class _Look(msgspec.Struct, frozen=True):
    """To itself: is a client that is away dead?"""


class _NobodyCame(msgspec.Struct, frozen=True):
    """To itself: the time of the first client is over."""


class Life(Protocol):
    """The life of a process that is not our child."""

    def is_over(self) -> bool:
        """Tell whether it has ended."""
        ...

    def close(self) -> None:
        """Want to know no more."""
        ...


class Clients(Actor):
    """Child of the root, where a client started this head.

    Args:
        end: called once, when the last client has left; must not block.
        gateway: through which clients come and go; one after the other may have the name.
        watch: pid -> the life of that process.
    """

    #: So that `on_stop` runs when the core restarts: each life holds a descriptor.
    trap_exit = True

    def __init__(
        self, end: Callable[[], object], gateway: ActorRef[Any], watch: Callable[[int], Life] | None = None
    ) -> None:
        self._end = end
        self._gateway = gateway
        self._is_watching = False
        self._watch = watch or ProcessLife
        #: By name.
        self._here: dict[str, Life] = {}
        self._away: set[str] = set()
        self._is_looking = False
        self.send_after(FIRST_CLIENT_TIMEOUT, _NobodyCame())

    def on_receive(self, message: object) -> None:
        """Note who comes and goes."""
        match message:
            case PeerUp(peer, "client"):
                self._came(peer.name, _pid(message.facts.get("pid", "")))
            case PeerDown(peer) if message.has_left:
                self._left(peer.name)
            case PeerSuspect(peer) | PeerDown(peer) if peer.name in self._here:
                self._away.add(peer.name)
            case _Look():
                self._is_looking = False
                for name in [name for name in self._away if self._here[name].is_over()]:
                    self._left(name)
            case _NobodyCame() if not self._here:
                self._end()
        self._look_again()

    def on_down(self, message: Down) -> None:  # noqa: ARG002  the only one it can be is the gateway's
        """Nobody says goodbye to a gateway that has ended."""
        self._is_watching = False
        self._away.update(self._here)
        self._look_again()

    def on_stop(self) -> None:
        """Forget all."""
        for life in self._here.values():
            life.close()

    def _look_again(self) -> None:
        if self._away and not self._is_looking:
            self._is_looking = True
            self.send_after(LOOK_EVERY, _Look())

    def _came(self, name: str, pid: int) -> None:
        if not self._is_watching:
            self._is_watching = True
            self.monitor(self._gateway)
        self._away.discard(name)
        if name not in self._here:
            self._here[name] = self._watch(pid)

    def _left(self, name: str) -> None:
        self._away.discard(name)
        life = self._here.pop(name, None)
        if life is None:
            return
        life.close()
        if not self._here:
            self._end()


def _pid(text: str) -> int:
    # What a client tells of itself is not trusted to be a number.
    return int(text) if text.isdecimal() and len(text) <= PID_DIGITS else 0


class ProcessLife:
    """See `Life`: by a descriptor where the kernel has them, since a number may soon be another process's.

    Args:
        pid: of a process of this machine.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._descriptor = -1
        if pid > 0 and hasattr(os, "pidfd_open"):
            try:
                self._descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                self._pid = 0
            except OSError:  # no descriptor left, or forbidden in this container
                self._descriptor = -1

    def is_over(self) -> bool:
        """See `Life.is_over`; also true of a process that has ended and was not buried."""
        if self._descriptor >= 0:
            return bool(wait_readable(self._descriptor, seconds=0))
        if self._pid <= 0:
            return True
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def close(self) -> None:
        """See `Life.close`."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

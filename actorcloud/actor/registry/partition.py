"""Partitions: the actors a registry consists of.

A partition owns a table, which lives as long as it does, and hands out the locks of its keys, one
holder at a time, in the order in which they were asked for. Registering writes to the table without
asking the partition; but it links, so that the loss of a table takes along who was registered there,
and their supervisors start them anew.

Reference: Elixir's `Registry.Partition`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Any, ClassVar

import msgspec

from actorcloud.actor.actor import Actor
from actorcloud.actor.errors import CallingSelf
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.mailbox.mailbox import NoReply
from actorcloud.actor.registry.key import exact
from actorcloud.actor.registry.table import Table
from actorcloud.actor.signals import Down, Exit, MonitorRef
from actorcloud.actor.thread.context import GUARD


class Lock(msgspec.Struct, frozen=True, eq=False):
    """Answer when nobody else has the lock of this key."""

    key: Any
    #: Tells this request from all others of the process.
    token: int
    #: The ref of who asks; None for a thread that is no actor.
    owner: Any


class Unlock(msgspec.Struct, frozen=True, eq=False):
    """The request of this token is over, granted or not."""

    key: Any
    token: int


class _Claim:
    """A lock that is held or waited for."""

    __slots__ = ("monitor", "owner", "reply_to", "token")

    def __init__(self, request: Lock, monitor: MonitorRef | None, reply_to: ReplyTo | None) -> None:
        self.token = request.token
        self.owner = request.owner
        self.monitor = monitor
        self.reply_to = reply_to


class Partition(Actor):
    """Owns the table of one partition, and the locks of its keys.

    Args:
        tables: where the table is put.
        index: at which place.
    """

    inline: ClassVar[bool] = True
    trap_exit = True

    def __init__(self, tables: list[Table], index: int) -> None:
        table = Table(self.actor_ref)
        with GUARD:
            self.system.names.list_in(table, self._cell)
        tables[index] = table
        #: Exact key -> who has the lock, and behind it those who wait; as many as there are callers.
        self._claims: dict[Hashable, deque[_Claim]] = {}
        self._watched: dict[MonitorRef, tuple[Hashable, int]] = {}

    def on_receive(self, message: Any) -> Any:
        """Serve `Lock` and `Unlock`."""
        match message:
            case Lock():
                return self._lock(message)
            case Unlock(key, token):
                return self._unlock(exact(key), token)
        return super().on_receive(message)

    def on_exit(self, message: Exit) -> None:
        """Let those who were registered go; the table knows it already."""

    def on_down(self, message: Down) -> None:
        """Pass the lock of a dead holder on; forget a dead waiter."""
        self._unlock(*self._watched[message.ref])

    def _lock(self, request: Lock) -> Any:
        key, owner = exact(request.key), request.owner
        claims = self._claims.setdefault(key, deque())
        if owner is not None and claims and claims[0].owner == owner:
            error = CallingSelf(f"{owner} has the lock of {request.key!r} already, and would wait for itself")
            self.reply(self._asker(), error)
            return NoReply
        monitor = None
        if owner is not None:
            monitor = self.monitor(owner)
            self._watched[monitor] = key, request.token
        claims.append(_Claim(request, monitor, self.sender))
        return None if len(claims) == 1 else NoReply

    def _unlock(self, key: Hashable, token: int) -> None:
        claims = self._claims.get(key, deque())
        claim = next((claim for claim in claims if claim.token == token), None)
        if claim is None:
            return  # it was over already: its owner died, or it was never granted
        was_held = claim is claims[0]
        claims.remove(claim)
        if claim.monitor is not None:
            del self._watched[claim.monitor]
            self.demonitor(claim.monitor)
        if not claims:
            del self._claims[key]
        elif was_held and claims[0].reply_to is not None:
            self.reply(claims[0].reply_to)

    def _asker(self) -> ReplyTo:
        assert self.sender is not None, "a lock is asked for"
        return self.sender

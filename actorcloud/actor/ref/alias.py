"""Aliases: addresses that an actor takes back, so that a late answer finds nobody.

An alias names its owner for as long as it is active. Once it is not, what is sent through it is
dropped before it enters the mailbox; what had come through before stays.

Thread: any. Reference: Erlang's `alias/1`; otp-semantics 1.10.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Literal

import msgspec

from actorcloud.actor.cell import tracing
from actorcloud.actor.mailbox.extra import Extra, Tie
from actorcloud.actor.mailbox.mail import BoundedMail, CopiedMail
from actorcloud.actor.mailbox.mailbox import BUSY, DEAD, Mailbox
from actorcloud.actor.signals import Demonitor, MonitorRef
from actorcloud.actor.thread.context import GUARD, fenced
from actorcloud.base.errors import ActorError

#: "explicit": until `unalias`. "reply": until the first message has come through.
Mode = Literal["explicit", "reply"]


class Alias(msgspec.Struct, frozen=True):
    """An address of an actor that the actor can take back; see `Actor.alias`."""

    #: The `ActorRef` of who gets the messages.
    owner: Any
    #: Cannot be guessed: who was not given the alias has none.
    serial: int

    def tell(self, message: Any) -> None:
        """Send a message to the owner; dropped silently unless the alias is active.

        Raises:
            ActorExit: the sender itself was told to exit.
            ActorError: the owner lives on another peer.
        """
        if fenced:
            tracing.pass_fence(self.owner, message)
        if not self.owner._is_local:  # noqa: SLF001  one package
            raise ActorError(f"{self.owner} lives on another peer; an alias reaches only actors of this process")
        _pass_through(self.owner._cell, self.serial, message)  # noqa: SLF001  one package


def activate(cell: Mailbox, serial: int, mode: Mode, monitor: MonitorRef | None) -> Alias:
    """Make an alias of `cell`; one that would end with a monitor that has fired is never active.

    Raises:
        ValueError: there is no such mode.
    """
    if mode not in {"explicit", "reply"}:
        raise ValueError(f"an alias is 'explicit' or 'reply', not {mode!r}")
    with GUARD:
        if monitor is None or (cell.watching is not None and monitor in cell.watching):
            if cell.extra is None:
                cell.extra = Extra()
            cell.extra.aliases[serial] = Tie(mode == "reply", monitor)
    return Alias(cell.ref, serial)


def deactivate(cell: Mailbox, alias: Alias) -> bool:
    """Take an alias of `cell` back; True if it was active and its own."""
    with GUARD:
        return cell.extra is not None and cell.extra.aliases.pop(alias.serial, None) is not None


def _pass_through(cell: Mailbox, serial: int, message: Any) -> None:
    with GUARD:
        mail = cell.open_mail()
    if isinstance(mail, CopiedMail):
        # Before the lock: it runs the user's code.
        message = mail.copied(message)
    watched = None
    with GUARD:
        extra = cell.extra
        tie = None if extra is None or cell.state == DEAD or cell.exiting else extra.aliases.get(serial)
        if tie is None:
            return
        if extra is not None and tie.is_reply:
            del extra.aliases[serial]
            if tie.monitor is not None and cell.watching is not None:
                watched = cell.watching.pop(tie.monitor, None)
        # Together with the look: after `unalias` has returned nothing comes through.
        deque.append(mail, message)
    if watched is not None and tie.monitor is not None:
        watched.signal(Demonitor(tie.monitor))
    if isinstance(mail, BoundedMail):
        mail.check()
    if cell.state != BUSY:
        cell.wake()

"""The death of an actor: what happens at once, whoever brings it about.

Functions over cells. They run on whatever thread ends the actor; nothing is sent while `GUARD` is held.

In this order: no user code and no mail any more; name, registration and timers released; only then
exit signals to links and `Down` to monitors; then the mail that is left is refused. So whoever hears
of a death finds the name free.

Reference: otp-semantics 1.4-1.7.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from actorcloud.actor.cell import life, tracing
from actorcloud.actor.mailbox.mailbox import BUSY, DEAD, Mailbox
from actorcloud.actor.signals import Demonitor, Down, DownSignal, ExitSignal, MonitorRef, Signal, Target
from actorcloud.actor.thread.context import GUARD, fenced
from actorcloud.base.exits import ExitReason
from actorcloud.base.ids import ActorId

logger = logging.getLogger("actorcloud.actor")


class _Estate(NamedTuple):
    """What the dead leave behind."""

    links: dict[ActorId, Any] | None
    monitors: dict[MonitorRef, tuple[Any, object]] | None
    watching: dict[MonitorRef, Any] | None
    timers: dict[Any, None] | None


def die(cell: Mailbox, reason: object) -> bool:
    """End `cell` with `reason`; False if it had ended already. Thread: any."""
    with GUARD:
        if cell.state == DEAD:
            return False
        estate = _bury(cell, reason)
        fenced.discard(cell)
    _settle(cell, reason, estate)
    return True


def kill(cell: Mailbox) -> None:
    """End `cell` with `KILLED`, also while its handler runs: the handler goes on fenced, as a zombie."""
    estate = None
    with GUARD:
        if cell.state == DEAD:
            return
        is_at_work = cell.is_at_work_elsewhere() and _fence(cell)
        if not is_at_work:
            # A turn that begins now says so in `thread` and then looks at `urgent`: one of us sees the other.
            doom(cell, ExitReason.KILLED)
            is_at_work = cell.is_at_work_elsewhere() and _fence(cell)
        if is_at_work:
            cell.system.add_zombie(cell)
            estate = _bury(cell, ExitReason.KILLED)
    if estate is not None:
        if cell.latch is None:  # else it waits in a call of ours, which ends now
            logger.warning("%s was killed while its handler runs; the handler goes on, cut off", cell.ref)
        life.tell_zombie_start(cell)
        _settle(cell, ExitReason.KILLED, estate)
    interrupt(cell)


def _fence(cell: Mailbox) -> bool:
    """Under GUARD: keep the handler of `cell` from doing anything more; False if it has come back meanwhile.

    A turn ends without a lock: it says so in `thread` and then looks for fences. Here the fence is put up
    first and `thread` looked at again, so that one of the two sees the other.
    """
    thread = cell.thread
    if thread is None:
        return cell.is_at_work_elsewhere()  # suspended: there is no thread to fence
    fenced.add(cell)
    if cell.thread == thread:
        return True
    fenced.discard(cell)
    return False


def _bury(cell: Mailbox, reason: object) -> _Estate:
    """Under GUARD: be dead, with name and registration released."""
    cell.reason = reason
    cell.bury()
    cell.urgent = True
    estate = _Estate(cell.links, cell.monitors, cell.watching, cell.timers)
    cell.links = cell.monitors = cell.watching = cell.timers = cell.downs = None
    cell.system.forget(cell)
    return estate


def _settle(cell: Mailbox, reason: object, estate: _Estate) -> None:
    """Tell whom it concerns; then refuse the mail that is left."""
    if tracing.followed:
        tracing.note("exit", cell, None, reason)
    for timer in estate.timers or ():
        timer.cancel()
    me = cell.ref
    for peer in (estate.links or {}).values():
        _send(peer, ExitSignal(me, reason, linked=True))
    for ref, (watcher, target) in (estate.monitors or {}).items():
        _send(watcher, DownSignal(Down(ref, target, reason)))
    for ref, peer in (estate.watching or {}).items():
        _send(peer, Demonitor(ref))
    cell.refuse_all(reason)
    life.tell_stop(cell, reason)


def _send(target: Target, signal: Signal) -> None:
    try:
        target.signal(signal)
    except Exception:
        # One peer that cannot be told must not keep the others from being told.
        logger.exception("%r could not be sent to %r", signal, target)


def doom(cell: Mailbox, reason: object) -> None:
    """Under GUARD: let `cell` die at the next chance; the first reason counts."""
    if cell.exiting is None:
        cell.exiting = (reason,)
        cell.urgent = True
        if cell.thread is not None:
            _fence(cell)
        if cell.thread is not None or cell.is_at_work_elsewhere():
            cell.close_mail()


def interrupt(cell: Mailbox) -> None:
    """Let `cell` see soon that it is to end, although it rests or waits. Thread: any."""
    if cell.state != BUSY:
        cell.wake()
    latch = cell.latch
    if latch is not None:
        latch.set()

"""What binds actors: links, monitors, exit signals, and the order in which one dies.

Functions over cells. They run on whatever thread sends the signal or ends the actor; the bonds
are guarded by `GUARD`, and nothing is sent while it is held.

Death, in this order: no user code and no mail any more; name, registration and timers released;
only then exit signals to links and `Down` to monitors; then the mail that is left is refused. So
whoever hears of a death finds the name free.

Reference: otp-semantics 1.4-1.7.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from actorcloud.actor.cell import life, tracing
from actorcloud.actor.cell.instrument import REQUESTS_LIMIT, Instrument
from actorcloud.actor.mailbox.mailbox import BUSY, DEAD, Mailbox
from actorcloud.actor.signals import (
    Addressed,
    Demonitor,
    Down,
    DownSignal,
    Exit,
    ExitSignal,
    Link,
    Monitor,
    MonitorRef,
    Signal,
    SystemRequest,
    Target,
    Unlink,
    Verdict,
    judge_exit,
)
from actorcloud.actor.thread.context import GUARD, fenced
from actorcloud.base.errors import ActorError
from actorcloud.base.exits import ExitReason
from actorcloud.base.ids import ActorId

logger = logging.getLogger("actorcloud.actor")


class Muffled:
    """The far end of a link through which no `Exit` message comes.

    The end of `cell` itself goes through it as through any link.

    Args:
        peer: the far end.
        is_deadly: its end still ends an actor that does not trap exits.
    """

    __slots__ = ("is_deadly", "peer")

    def __init__(self, peer: Addressed, *, is_deadly: bool) -> None:
        self.peer = peer
        self.is_deadly = is_deadly

    @property
    def id(self) -> ActorId:
        """Who it is."""
        return self.peer.id

    def __str__(self) -> str:
        return str(self.peer)

    def signal(self, signal: Signal) -> None:
        """See `Target`."""
        self.peer.signal(signal)


def receive(cell: Mailbox, signal: Signal) -> None:
    """Let `signal` take effect at `cell`. Thread: any; never blocks, never raises."""
    match signal:
        case ExitSignal():
            _take_exit(cell, signal)
        case DownSignal(down):
            _take_down(cell, down)
        case Monitor():
            _take_monitor(cell, signal)
        case Demonitor(ref):
            with GUARD:
                if cell.monitors:
                    cell.monitors.pop(ref, None)
        case Link(sender):
            _take_link(cell, sender)
        case Unlink(sender):
            with GUARD:
                was_linked = cell.links is not None and cell.links.pop(sender.id, None) is not None
            if was_linked and tracing.followed:
                tracing.note("unlink", cell, sender)
        case SystemRequest():
            _take_request(cell, signal)


def link(cell: Mailbox, peer: Any) -> bool:
    """Link `cell` with `peer`, which may be `Muffled`; one that is gone answers with an exit signal `NOPROC`.

    Returns:
        False if `cell` itself is dead, killed while its handler runs; then nothing is bound.
    """
    if peer.id == cell.id:
        return True
    with GUARD:
        if cell.state == DEAD:
            return False
        if cell.links is None:
            cell.links = {}
        known = peer.id in cell.links
        cell.links[peer.id] = peer
    if not known:
        if tracing.followed:
            tracing.note("link", cell, peer)
        peer.signal(Link(cell.ref))
        if cell.state == DEAD:
            # Killed in between: the exit came to a peer that knew of no link, and was dropped there.
            peer.signal(ExitSignal(cell.ref, cell.reason, linked=True))
    return True


def unlink(cell: Mailbox, peer: Any) -> None:
    """Take the link away on both sides; no `Exit` caused by it comes after this returns."""
    with GUARD:
        known = cell.links is not None and cell.links.pop(peer.id, None) is not None
    if known:
        if tracing.followed:
            tracing.note("unlink", cell, peer)
        peer.signal(Unlink(cell.ref))


def monitor(cell: Mailbox, ref: MonitorRef, peer: Target, target: object) -> None:
    """Make `cell` watch `peer` under `ref`; `Down.target` will be `target`."""
    with GUARD:
        if cell.watching is None:
            cell.watching = {}
        cell.watching[ref] = peer
    peer.signal(Monitor(ref, cell.ref, target))


def demonitor(cell: Mailbox, ref: MonitorRef, *, flush: bool) -> bool:
    """Stop watching; True if the monitor had not fired. `flush` also drops a `Down` that is queued.

    Raises:
        ActorError: another made this monitor.
    """
    if ref.watcher != cell.id:
        maker = "code outside actors" if ref.watcher is None else str(ref.watcher)
        raise ActorError(f"monitor {ref.serial} was made by {maker}; only its maker may take it back, not {cell.ref}")
    with GUARD:
        peer = None if cell.watching is None else cell.watching.pop(ref, None)
        if peer is None and flush and cell.downs:
            cell.downs.discard(ref)
        if cell.extra is not None:
            cell.extra.drop_tied(ref)
    if peer is None:
        return False
    peer.signal(Demonitor(ref))
    return True


def flush_exits(cell: Mailbox, peer: Any) -> None:
    """Drop the `Exit` messages of `peer` that are queued. Thread: the one that runs `cell`."""
    flush(cell, lambda message: type(message) is Exit and message.sender == peer)


def flush(cell: Mailbox, is_unwanted: Callable[[Any], bool]) -> None:
    """Drop messages that are queued. Thread: the one that runs `cell`."""
    mail = cell.mail
    index = 0
    while mail and index < len(mail):
        # Only this thread takes messages out, so what is before `index` stays there.
        if is_unwanted(mail[index]):
            del mail[index]
        else:
            index += 1


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
            _doom(cell, ExitReason.KILLED)
            is_at_work = cell.is_at_work_elsewhere() and _fence(cell)
        if is_at_work:
            cell.system.add_zombie(cell)
            estate = _bury(cell, ExitReason.KILLED)
    if estate is not None:
        if cell.latch is None:  # else it waits in a call of ours, which ends now
            logger.warning("%s was killed while its handler runs; the handler goes on, cut off", cell.ref)
        life.tell_zombie_start(cell)
        _settle(cell, ExitReason.KILLED, estate)
    _interrupt(cell)


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


def _take_exit(cell: Mailbox, signal: ExitSignal) -> None:
    sender, linked = signal.sender, signal.linked
    is_kill = signal.reason is ExitReason.KILL and not linked
    # The user's, perhaps a property: nothing of theirs is called under the lock.
    trapping = cell.is_trapping()
    with GUARD:
        if cell.state == DEAD:
            return
        peer = cell.links.pop(sender.id, None) if linked and cell.links is not None else None
        from_self = sender is not None and sender.id == cell.id
        verdict, reason = judge_exit(
            signal.reason, linked=linked, active=peer is not None, from_self=from_self, trapping=trapping
        )
        if isinstance(peer, Muffled) and (verdict is Verdict.DELIVER or not peer.is_deadly):
            verdict = Verdict.DROP
        if verdict is Verdict.DELIVER:
            deque.append(cell.open_mail(), Exit(sender, reason))
        elif verdict is Verdict.DIE and not is_kill:
            _doom(cell, reason)
    if is_kill:
        kill(cell)
    elif verdict is Verdict.DIE:
        _interrupt(cell)
    elif verdict is Verdict.DELIVER and cell.state != BUSY:
        cell.wake()


def _doom(cell: Mailbox, reason: object) -> None:
    """Under GUARD: let `cell` die at the next chance; the first reason counts."""
    if cell.exiting is None:
        cell.exiting = (reason,)
        cell.urgent = True
        if cell.thread is not None:
            _fence(cell)
        if cell.thread is not None or cell.is_at_work_elsewhere():
            cell.close_mail()


def _interrupt(cell: Mailbox) -> None:
    if cell.state != BUSY:
        cell.wake()
    latch = cell.latch
    if latch is not None:
        latch.set()


def _take_down(cell: Mailbox, down: Down) -> None:
    with GUARD:
        if cell.state == DEAD or cell.watching is None or cell.watching.pop(down.ref, None) is None:
            return
        if cell.downs is None:
            cell.downs = set()
        cell.downs.add(down.ref)
        if cell.extra is not None:
            cell.extra.drop_tied(down.ref)
        deque.append(cell.open_mail(), down)
    if cell.state != BUSY:
        cell.wake()


def _take_monitor(cell: Mailbox, signal: Monitor) -> None:
    with GUARD:
        is_dead = cell.state == DEAD
        if not is_dead:
            if cell.monitors is None:
                cell.monitors = {}
            cell.monitors[signal.ref] = (signal.watcher, signal.target)
    if is_dead:
        signal.watcher.signal(DownSignal(Down(signal.ref, signal.target, ExitReason.NOPROC)))


def _take_link(cell: Mailbox, sender: Any) -> None:
    with GUARD:
        is_dead = cell.state == DEAD
        if not is_dead:
            if cell.links is None:
                cell.links = {}
            cell.links[sender.id] = sender
    if tracing.followed and not is_dead:
        tracing.note("link", cell, sender)
    if is_dead:
        sender.signal(ExitSignal(cell.ref, ExitReason.NOPROC, linked=True))


def _take_request(cell: Mailbox, request: SystemRequest) -> None:
    if cell.is_thread():
        request.reply_to.set_exception(ActorError(f"{cell.ref} is a thread, which serves no {request.call}"))
        return
    has_room = True
    with GUARD:
        is_dead = cell.state == DEAD
        if not is_dead:
            if cell.debug is None:
                cell.debug = Instrument()
            has_room = cell.debug.accept(request)
            cell.urgent = True
    if is_dead:
        request.reply_to.set_exception(cell.dead_error(ExitReason.NOPROC))
    elif not has_room:
        text = f"{cell.ref} is busy, and {REQUESTS_LIMIT} debug calls wait for it already; look again later"
        request.reply_to.set_exception(ActorError(text))
    elif cell.state != BUSY:
        cell.wake()

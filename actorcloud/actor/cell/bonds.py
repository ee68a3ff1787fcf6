"""What binds actors: links and monitors, and what the signals do that go through them.

Functions over cells. They run on whatever thread sends the signal; the bonds are guarded by `GUARD`,
and nothing is sent while it is held.

Reference: otp-semantics 1.4-1.7.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from actorcloud.actor.cell import death, tracing
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
from actorcloud.actor.thread.context import GUARD
from actorcloud.base.errors import ActorError
from actorcloud.base.exits import ExitReason
from actorcloud.base.ids import ActorId


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
            death.doom(cell, reason)
    if is_kill:
        death.kill(cell)
    elif verdict is Verdict.DIE:
        death.interrupt(cell)
    elif verdict is Verdict.DELIVER and cell.state != BUSY:
        cell.wake()


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

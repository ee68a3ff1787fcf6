"""The claim of an owner on what becomes of a task.

What becomes of a task is settled once, by whichever comes first: its value, its `Down`, or the timer
of a stream; and it is taken once. An owner that is an actor may also get messages: the value as a
`TaskReply`, the end as a `Down`. Taking the outcome takes the messages back, queued or not, so a late
value never shows up.

Thread: any, but for `check_owner`.

Reference: Elixir's `Task`; otp-semantics 3.14.
"""

from __future__ import annotations

import enum
import itertools
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any, Generic, Self, TypeVar

from actorcloud.actor.cell import bonds
from actorcloud.actor.errors import ActorDeadError, NotOwner
from actorcloud.actor.future.future import Future
from actorcloud.actor.mailbox.mail import Tied
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import ExitSignal, MonitorRef, new_monitor
from actorcloud.actor.task.outcome import TIMEOUT, Exited, Outcome, Returned, TaskReply
from actorcloud.actor.task.process import Work
from actorcloud.actor.thread.context import current_system, local
from actorcloud.actor.thread.latch import Latch
from actorcloud.base.exits import Crash, ExitReason

T = TypeVar("T")


class Bond(enum.Enum):
    """What ties an owner that is an actor to a task."""

    #: A link, and the messages.
    LINK = "link"
    #: The messages only.
    MONITOR = "monitor"
    #: A stream's: no messages; a failure still ends an owner that does not trap exits.
    STREAM = "stream"
    #: A stream's: no messages, and no failure reaches the owner.
    STREAM_NOLINK = "stream_nolink"

    @property
    def has_messages(self) -> bool:
        """Whether the owner gets a `TaskReply` and a `Down`."""
        return self in {Bond.LINK, Bond.MONITOR}

    def tie(self, owner: Any, ref: ActorRef[Any]) -> None:
        """Link the owner's cell to the task, in the way of this bond."""
        if self is Bond.LINK:
            bonds.link(owner, ref)
        elif self is not Bond.MONITOR:
            bonds.link(owner, bonds.Muffled(ref, is_deadly=self is Bond.STREAM))


class Claim(Generic[T]):
    """See the module's docstring. It belongs to the actor, or else the thread, that makes it.

    Args:
        actor_ref: the task's process; None if it never had one.
        name: what it runs.
    """

    __slots__ = ("_is_taken", "_owner", "_thread", "actor_ref", "future", "name", "ref")

    def __init__(self, actor_ref: ActorRef[Any] | None, name: str) -> None:
        self.actor_ref = actor_ref
        self.name = name
        #: The name of the monitor by which the owner gets messages.
        self.ref: MonitorRef = new_monitor(None if local.cell is None else local.cell.id)
        #: Where the outcome will be.
        self.future: Future[Outcome[T]] = current_system().future()
        self._owner = local.cell
        # Not its number, which another has when this one has ended.
        self._thread = threading.current_thread() if self._owner is None else None
        self._is_taken = False

    def hand_over(self, work: Work, bond: Bond) -> Self:
        """Bind the owner to the process, which waits for its work, and give it that.

        Args:
            work: for the process.
            bond: to use if the owner is an actor.
        """
        ref, owner = self.actor_ref, self._owner
        assert ref is not None, "without a process there is nothing to do"
        if owner is not None:
            bond.tie(owner, ref)
            if bond.has_messages:
                bonds.monitor(owner, self.ref, ref, ref)
        # The last of the monitors: who sees the outcome finds all links and messages delivered.
        ref.monitor().add_done_callback(lambda down: self.end(down.get().reason))
        try:
            ref.deliver(work, _Answer(self))
        except BaseException:
            # It cannot travel: the process would wait for ever.
            self.discard()
            raise
        return self

    def __repr__(self) -> str:
        return f"<Claim on {self}: {self.state}>"

    def __str__(self) -> str:
        return f"the task {self.name}" + (f" ({self.actor_ref.id})" if self.actor_ref is not None else "")

    @property
    def state(self) -> str:
        """How far the task is, in words."""
        if self._is_taken:
            return "taken"
        return repr(self.future.get()) if self.future.is_done() else "running"

    @property
    def is_taken(self) -> bool:
        """Whether the outcome was taken, or given up."""
        return self._is_taken

    @property
    def has_failed(self) -> bool:
        """Whether the task ended without a value."""
        return self.future.is_done() and isinstance(self.future.get(), Exited)

    def check_owner(self) -> None:
        """Refuse others.

        Raises:
            NotOwner: another made the claim.
        """
        if local.cell is not self._owner or self._thread not in {None, threading.current_thread()}:
            owner = "another thread" if self._owner is None else self._owner.ref
            raise NotOwner(f"{self} belongs to {owner}, which started it; only that one may wait for it or end it")

    def take(self) -> Outcome[T]:
        """Take the outcome, which is there, and all messages back; `Exited(NOPROC)` if it was taken before."""
        if self._is_taken:
            return Exited(ExitReason.NOPROC)
        self.give_up()
        return self.future.get()

    def give_up(self) -> None:
        """Leave the outcome to itself, and take all messages back."""
        self._is_taken = True
        self.take_back()

    def take_back(self) -> None:
        """Let no message about the task come, or be handled, any more."""
        if self._owner is not None:
            bonds.demonitor(self._owner, self.ref, flush=True)

    def unlink(self) -> None:
        """Undo the owner's link to the task, if there is one."""
        if self._owner is not None and self.actor_ref is not None:
            bonds.unlink(self._owner, self.actor_ref)

    def signal(self, reason: ExitReason) -> None:
        """Send the task an exit signal, whatever becomes of who calls. Never raises."""
        if self.actor_ref is not None:
            self.actor_ref.signal(ExitSignal(None if self._owner is None else self._owner.ref, reason))

    def discard(self) -> None:
        """End the task and forget it; nothing of it is left with the owner. Never blocks."""
        self.give_up()
        self.unlink()
        if not self.future.is_done():
            self.signal(ExitReason.KILL)

    def expire(self) -> None:
        """End the task, with `TIMEOUT`, if it has no outcome yet. Never blocks."""
        if self.future.set(Exited(TIMEOUT)):
            self.unlink()
            self.signal(ExitReason.KILL)

    def settle(self, value: T) -> None:
        """Take note of the value; the owner gets it as a message, if it has the monitor still."""
        if self._owner is not None:
            self._owner.ref.deliver(Tied(self.ref, TaskReply(self.ref, value)))
        self.future.set(Returned(value))

    def end(self, reason: object) -> None:
        """Take note of the end, which counts if there was no value."""
        self.future.set(Exited(reason))


class _Answer(Generic[T]):
    """Where the value of a task goes; a `ReplyTo`."""

    __slots__ = ("_claim",)

    def __init__(self, claim: Claim[T]) -> None:
        self._claim = claim

    def set(self, value: Any = None) -> None:
        self._claim.settle(value)

    def set_exception(self, error: BaseException) -> None:
        # How the process ended, its Down tells, and better. What is left: a value that cannot travel.
        if not isinstance(error, ActorDeadError):
            self._claim.end(Crash.of(error))

    def push(self, value: Any) -> None:
        raise TypeError(f"a task gives one value, not a stream; {value!r} was not sent")


def wait_for(claims: Sequence[Claim[Any]], enough: int, timeout: float | None, *, fail_fast: bool = False) -> bool:
    """Wait until so many of these are settled.

    Args:
        claims: of who calls.
        enough: how many, <= their number.
        timeout: seconds for all together; None waits for ever.
        fail_fast: the first that has no value is enough too.

    Returns:
        False if `timeout` passed first.

    Blocks:
        as said.
    """
    latch = Latch()
    settled = itertools.count(1)

    def note(future: Future[Any]) -> None:
        if next(settled) >= enough or (fail_fast and isinstance(future.get(), Exited)):
            latch.set()

    watched = []
    try:
        for claim in claims:
            note_it = partial(note, claim.future)
            if claim.future.add_waiter(note_it):
                watched.append((claim.future, note_it))
            else:
                note_it()
        return enough == 0 or current_system().wait(latch, timeout)
    finally:
        for future, note_it in watched:
            future.drop_waiter(note_it)

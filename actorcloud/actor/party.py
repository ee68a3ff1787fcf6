"""What whoever has an identity can do: links, monitors, aliases, timers.

An `Actor` is a party, and so is a plain thread within `process()`.

Thread: the party's own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from actorcloud.actor.cell import bonds
from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.errors import ActorExit
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.mailbox.extra import Extra
from actorcloud.actor.mailbox.mail import copied
from actorcloud.actor.ref import alias as aliases
from actorcloud.actor.ref.alias import Alias
from actorcloud.actor.ref.named_ref import NamedRef
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import MonitorRef, new_monitor
from actorcloud.actor.system.timers import Expired, Timer
from actorcloud.actor.thread.context import GUARD, local

if TYPE_CHECKING:
    from actorcloud.actor.system.system import System


class Party:
    """See the module's docstring."""

    _cell: Cell

    @property
    def system(self) -> System:
        """The system it lives in."""
        system: Any = self._cell.system
        return system  # type: ignore[no-any-return]  # a cell knows it as its `Host`

    # -- links and monitors -----------------------------------------------------------------------

    def link(self, ref: ActorRef[Any]) -> None:
        """Tie this life to that one; a dead actor answers with an exit signal `NOPROC`."""
        check(self._cell)
        bonds.link(self._cell, ref)

    def unlink(self, ref: ActorRef[Any], *, flush: bool = False) -> None:
        """Undo a link; no `Exit` it causes is queued after this returns.

        Args:
            ref: whom it is with; no link is no error.
            flush: also drop its `Exit`s that are queued.
        """
        check(self._cell)
        bonds.unlink(self._cell, ref)
        if flush:
            bonds.flush_exits(self._cell, ref)

    def monitor(self, target: ActorRef[Any] | str) -> MonitorRef:
        """Ask for a `Down` when that actor ends; at once, with `NOPROC`, if it is dead or nobody has the name.

        Args:
            target: a ref, or a name: whoever has it now is watched, even if the name moves on.
                `Down.target` is (name, name of the peer) then.
        """
        check(self._cell)
        ref = new_monitor(self._cell.id)
        if isinstance(target, str):
            target = self.system.named(target)
        if isinstance(target, NamedRef):
            bonds.monitor(self._cell, ref, target.holder(), target.address)
        else:
            bonds.monitor(self._cell, ref, target, target)
        return ref

    def demonitor(self, monitor: MonitorRef, *, flush: bool = True) -> bool:
        """Take a monitor back; no `Down` of it is queued after this returns.

        Args:
            monitor: what `monitor` returned.
            flush: also drop its `Down` if that is queued.

        Returns:
            True if it had not fired.

        Raises:
            ActorError: another made this monitor.
        """
        check(self._cell)
        return bonds.demonitor(self._cell, monitor, flush=flush)

    # -- aliases ----------------------------------------------------------------------------------

    def alias(self, mode: aliases.Mode = "explicit", *, monitor: MonitorRef | None = None) -> Alias:
        """Return an address to give to others that can be taken back.

        Args:
            mode: "explicit" is active until `unalias`, "reply" until the first message has come through;
                that takes the monitor away as well.
            monitor: it also ends with this monitor, by `demonitor` or its `Down`.

        Raises:
            ValueError: there is no such mode.
        """
        check(self._cell)
        serial = int.from_bytes(self.system.random.randbytes(8), "big")
        return aliases.activate(self._cell, serial, mode, monitor)

    def unalias(self, alias: Alias) -> bool:
        """Take an alias back: nothing comes through it any more.

        Returns:
            True if it was active; False, and nothing happens, if not, or if it is another's.
        """
        check(self._cell)
        return aliases.deactivate(self._cell, alias)

    # -- timers -----------------------------------------------------------------------------------

    def send_after(self, delay: float, message: Any, to: ActorRef[Any] | str | None = None) -> Timer:
        """Send a message later.

        Args:
            delay: seconds, >= 0.
            message: anything.
            to: this actor unless given. The timer ends with a local receiver; a name is looked up when
                the time has come, and nobody's mail is dropped.

        Raises:
            ValueError: `delay` is negative or not finite.
        """
        check(self._cell)
        return _set_timer(self._cell, _after(self._cell, delay), message, to)

    def send_at(self, deadline: float, message: Any, to: ActorRef[Any] | str | None = None) -> Timer:
        """Send a message once `system.clock.monotonic()` has reached `deadline`; at once if it is past.

        See `send_after`.
        """
        check(self._cell)
        return _set_timer(self._cell, _finite(deadline, "deadline"), message, to)

    def send_every(self, interval: float, message: Any, to: ActorRef[Any] | str | None = None) -> Timer:
        """Send a message again and again, the first after `interval` seconds, until cancelled.

        Ends with a local receiver; one to a name or to another peer ends with this actor. What cannot
        be sent in time is left out.

        Raises:
            ValueError: `interval` is not above 0, or not finite.
        """
        check(self._cell)
        if not _finite(interval, "interval") > 0:
            raise ValueError(f"a message cannot be sent every {interval} s; the interval must be above 0")
        return _set_timer(self._cell, _after(self._cell, interval), message, to, interval=interval)

    def start_timer(self, delay: float, message: Any, to: ActorRef[Any] | str | None = None) -> Timer:
        """Send `Expired(ref, message)` later, where `ref` is that of the timer: so a late one is told from a new one.

        See `send_after`.
        """
        check(self._cell)
        return _set_timer(self._cell, _after(self._cell, delay), message, to, wrap=Expired)

    def sleep(self, seconds: float | None = None) -> None:
        """Sleep.

        Args:
            seconds: None sleeps until an exit signal comes.

        Raises:
            ActorExit: this actor was told to exit.
        """
        check(self._cell)
        self.system.sleep(seconds)

    # -- others -----------------------------------------------------------------------------------

    def reply(self, to: ReplyTo, value: Any = None) -> None:
        """Answer an ask that was not answered at once; a second answer is ignored.

        Args:
            to: what `self.sender` was then.
            value: the answer; an exception instance is raised at the asker.
        """
        check(self._cell)
        self._cell.release(to)
        if isinstance(value, BaseException):
            to.set_exception(value)
        else:
            to.set(value)

    def set_label(self, label: object) -> None:
        """Say what this is, for reports and `ref.info`; any value, None for nothing."""
        check(self._cell)
        with GUARD:
            if self._cell.extra is None:
                self._cell.extra = Extra()
            self._cell.extra.label = label


# Functions, so that they are in the way of no name that a user gives to a method.


def check(cell: Cell) -> None:
    """Stop the running handler if its actor was told to exit.

    Raises:
        ActorExit: with its reason.
    """
    if cell.is_ending() and local.cell is cell:
        raise ActorExit(cell.end_reason())


def _set_timer(cell: Any, deadline: float, message: Any, to: ActorRef[Any] | str | None, **options: Any) -> Timer:
    system = cell.system
    target = cell.ref if to is None else system.named(to) if isinstance(to, str) else to
    owner = target._cell if type(target)._is_local else None  # noqa: SLF001  one package
    if owner is None and "interval" in options:
        owner = cell
    if system.copy_messages:
        # Here, so that a message that cannot travel is an error of the caller.
        message = copied(message, system, "the message of a timer")
    return Timer(system.clock, deadline, message, target, owner, **options).set(system.timers)


def _after(cell: Any, delay: float) -> float:
    """Return the deadline that is `delay` seconds from now."""
    if _finite(delay, "delay") < 0:
        raise ValueError(f"a message cannot be sent {-delay} s ago")
    deadline: float = cell.system.clock.monotonic() + delay
    return deadline


def _finite(seconds: float, what: str) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise ValueError(f"{what} must be a finite number of seconds, not {seconds!r}")
    return seconds

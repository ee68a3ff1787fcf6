"""The book: what is known from outside about a tree of supervisors, and what must hold of it.

Children note their births, observers their deaths, supervisors' reports what went wrong. Each entry
is checked as it is made against what OTP promises (otp-semantics 1.4-1.8, 3.*); what is broken
raises `Broken` at the end of the step, whichever actor noticed.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Any

from actorcloud.actor import ActorRef, Down, Exit, Future, MonitorRef
from actorcloud.base.exits import Crash, ExitReason
from actorcloud.testing import Simulation

#: Strategies by which an end may restart siblings, in order.
IN_GROUPS = ("one_for_all", "rest_for_one")


class Broken(AssertionError):
    """A promise was not kept."""


#: What a worker says that cannot start for now.
FAILED_START = "does not start"


class Family:
    """One life of one supervisor.

    Args:
        ref: the supervisor.
        strategy: of it.
        max_restarts: restarts that it may do within
        max_seconds: so many seconds.
    """

    def __init__(self, ref: ActorRef[Any], strategy: str, max_restarts: int, max_seconds: float) -> None:
        self.ref = ref
        self.strategy = strategy
        self.max_restarts = max_restarts
        self.max_seconds = max_seconds
        #: Child -> its restart type, in start order.
        self.children: dict[str, str] = {}
        #: Child -> its latest life.
        self.lives: dict[str, ActorRef[Any]] = {}
        #: Children that were terminated or started by request, so out of order.
        self.requested: set[str] = set()
        #: When it had to restart something.
        self.attempts: list[float] = []
        self.must_give_up = False

    def later(self, child: str) -> list[str]:
        """Return the living children behind `child`, in start order."""
        names = list(self.children)
        return [name for name in names[names.index(child) + 1 :] if self.is_living(name)]

    def is_living(self, child: str) -> bool:
        ref = self.lives.get(child)
        return ref is not None and not ref._cell.is_dead()

    def note_attempt(self, now: float) -> None:
        recent = [at for at in self.attempts if at >= now - self.max_seconds]
        self.attempts = [*recent, now]
        self.must_give_up = self.must_give_up or len(self.attempts) > self.max_restarts


class Book(logging.Handler):
    """See the module; also the handler that reads the supervisors' reports."""

    def __init__(self, sim: Simulation) -> None:
        super().__init__()
        self.sim = sim
        self.problems: list[str] = []
        #: By the name that a supervisor has in reports.
        self.families: dict[str, Family] = {}
        #: Every actor that ended, and why.
        self.ends: dict[ActorRef[Any], object] = {}
        #: Whose child an actor was, and which.
        self.childhood: dict[ActorRef[Any], tuple[Family, str]] = {}
        #: First lives of their children.
        self.firsts: set[ActorRef[Any]] = set()
        self.restarts = 0
        self.asks: list[Future[Any]] = []
        #: (sender, receiver) -> messages that were surely sent, and those that were received.
        self.sent: defaultdict[tuple[ActorRef[Any], ActorRef[Any]], int] = defaultdict(int)
        self.received: defaultdict[tuple[ActorRef[Any], ActorRef[Any]], int] = defaultdict(int)
        #: Monitors that have not fired: (watcher, its monitor) -> target.
        self.watched: dict[tuple[ActorRef[Any], MonitorRef], ActorRef[Any]] = {}
        self.names: dict[ActorRef[Any], str] = {}

    def check(self) -> None:
        """Raise the first problem; after every step."""
        if self.problems:
            raise Broken(self.problems[0])

    def require(self, holds: object, text: str) -> None:
        if not holds:
            self.problems.append(f"{text} (at {self.sim.clock.monotonic():.6f}, step {self.sim.steps})")

    # -- births and deaths ------------------------------------------------------------------------

    def born(self, ref: ActorRef[Any], child: str) -> None:
        """An actor runs its `__init__`: a child of a supervisor, or the root."""
        parent = ref._cell.parent
        if parent is not None:
            self._check_birth(ref, self.families[str(parent)], child)
            self.childhood[ref] = self.families[str(parent)], child
        # Noted the moment that others are told of it.
        ref.monitor().add_done_callback(lambda future: self._ended(ref, future.get()))

    def _check_birth(self, ref: ActorRef[Any], family: Family, child: str) -> None:
        parent = family.ref
        is_told = ref._cell.is_ending() or any(isinstance(message, Exit) for message in ref._cell.mail or ())
        is_orphan = family.ref._cell.is_dead() and not is_told
        self.require(not is_orphan, f"{ref} was born to {parent}, which is dead, and does not know it")
        self.require(not family.must_give_up, f"{parent} restarts {child!r} more often than it may")
        self.require(not family.is_living(child), f"{parent} has two living children {child!r}")
        before = family.lives.get(child)
        if family.strategy in IN_GROUPS and child not in family.requested:
            self.require(not family.later(child), f"{parent} starts {child!r} before {family.later(child)} ended")
            if before is not None and family.strategy == "one_for_all":
                self._check_all_restarted(family, child, before)
        family.lives[child] = ref
        if before is None:
            self.firsts.add(ref)
        else:
            self.restarts += 1

    def unborn(self, ref: ActorRef[Any]) -> None:
        """Its `__init__` raises; a child that was never there before is not kept then."""
        family, child = self.childhood[ref]
        if ref in self.firsts:
            del family.children[child], family.lives[child]

    def _check_all_restarted(self, family: Family, child: str, before: ActorRef[Any]) -> None:
        for other in family.children:
            if other == child:
                return
            ref = family.lives.get(other)
            self.require(
                ref is None or ref._cell.is_dead() or ref.id > before.id or other in family.requested,
                f"{family.ref} restarts {child!r}, but {other!r} goes on",
            )

    def _ended(self, ref: ActorRef[Any], down: Down) -> None:
        self.require(ref not in self.ends, f"{ref} ended twice")
        self.require(ref._cell.is_dead(), f"{ref} is told to be dead, and is not")
        self.ends[ref] = down.reason
        self._check_name(ref)
        own = self.families.get(str(ref))
        gave_up = own is not None and own.must_give_up
        if ref not in self.childhood or down.reason is not ExitReason.SHUTDOWN or gave_up:
            return
        family, child = self.childhood[ref]
        if child not in family.requested:
            self.require(not family.later(child), f"{family.ref} ends {child!r} before {family.later(child)}")

    def _check_name(self, ref: ActorRef[Any]) -> None:
        name = self.names.get(ref)
        if name is not None:
            holder = self.sim.system().names._cells.get(name)
            self.require(holder is not ref._cell, f"{ref} is dead and still has the name {name!r}")

    # -- messages, asks, monitors -----------------------------------------------------------------

    def got(self, sender: ActorRef[Any], receiver: ActorRef[Any], number: int) -> None:
        """`receiver` handles the `number`th message of `sender`, counted from 1."""
        self.received[sender, receiver] += 1
        expected = self.received[sender, receiver]
        self.require(number == expected, f"{receiver} got message {number} of {sender} instead of {expected}")

    def saw_down(self, watcher: ActorRef[Any], down: Down) -> None:
        target = self.watched.pop((watcher, down.ref), None)
        self.require(target is not None, f"{watcher} got a Down of {down.target} that it did not ask for, or a second")
        if target is None:
            return
        self.require(target._cell.is_dead(), f"{watcher} was told that {target} is dead, and it is not")
        self.require(
            down.reason is ExitReason.NOPROC or down.reason == self.ends.get(target),
            f"{target} ended with {self.ends.get(target)}, but {watcher} was told {down.reason}",
        )
        self._check_name(target)

    # -- supervisors ------------------------------------------------------------------------------

    def restarting(self, family: Family) -> None:
        """A supervisor is about to restart something, or to give up."""
        self.require(not family.must_give_up, f"{family.ref} should have given up")
        family.note_attempt(self.sim.clock.monotonic())

    def emit(self, record: logging.LogRecord) -> None:
        """Take a report of a supervisor."""
        context, family = getattr(record, "context", None), self.families.get(getattr(record, "supervisor", ""))
        if family is None:
            return
        if context == "start_error":
            self._check_start_error(family, str(record.offender.id), str(record.reason))  # type: ignore[attr-defined]  # in its `extra`
        elif context == "shutdown":
            tries = len(family.attempts) - 1
            self.require(family.must_give_up, f"{family.ref} gives up after {tries} restarts of {family.max_restarts}")

    def _check_start_error(self, family: Family, child: str, reason: str) -> None:
        """The children of a supervisor that was killed may live a little longer; its own predecessor may not."""
        before = family.lives.get(child)
        is_own = before is not None and reason.startswith(f"actorcloud.actor.errors.AlreadyStarted: {before}")
        self.require(not is_own, f"{family.ref} cannot start {child!r}: {reason}")

    # -- the end ----------------------------------------------------------------------------------

    def check_quiet(self) -> None:
        """Raise what is wrong when nothing can happen any more."""
        system = self.sim.system()
        for ref in system.actors():
            self.require(not ref._cell.mail, f"{ref} does not read its mail: {ref._cell.mail}")
        self.require(not system.zombies(), f"{system.zombies()} still run")
        self.require(all(future.is_done() for future in self.asks), "an ask is neither answered nor failed")
        for (sender, receiver), count in self.sent.items():
            got = self.received[sender, receiver]
            self.require(got >= count or not receiver.is_alive(), f"{receiver} got {got} of {count} of {sender}")
        for (watcher, _), target in self.watched.items():
            is_missing = watcher.is_alive() and not target.is_alive()
            self.require(not is_missing, f"{watcher} was not told that {target} ended")
        for family in self.families.values():
            self._check_family(family)
        self._check_names()
        self.check()

    def _check_family(self, family: Family) -> None:
        is_alive = family.ref.is_alive()
        self.require(not (is_alive and family.must_give_up), f"{family.ref} should have given up")
        for child, restart in family.children.items():
            if not is_alive:
                self.require(not family.is_living(child), f"{family.ref} is dead, its child {child!r} lives")
            elif child not in family.requested and child in family.lives:
                ended = self.ends.get(family.lives[child])
                is_owed = restart == "permanent" or (restart == "transient" and isinstance(ended, Crash))
                is_owed = is_owed and not self._was_called_off(family)
                lives = family.is_living(child)
                self.require(lives or not is_owed, f"{family.ref} did not restart {child!r}, which ended with {ended}")

    def _was_called_off(self, family: Family) -> bool:
        """Whether a restart of several may have been given up by request.

        It waits for the one that did not start to be tried again; who terminates that one has cancelled the rest
        with it (otp-semantics 3.5, 3).
        """
        last = [self.ends.get(family.lives[child]) for child in family.requested if child in family.lives]
        has_failed = any(isinstance(end, Crash) and end.message == FAILED_START for end in last)
        return family.strategy != "one_for_one" and has_failed

    def _check_names(self) -> None:
        living = {name: ref for ref, name in self.names.items() if ref.is_alive()}
        for name, ref in living.items():
            self.require(self.sim.system().whereis(name) == ref, f"{name!r} is not {ref}, which was started with it")
        known = set(self.sim.system().registered())
        self.require(known == set(living), f"registered are {known}, living {set(living)}")

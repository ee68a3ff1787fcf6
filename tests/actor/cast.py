"""The cast of the actor tests: a probe that does what it is told and keeps what it gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from actorcloud.actor import Actor, ActorRef, Down, Exit, NoReply, ReplyTo

#: Seconds that anything in these tests may take; virtual ones in the simulation.
PATIENCE = 30.0


class Run(msgspec.Struct, frozen=True, eq=False):
    """Run this function as the actor and answer with its result."""

    function: Callable[[Any], Any]


class Await(msgspec.Struct, frozen=True):
    """Answer with the log once it has so many entries."""

    count: int


class Boom(Exception):
    """What goes wrong in these tests."""


class Probe(Actor):
    """Runs functions; logs messages, exits and downs."""

    def __init__(self, *, trap: bool = False) -> None:
        self.trap_exit = trap
        self.log: list[Any] = []
        self.waiting: list[tuple[int, ReplyTo]] = []

    def on_receive(self, message: Any) -> Any:
        match message:
            case Run(function):
                return function(self)
            case Await(count):
                assert self.sender is not None
                self.waiting.append((count, self.sender))
                self._answer()
                return NoReply
        self._note(message)
        return message

    def on_exit(self, message: Exit) -> None:
        self._note(message)

    def on_down(self, message: Down) -> None:
        self._note(message)

    def _note(self, message: Any) -> None:
        self.log.append(message)
        self._answer()

    def _answer(self) -> None:
        for count, sender in list(self.waiting):
            if len(self.log) >= count:
                self.waiting.remove((count, sender))
                self.reply(sender, list(self.log))


def run(ref: ActorRef[Any], function: Callable[[Any], Any]) -> Any:
    """Run `function(actor)` as that actor and return its result."""
    return ref.ask(Run(function), timeout=PATIENCE)


def tell_run(ref: ActorRef[Any], function: Callable[[Any], Any]) -> None:
    """As `run`, without waiting."""
    ref.tell(Run(function))


def log(ref: ActorRef[Any], count: int) -> list[Any]:
    """Wait until the probe has logged so much, and return the log."""
    found: list[Any] = ref.ask(Await(count), timeout=PATIENCE)
    return found


def end_of(ref: ActorRef[Any]) -> object:
    """Wait until the actor is dead and return why."""
    return ref.monitor().get(timeout=PATIENCE).reason


def boom(_: Any) -> None:
    raise Boom("as told")

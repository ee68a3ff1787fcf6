"""State machines that do what they are told, for the tests of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from actorcloud.actor import (
    ActorRef,
    NoReply,
    ReplyTo,
    StateMachine,
    StateTimeout,
)
from tests.actor.cast import Run

#: What a machine does at an event, by the event.
Script = dict[Any, Callable[["Machine"], Any]]


def run_in(me: Any, function: Callable[[Any], Any]) -> Any:
    return function(me)


class Machine(StateMachine):
    """Tells a probe (state, event) of all that it handles, and does what its script says."""

    initial: ClassVar[Any] = "a"

    def __init__(self, probe: ActorRef[Any], script: Script | None = None) -> None:
        self.probe = probe
        self.script = script or {}
        if "init" in self.script:
            self.script["init"](self)

    def handle_event(self, event: Any, state: Any) -> Any:
        if isinstance(event, Run):
            return run_in(self, event.function)
        self.probe.tell((state, event))
        act = self.script.get(event)
        return None if act is None else act(self)

    def on_stop(self) -> None:
        self.probe.tell("stopped")


class Entering(Machine):
    state_enter: ClassVar[bool] = True


def both(*actions: Callable[[Any], Any]) -> Callable[[Any], None]:
    def act(me: Any) -> None:
        for action in actions:
            action(me)

    return act


def keep_waiting(kept: list[ReplyTo]) -> Callable[[Any], Any]:
    """Return what keeps the asker for later."""

    def keep(me: Any) -> Any:
        kept.append(me.sender)
        return NoReply

    return keep


def goto(state: Any) -> Callable[[Any], None]:
    return lambda me: me.goto(state)


def answer_with(value: Any, _: Any) -> Any:
    return value


class Door(StateMachine):
    """Opens to a code, and locks itself."""

    initial: ClassVar[str] = "locked"

    def __init__(self, code: str, *, is_open: bool = False) -> None:
        self.code = code
        if is_open:
            self.goto("unlocked")
            self.state_timeout(0.001)

    def locked(self, event: Any) -> str:
        if event == self.code:
            self.goto("unlocked")
            return "welcome"
        if event == "wait":
            self.postpone()
        return "no"

    def unlocked(self, event: Any) -> str:
        match event:
            case StateTimeout():
                self.goto("locked")
            case "break":
                self.goto("broken")
            case "stop":
                self.goto("stop")
        return "open"

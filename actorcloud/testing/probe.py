"""Probes: actors that keep what they get, for a test to expect it.

A probe stands where the code under test wants an actor: it is told, asked, linked and monitors others,
and the test looks at it from outside. What it gets waits in order until it is expected.

A test that is to be an actor itself takes `actorcloud.process()`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, cast

import msgspec

from actorcloud.actor import Actor, ActorRef, AskTimeout, Down, Exit, NoReply, ReplyTo

#: Seconds that `expect` waits: enough for a slow machine, and virtual ones in a simulation.
PATIENCE_DEFAULT = 3.0

#: Messages that a probe keeps; more that nobody expects are a loop, and would fill the memory.
KEPT_LIMIT = 10_000


class _Expect(msgspec.Struct, frozen=True, eq=False):
    """Answer with the next message, or with the first that fits."""

    what: Any
    skips: bool


class _GiveUp(msgspec.Struct, frozen=True):
    """Nobody waits any more; answer with what there is."""


class _Watch(msgspec.Struct, frozen=True, eq=False):
    """Monitor this actor."""

    ref: ActorRef[Any]


#: What a test says to its probe; no part of what it tests.
PRIVATE = (_Expect, _GiveUp, _Watch)


def anything(_message: object) -> bool:
    """Fits every message."""
    return True


class ProbeRef(ActorRef[Any]):
    """A ref to a probe. Every method blocks until the probe has answered."""

    def expect(self, what: Any = anything, timeout: float = PATIENCE_DEFAULT) -> Any:
        """Take the next message, which must fit.

        Args:
            what: its type, a function that says whether a message fits, or a value that it equals.
            timeout: seconds.

        Raises:
            AssertionError: another message is next, or none came in time.
        """
        message = self._next(_Expect(what, skips=False), timeout)
        if not _fits(message, what):
            raise AssertionError(f"{self} expected {_named(what)} and got {message!r}")
        return message

    def find(self, what: Any, timeout: float = PATIENCE_DEFAULT) -> Any:
        """Take the first message that fits; those before it are dropped.

        Args:
            what: as for `expect`.
            timeout: seconds.

        Raises:
            AssertionError: none came in time.
        """
        return self._next(_Expect(what, skips=True), timeout)

    def expect_nothing(self, seconds: float) -> None:
        """Wait so long and get no message.

        Raises:
            AssertionError: one came, or waits already.
        """
        future = self.ask(_Expect(anything, skips=False), block=False, timeout=seconds)
        if not future.wait(seconds):
            self.ask(_GiveUp())
        if future.is_done():
            raise AssertionError(f"{self} expected nothing and got {future.get()!r}")

    def messages(self) -> list[Any]:
        """Return what waits to be expected, oldest first."""
        return list(self.ask(_GiveUp()))

    def watch(self, ref: ActorRef[Any]) -> None:
        """Let the probe monitor an actor: its `Down` will be one of the messages."""
        self.ask(_Watch(ref))

    def _next(self, wish: _Expect, timeout: float) -> Any:
        future = self.ask(wish, block=False, timeout=timeout)
        try:
            return future.get()
        except AskTimeout:
            kept = self.ask(_GiveUp())
        if future.is_done():
            return future.get()  # at the last moment
        raise AssertionError(f"{self} expected {_named(wish.what)} within {timeout} s; it has {kept or 'nothing'}")


class Probe(Actor):
    """See the module.

    >>> probe = Probe.start()
    >>> probe.tell("hello")
    >>> probe.expect(str)
    'hello'
    >>> Probe.start(lambda number: number + 1).ask(41)
    42

    Args:
        answer: of a message, for those who ask; None unless given.
    """

    trap_exit = True
    _ref_class = ProbeRef

    def __init__(self, answer: Callable[[Any], Any] | None = None) -> None:
        self._answer = answer
        self._kept: deque[Any] = deque()
        self._wish: tuple[_Expect, ReplyTo] | None = None

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> ProbeRef:
        """Start a probe; see the class for the arguments."""
        return cast("ProbeRef", super().start(*args, **kwargs))

    def on_receive(self, message: Any) -> Any:
        """Keep a message and answer it, or serve the test."""
        match message:
            case _Expect():
                self._wish = (message, cast("ReplyTo", self.sender))
                self._grant()
                return NoReply
            case _GiveUp():
                self._wish = None
                return list(self._kept)
            case _Watch(ref):
                self.monitor(ref)
                return None
        self._keep(message)
        return None if self._answer is None or self.sender is None else self._answer(message)

    def on_exit(self, message: Exit) -> None:
        """Keep it as any other message."""
        self._keep(message)

    def on_down(self, message: Down) -> None:
        """Keep it as any other message."""
        self._keep(message)

    def _keep(self, message: Any) -> None:
        if len(self._kept) == KEPT_LIMIT:
            raise OverflowError(f"{self} has {KEPT_LIMIT} messages that nobody expected; does something go in circles?")
        self._kept.append(message)
        self._grant()

    def _grant(self) -> None:
        """Answer who waits, if there is what to answer."""
        if self._wish is None:
            return
        wish, sender = self._wish
        while self._kept:
            message = self._kept.popleft()
            if not wish.skips or _fits(message, wish.what):
                self._wish = None
                self.reply(sender, message)
                return


def _fits(message: object, what: Any) -> bool:
    if isinstance(what, type):
        return isinstance(message, what)
    if callable(what) and not isinstance(what, ActorRef):
        return bool(what(message))
    return bool(message == what)


def _named(what: Any) -> str:
    return getattr(what, "__name__", None) or repr(what)

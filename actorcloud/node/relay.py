"""The calls that a job makes to the head, passed on by its node.

A call that changes something must carry the fence of a run that is at this worker just now; the
agent never trusts the worker's word alone (design 6.1, rule 3). Calls wait while the head is away
and are made again when a head answers that does not know them: all of them are idempotent.

Owned by a port; what is open dies with the run that asked, and its worker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable
from typing import Any

import msgspec

from actorcloud.actor import ActorDeadError, ActorRef
from actorcloud.base.errors import ActorCloudError, ConfigError, TransactionError, WireError
from actorcloud.cluster import Asking, RemoteRef
from actorcloud.protocol.job import JOBS, STORE, Await
from actorcloud.protocol.message import Message, decode, encode
from actorcloud.protocol.node import NODES
from actorcloud.protocol.record import Fence
from actorcloud.protocol.signal import Ask, Failed, Forget, Reply

#: Calls of one worker that may be open at a time.
OPEN_LIMIT = 10_000

#: Seconds after which a call that could not be made is tried again.
RETRY_PAUSE = 0.25


class Answered(msgspec.Struct, frozen=True):
    """To the port: a part of an answer has come."""

    id: int
    #: Tells the answers to a call apart from those to the same call made before a reset.
    attempt: int
    value: object
    more: bool


class Stuck(msgspec.Struct, frozen=True):
    """To the port: try again what could not be asked."""


class _Call(msgspec.Struct):
    to: str
    message: Message
    run: Fence | None
    attempt: int = 0
    asking: Asking | None = None


class Relay:
    """The open calls of one worker.

    Args:
        send: sends a message to the worker.
        me: the port, which hands `Answered` back to `answered`, and `Stuck` to `again`.
        later: (seconds, message) -> None, sends to `me` after a while.
    """

    def __init__(
        self, send: Callable[[Message], None], me: ActorRef[Any], later: Callable[[float, object], object]
    ) -> None:
        self._send = send
        self._me = me
        self._later = later
        self._calls: dict[int, _Call] = {}
        self._head: dict[str, RemoteRef] = {}
        self._stuck: list[int] = []

    @property
    def waits(self) -> bool:
        """Whether the worker waits for the ends of other jobs."""
        return any(isinstance(call.message, Await) for call in self._calls.values())

    def ask(self, message: Ask, assigned: Iterable[Fence]) -> None:
        """Pass a call on, or say at once why not."""
        runs = tuple(assigned)
        try:
            body = decode(message.body)
            self._check(message, body, runs)
        except ActorCloudError as error:
            self._send(Failed(message.id, error.code, str(error)))
            return
        call = self._calls[message.id] = _Call(str(message.to), body, runs[0] if runs else None)
        if self._stuck:
            # In order: it may rest on what the one before it brings.
            self._stuck.append(message.id)
        else:
            self._go(message.id, call)

    def forget(self, message: Forget) -> None:
        """The job wants no more answers to this call."""
        call = self._calls.pop(message.id, None)
        if call is not None and call.asking is not None:
            call.asking.forget()

    def answered(self, message: Answered) -> None:
        """Pass an answer on to the worker."""
        call = self._calls.get(message.id)
        if call is None or call.attempt != message.attempt:
            return
        if isinstance(message.value, ActorDeadError):
            # The head, or its core, is on its way down: the call is made again when one is back. Or the
            # connection was only full: another answer shows that sooner than the clock does.
            self._hold(message.id, call)
            return
        if not message.more:
            del self._calls[message.id]
        if isinstance(message.value, Message):
            self._send(Reply(message.id, msgspec.Raw(encode(message.value)), message.more))
        else:
            code = getattr(message.value, "code", ActorCloudError.code)
            self._send(Failed(message.id, code, str(message.value)))
        self.again()

    def again(self) -> None:
        """Make the calls again that could not be made."""
        stuck, self._stuck = deque(self._stuck), []
        while stuck:
            number = stuck.popleft()
            waiting = self._calls.get(number)
            if waiting is not None and waiting.asking is None and not self._go(number, waiting):
                self._stuck.extend(stuck)
                return

    def head_back(self, head: dict[str, RemoteRef], *, again: bool) -> None:
        """A head answers; with `again` it knows nothing of what is open here."""
        self._head = head
        self._stuck.clear()
        for number, call in self._calls.items():
            if again or call.asking is None:
                self._go(number, call)

    def close(self, run: Fence) -> None:
        """A run has ended: nobody waits for what it asked."""
        for number in [number for number, call in self._calls.items() if call.run == run]:
            self.forget(Forget(number))

    def close_all(self) -> None:
        """The worker is dead."""
        for number in list(self._calls):
            self.forget(Forget(number))

    def _check(self, message: Ask, body: Message, runs: Container[Fence]) -> None:
        if message.to == NODES:
            raise ConfigError("a job cannot add or remove nodes: do it in the program that owns the cloud")
        if message.to not in {JOBS, STORE}:
            raise WireError(f"a job may ask {JOBS!r} and {STORE!r}, not {message.to!r}")
        fence = getattr(body, "fence", None)
        changes = "fence" in body.__struct_fields__
        if changes and fence is None and type(body).__name__ != "Read":
            raise WireError(f"a job may not send {type(body).__name__} without its fence")
        if fence is not None and tuple(fence) not in runs:
            raise TransactionError("this run of the job has ended: what it still does is refused")
        if len(self._calls) >= OPEN_LIMIT or message.id in self._calls:
            raise TransactionError(f"a job may have {OPEN_LIMIT} calls open, each with a number of its own")

    def _hold(self, number: int, call: _Call) -> None:
        call.asking = None
        self._stuck.append(number)
        if len(self._stuck) == 1:
            self._later(RETRY_PAUSE, Stuck())

    def _go(self, number: int, call: _Call) -> bool:
        """Ask; False if the connection does not take it now."""
        actor = self._head.get(call.to)
        if actor is None:
            return True
        call.attempt += 1
        attempt, me = call.attempt, self._me
        is_asking, is_refused = True, False

        def on_reply(value: object, more: bool) -> None:  # noqa: FBT001  an `OnReply`
            nonlocal is_refused
            if is_asking and isinstance(value, ActorDeadError):
                is_refused = True
            else:
                me.tell(Answered(number, attempt, value, more))

        call.asking = actor.ask_stream(call.message, on_reply)
        is_asking = False
        if is_refused:
            self._hold(number, call)
        return not is_refused

"""What interrupts a transaction's function, whatever it has seen, and what the function itself raises."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from actorcloud.protocol.transaction import Conflict, Status
from actorcloud.store import Transactions
from actorcloud.store.caller.repetition import is_of_signal
from tests.store.local import PICKLE, Clock, LocalStore, means, txn_of, txn_of_any

Handle = Callable[[Callable[..., object]], object]


@pytest.fixture
def handle() -> Iterator[Handle]:
    """Set what handles SIGUSR2."""
    before = signal.getsignal(signal.SIGUSR2)
    yield functools.partial(signal.signal, signal.SIGUSR2)
    signal.signal(signal.SIGUSR2, before)


class Raising:
    """Handles a signal by an error."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def on_signal(self, *_: object) -> NoReturn:
        raise self._error

    def as_function(self) -> Callable[..., NoReturn]:
        return lambda *_: self.on_signal()

    def as_partial(self) -> Callable[..., NoReturn]:
        return functools.partial(Raising.on_signal, self)

    def as_partial_of_partial(self) -> Callable[..., NoReturn]:
        # One that has an attribute is not taken apart by the one around it.
        inner = functools.partial(Raising.on_signal, self)
        inner.name = "inner"  # type: ignore[attr-defined]
        return functools.partial(inner)

    def as_object(self) -> Callable[..., NoReturn]:
        return RaisingObject(self)

    def as_partial_of_object(self) -> Callable[..., NoReturn]:
        return functools.partial(RaisingObject(self))


class RaisingObject:
    """The same, which is called itself."""

    def __init__(self, raising: Raising) -> None:
        self._raising = raising

    def __call__(self, *_: object) -> NoReturn:
        self._raising.on_signal()


HANDLERS = [
    Raising.on_signal.__get__,
    Raising.as_function,
    Raising.as_partial,
    Raising.as_partial_of_partial,
    Raising.as_object,
    Raising.as_partial_of_object,
]


def become_known(client: Transactions) -> None:
    """Let the next transaction of this client begin with what it remembers."""

    def increment() -> None:
        txn_of(client).store("s", "n", txn_of(client).fetch("s", "n", 0) + 1)

    client.mutate(increment)
    client.mutate(increment)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, GeneratorExit])
def test_what_is_no_error_leaves_at_once(client: Transactions, interrupt: type[BaseException]) -> None:
    become_known(client)
    runs: list[int] = []

    def work() -> None:
        runs.append(txn_of(client).fetch("s", "n"))
        raise interrupt

    with pytest.raises(interrupt):
        client.mutate(work)
    assert runs == [2]


@pytest.mark.parametrize("error", [SystemExit(3), TimeoutError("time is up")])
@pytest.mark.parametrize("handler", HANDLERS)
def test_what_the_handler_of_a_signal_raises_leaves_at_once(
    client: Transactions, handle: Handle, handler: Callable[[Raising], Callable[..., object]], error: BaseException
) -> None:
    # Given
    become_known(client)
    handle(handler(Raising(error)))
    runs: list[int] = []

    # When it comes while the function runs on what is remembered
    def work() -> None:
        runs.append(txn_of(client).fetch("s", "n"))
        signal.raise_signal(signal.SIGUSR2)

    with pytest.raises(type(error)) as caught:
        client.mutate(work)
    # Then
    assert caught.value is error
    assert runs == [2]


def test_what_the_call_of_a_class_raises_is_of_no_signal() -> None:
    # Of a signal that nobody handles the handler is a member of an enumeration.
    with pytest.raises(ValueError) as caught:
        signal.Handlers(7)
    assert not is_of_signal(caught.value)


@pytest.mark.parametrize("error", [SystemExit(3), TimeoutError("time is up")])
def test_what_the_handler_of_a_signal_raises_waits_for_nobody(
    store: LocalStore, handle: Handle, error: BaseException
) -> None:
    # Given a commit that was sent, of which a copy may come late
    refusals = iter([Conflict((b"", 0))])
    odd = Transactions(lambda message: next(refusals, None) or store.ask(message), PICKLE, means(Clock()))
    handle(Raising(error).on_signal)

    # When
    def work() -> None:
        txn_of_any().store("s", "n", 1)
        if txn_of_any().attempt > 1:
            signal.raise_signal(signal.SIGUSR2)

    with pytest.raises(type(error)):
        odd.mutate(work)
    # Then
    assert not [message for message in store.asked if isinstance(message, Status)]

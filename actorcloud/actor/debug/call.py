"""Debug calls: look at any actor, and change how it runs, while it runs.

They work on every actor, supervisors too, and overtake its messages; but the actor itself serves
them, between two messages. One that is in a handler for longer than `timeout` raises `AskTimeout`,
which says so, and is not disturbed. All of them also work while it is suspended.

Thread: any but the actor's own: an actor cannot wait for itself.

Reference: OTP's `sys`; otp-semantics 2.8.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from actorcloud.actor.cell.instrument import ActorStatus, DebugFunction
from actorcloud.actor.errors import ActorDeadError, AskTimeout, CallingSelf
from actorcloud.actor.future.future import Future
from actorcloud.actor.future.timeout import check_timeout
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import SystemRequest
from actorcloud.actor.thread.context import current_system
from actorcloud.base.exits import ExitReason

#: Seconds that a debug call waits for an actor to come out of its handler; as an ask.
TIMEOUT_DEFAULT = 5.0


def request(ref: ActorRef[Any], call: str, *args: Any, timeout: float | None = TIMEOUT_DEFAULT) -> Any:
    """Have an actor serve a debug call, and return its answer; the others are made of it.

    Args:
        ref: whom.
        call: as `instrument` names it.
        args: of the call.
        timeout: seconds; None waits for ever.

    Raises:
        AskTimeout: it is busy in a handler.
        ActorDeadError: it is dead.
        CallingSelf: it is the caller.
        TypeError: `ref` is no `ActorRef`.
    """
    check_timeout(timeout)
    if not isinstance(ref, ActorRef):
        raise TypeError(f"{call} takes an ActorRef, not {ref!r}; `named(name)` is one by name")
    if ref._is_me():  # noqa: SLF001  one package
        raise CallingSelf(f"{ref} would wait for itself with {call}; look at self instead")
    future: Future[Any] = current_system().future(timeout, ref)
    ref.signal(SystemRequest(call, args, future))
    if not future.wait(timeout):
        text = f"{ref} is busy: it has been in one handler for {timeout} s and did not serve {call}"
        # So that it is not served later, nor kept; nothing happens if the answer has just come.
        future.set_exception(AskTimeout(f"{text}; it was not disturbed"))
    return future.get()


def get_state(ref: ActorRef[Any], *, timeout: float | None = TIMEOUT_DEFAULT) -> Any:
    """Return an actor's state: its attributes, or what its `system_get_state` returns.

    Args:
        ref: whom.
        timeout: seconds; None waits for ever.

    Returns:
        The values themselves, no copies: do not change them.

    Raises:
        AskTimeout: it is busy in a handler.
        ActorDeadError: it is dead.
        CallbackFailed: its `system_get_state` raised.
    Blocks:
        until the actor comes to it.
    """
    return request(ref, "get_state", timeout=timeout)


def replace_state(
    ref: ActorRef[Any], function: Callable[[Any], Any], *, timeout: float | None = TIMEOUT_DEFAULT
) -> Any:
    """Let `function`, run by the actor, make a new state from the old one; see `get_state`.

    Returns:
        The new state.

    Raises:
        CallbackFailed: `function` raised, or made no mapping; the state is as it was.
        TypeError: it cannot be called.
    """
    _check_function(function)
    return request(ref, "replace_state", function, timeout=timeout)


def get_status(ref: ActorRef[Any], *, timeout: float | None = TIMEOUT_DEFAULT) -> ActorStatus:
    """Return how an actor is doing; its state as `format_status` shows it. See `get_state`."""
    found: ActorStatus = request(ref, "get_status", timeout=timeout)
    return found


def suspend(ref: ActorRef[Any], *, timeout: float | None = TIMEOUT_DEFAULT) -> None:
    """Let an actor's messages wait until `resume`; again does nothing. See `get_state`.

    It serves debug calls, and ends when its parent ends or orders it, by `ref.stop()`, which does not
    wait for what is queued then, and by exit signals.
    """
    request(ref, "suspend", timeout=timeout)


def resume(ref: ActorRef[Any], *, timeout: float | None = TIMEOUT_DEFAULT) -> None:
    """Let a suspended actor go on; does nothing to another. See `get_state`."""
    request(ref, "resume", timeout=timeout)


def terminate(ref: ActorRef[Any], reason: object = ExitReason.NORMAL, *, timeout: float | None = None) -> None:
    """End an actor in order, before its next message; `on_stop` runs. Returns when it is dead.

    Raises:
        AskTimeout: it did not end in time.
        ActorDeadError: it was dead, or ended with another reason.
    """
    ended = ref.monitor()
    request(ref, "terminate", reason, timeout=timeout)
    found = ended.get(timeout).reason
    if found != reason:
        raise ActorDeadError(f"{ref} was to end with {reason} and ended with {found}", found)


def install(
    ref: ActorRef[Any],
    function: DebugFunction,
    state: Any = None,
    *,
    id: Hashable = None,
    timeout: float | None = TIMEOUT_DEFAULT,
) -> bool:
    """Have `function(state, event, ref)` called for each event of an actor, in its own turns.

    Args:
        ref: whom.
        function: returns its next state, or `DONE`; it is removed then, and when it raises.
        state: its first one.
        id: what it is called in `remove`; the function itself unless given.
        timeout: see `get_state`.

    Returns:
        False if one of this id is installed already; it is left as it is.

    Raises:
        TypeError: `function` is none, or `id` is not hashable.
    """
    _check_function(function)
    id = function if id is None else id
    _check_id(id)
    return bool(request(ref, "install", id, function, state, timeout=timeout))


def remove(ref: ActorRef[Any], id: Hashable, *, timeout: float | None = TIMEOUT_DEFAULT) -> None:
    """Remove a debug function by its id; unknown ones are ignored. See `get_state`."""
    _check_id(id)
    request(ref, "remove", id, timeout=timeout)


def no_debug(ref: ActorRef[Any], *, timeout: float | None = TIMEOUT_DEFAULT) -> None:
    """Remove all debug functions, those of `trace`, `log` and `statistics` too. See `get_state`."""
    request(ref, "no_debug", timeout=timeout)


def is_id(value: object) -> bool:
    """Whether a debug function may be called this: the actor looks it up in a dict, and must not fail at that."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _check_id(id: object) -> None:
    if not is_id(id):
        raise TypeError(f"the id of a debug function must be hashable, unlike {id!r}; give it another with id=")


def _check_function(function: object) -> None:
    if not callable(function):
        raise TypeError(f"the actor is to run a function, not {function!r}")

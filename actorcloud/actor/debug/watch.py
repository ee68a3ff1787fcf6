"""The debug functions that come with the package: trace, log, log to a file, statistics.

Each is installed at one actor, as any other, under a name of its own.

Reference: OTP's `sys`; otp-semantics 2.8.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from actorcloud.actor.cell.event import Event
from actorcloud.actor.cell.instrument import STATISTICS
from actorcloud.actor.debug.call import TIMEOUT_DEFAULT, install, remove, request
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.base.errors import ConfigError

#: Events that `log` keeps unless told otherwise: OTP's.
LOG_DEFAULT = 10

#: Events that `log` keeps at most: they keep their messages alive.
LOG_LIMIT = 10_000


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What an actor did since `statistics` was turned on."""

    #: UTC seconds since 1970.
    started_at: float
    messages_in: int
    #: Answers that it sent itself.
    messages_out: int
    #: Seconds in its turns, also those in which a handler waited.
    busy_time: float = 0.0


def trace(
    ref: ActorRef[Any],
    on: bool = True,  # noqa: FBT001, FBT002  a switch
    *,
    write: Callable[[str], object] | None = None,
    timeout: float | None = TIMEOUT_DEFAULT,
) -> None:
    """Print each event of an actor, or no longer.

    Args:
        ref: whom.
        on: False turns it off.
        write: called with each line, newline included; `sys.stdout.write` unless given.
        timeout: see `get_state`.
    """
    if on:
        install(ref, print_event, write, id="trace", timeout=timeout)
    else:
        remove(ref, "trace", timeout=timeout)


def log(ref: ActorRef[Any], keep: int = LOG_DEFAULT, *, timeout: float | None = TIMEOUT_DEFAULT) -> None:
    """Keep the last events of an actor, for `get_log` and for its crash report.

    Args:
        ref: whom.
        keep: how many, at most `LOG_LIMIT`; 0 turns it off. A running log goes on with the new number.
        timeout: see `get_state`.

    Raises:
        ConfigError: `keep` is no such number.
    """
    if not is_log_size(keep):
        raise ConfigError(f"keep is {keep!r}; it must be a number of events from 0 to {LOG_LIMIT}")
    kept = get_log(ref, timeout=timeout)
    remove(ref, "log", timeout=timeout)
    if keep:
        install(ref, keep_event, deque(kept, maxlen=keep), id="log", timeout=timeout)


def get_log(ref: ActorRef[Any], *, timeout: float | None = TIMEOUT_DEFAULT) -> list[Event]:
    """Return the events kept by `log`, oldest first; none if it is off."""
    return list(request(ref, "peek", "log", timeout=timeout) or ())


def log_to_file(ref: ActorRef[Any], path: Path | str | None, *, timeout: float | None = TIMEOUT_DEFAULT) -> None:
    """Append each event of an actor to a file, as a line; None turns it off.

    A file that cannot be written to is logged and given up.
    """
    remove(ref, "log_to_file", timeout=timeout)
    if path is not None:
        install(ref, append_event, Path(path), id="log_to_file", timeout=timeout)


def statistics(
    ref: ActorRef[Any],
    on: bool = True,  # noqa: FBT001, FBT002  a switch
    *,
    timeout: float | None = TIMEOUT_DEFAULT,
) -> None:
    """Count an actor's messages and its time, or no longer; on again goes on counting, off and on begins anew."""
    if on:
        now = ref._cell.system.clock.time()  # noqa: SLF001  one package
        install(ref, count_event, no_statistics(now), id=STATISTICS, timeout=timeout)
    else:
        remove(ref, STATISTICS, timeout=timeout)


def get_statistics(ref: ActorRef[Any], *, timeout: float | None = TIMEOUT_DEFAULT) -> Statistics | None:
    """Return what was counted; None if `statistics` is off."""
    found: Statistics | None = request(ref, "get_statistics", timeout=timeout)
    return found


def is_log_size(keep: object) -> bool:
    """Whether `log` may keep so many events."""
    return isinstance(keep, int) and not isinstance(keep, bool) and 0 <= keep <= LOG_LIMIT


def no_statistics(now: float) -> Statistics:
    """Return what is counted when `statistics` is turned on."""
    return Statistics(started_at=now, messages_in=0, messages_out=0)


def print_event(write: Any, event: Event, ref: ActorRef[Any]) -> Any:
    """Do what `trace` says."""
    # Looked up at each event: it may be redirected.
    (write or sys.stdout.write)(f"{ref} {event}\n")
    return write


def keep_event(events: deque[Event], event: Event, ref: ActorRef[Any]) -> deque[Event]:  # noqa: ARG001  all are called alike
    """Do what `log` says."""
    events.append(event)
    return events


def append_event(path: Path, event: Event, ref: ActorRef[Any]) -> Path:
    """Do what `log_to_file` says."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{event.at:.6f} {ref} {event}\n")
    return path


def count_event(counts: Statistics, event: Event, ref: ActorRef[Any]) -> Statistics:  # noqa: ARG001  as above
    """Do what `statistics` says."""
    return msgspec.structs.replace(
        counts,
        messages_in=counts.messages_in + (event.kind == "in"),
        messages_out=counts.messages_out + (event.kind == "out"),
    )

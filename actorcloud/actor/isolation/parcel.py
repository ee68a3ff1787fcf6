"""What crosses between an isolated actor and the process that keeps it: values, errors, exit reasons.

A value is pickled, the user's own code by value; refs travel as ids and are refs again at the other end.
Each parcel has a bound, `base.codec.PAYLOAD_LIMIT_BYTES`.

Thread: any.
"""

from __future__ import annotations

from typing import Any

import msgspec

from actorcloud.actor.thread.context import as_nobody_in
from actorcloud.base import codec
from actorcloud.base.errors import PayloadTooLarge
from actorcloud.base.exits import Crash, safe_str
from actorcloud.base.failure import code_of, dump_error, load_error
from actorcloud.base.states import JobError
from actorcloud.protocol.isolation import Fault


def pack(value: object, what: str) -> bytes:
    """Return a pickled value.

    Args:
        value: anything.
        what: how an error names it.

    Raises:
        Unpicklable: naming the part that cannot be pickled.
        PayloadTooLarge: with the size and the limit.
    """
    data = codec.dump(value, what)
    if len(data) > codec.PAYLOAD_LIMIT_BYTES:
        limit = f"{codec.PAYLOAD_LIMIT_BYTES:,} bytes pickled"
        raise PayloadTooLarge(f"{what} of {len(data):,} bytes is larger than may cross to another process ({limit})")
    return data


def unpack(data: bytes, system: object) -> Any:
    """Return the value; its refs are of `system`. Raises whatever unpickling raises."""
    with as_nobody_in(system):
        return codec.load_here(data)


def pack_fault(error: BaseException) -> Fault:
    """Describe what was raised; never raises."""
    text, value = dump_error(error)
    return Fault(code_of(error), text.type, text.message, text.traceback, value)


def unpack_fault(fault: Fault) -> Exception:
    """Return an exception to raise, caused by the remote traceback; never raises."""
    return load_error(fault.value, JobError(fault.type, fault.message, fault.traceback), fault.code)


def pack_reason(reason: object) -> bytes:
    """Return an exit reason as bytes; one that cannot travel goes as its text. Never raises."""
    if isinstance(reason, Crash):
        # As text: the exception belongs to the process in which it was raised.
        reason = msgspec.structs.replace(reason, exception=None)
    try:
        return pack(reason, "the exit reason")
    except Exception:  # noqa: BLE001  the reason of an end must arrive
        return pack(safe_str(reason)[:1_000], "the exit reason")


def unpack_reason(data: bytes, system: object) -> object:
    """Return the exit reason, or a text of what hinders that. Never raises."""
    try:
        return unpack(data, system)
    except Exception as error:  # noqa: BLE001  as above
        return f"a reason that cannot be unpickled here ({type(error).__name__}: {safe_str(error)})"

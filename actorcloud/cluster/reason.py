"""Exit reasons across the wire. Pure.

Ours arrive as they were; a crash arrives as text, without the exception; anything else as its text.
"""

from __future__ import annotations

from actorcloud.base.exits import Crash, ExitReason, Shutdown, safe_str
from actorcloud.protocol.signal import Reason

#: Characters of a user's own reason that travel.
_TEXT_LIMIT_CHARS = 4_000


def pack_reason(reason: object) -> Reason:
    """Return `reason` as it travels; never raises."""
    if isinstance(reason, ExitReason):
        return Reason(reason.value)
    if isinstance(reason, Crash):
        return Reason("crash", reason.message[:_TEXT_LIMIT_CHARS], reason.type, reason.traceback)
    if isinstance(reason, Shutdown):
        return Reason("shutdown-info", safe_str(reason.info)[:_TEXT_LIMIT_CHARS])
    return Reason("other", safe_str(reason)[:_TEXT_LIMIT_CHARS])


def unpack_reason(reason: Reason) -> object:
    """Return the reason that a peer gave; one that only a newer peer knows becomes its text."""
    if reason.kind in _PLAIN:
        return _PLAIN[reason.kind]
    if reason.kind == "crash":
        return Crash(reason.type, reason.text, reason.traceback)
    if reason.kind == "shutdown-info":
        return Shutdown(reason.text)
    return reason.text or reason.kind


_PLAIN = {reason.value: reason for reason in ExitReason}

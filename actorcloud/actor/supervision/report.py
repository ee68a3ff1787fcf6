"""What a supervisor says in the log: one record for each thing that happened.

============  =====================================================================================
`extra`       meaning
============  =====================================================================================
supervisor    who reports, as text
context       child_terminated, start_error, shutdown_error (it did not end as it was told to),
              shutdown (too many restarts: the supervisor ends), progress (started; at DEBUG)
offender      the child: an `Offender`
reason        the exit reason, or the exception, as text
last_message  what a crashed child handled last, as text; None if there was none
action        what the supervisor did about it: "restarted as ...", "removed", ...
============  =====================================================================================

The first line of a record says all of it; the traceback of a crash follows. Values of the user's
are cut, see `base.exits.brief`.

Reference: OTP's supervisor reports; otp-semantics 3.11.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from actorcloud.base.exits import Crash, brief, cut, safe_str

logger = logging.getLogger("actorcloud.actor")


class Offender(msgspec.Struct, frozen=True, kw_only=True):
    """The child that a record is about."""

    id: Any
    #: Who it is or was, as text; None if it did not run.
    ref: str | None
    #: What starts it, by name.
    start: str
    restart: str
    #: Seconds, "brutal_kill" or "infinity".
    shutdown: float | str | None
    significant: bool
    #: "worker" or "supervisor".
    type: str | None
    #: How often the supervisor had started it anew.
    restarts: int

    def __str__(self) -> str:
        return brief(self.id) + ("" if self.ref is None else f" ({self.ref})")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a child, and what the supervisor did about it."""

    supervisor: str
    context: str
    offender: Offender
    reason: object
    action: str

    def log(self) -> None:
        """Write the record, as an error."""
        reason = cut(safe_str(self.reason))
        crash = self.reason if isinstance(self.reason, Crash) else None
        last_message = None if crash is None else crash.last_message
        logger.error(
            "%s: %s of child %s: %s%s; %s%s",
            self.supervisor,
            self.context,
            self.offender,
            reason,
            "" if last_message is None else f", its last message: {last_message}",
            self.action,
            "" if crash is None else f"\n{crash.traceback}",
            extra={
                "supervisor": self.supervisor,
                "context": self.context,
                "offender": self.offender,
                "reason": reason,
                "last_message": last_message,
                "action": self.action,
            },
        )


def log_progress(supervisor: str, offender: Offender) -> None:
    """Write that a child was started, for those who debug."""
    logger.debug(
        "%s started child %s",
        supervisor,
        offender,
        extra={"supervisor": supervisor, "context": "progress", "offender": offender},
    )

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

The first line of a record says all of it; what a `CrashReport` has, and the traceback, follow, and
its fields are keys too. Values of the user's are cut, see `base.brief`.

Reference: OTP's supervisor reports; otp-semantics 3.11.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from actorcloud.actor.cell.report import CrashReport, join_lines, traceback_of
from actorcloud.base.brief import brief, cut
from actorcloud.base.exits import Crash, safe_str

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

    def log(self, *, single_line: bool = False) -> None:
        """Write the record, as an error."""
        crash = self.reason if isinstance(self.reason, Crash) else None
        report: CrashReport | None = None if crash is None else crash.report
        reason = cut(safe_str(self.reason) if report is None else report.reason)
        last_message = None if report is None else report.last_message
        handled = "" if last_message is None else f", its last message: {last_message}"
        line = f"{self.supervisor}: {self.context} of child {self.offender}: {reason}{handled}; {self.action}"
        text = join_lines([line, *(report.details if report is not None else ())], single_line=single_line)
        traceback = "" if crash is None else traceback_of(crash) if report is None else report.traceback
        logger.error(
            "%s",
            f"{text}\n{traceback}" if traceback and not single_line else text,
            extra={
                **({} if report is None else report.extra),
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

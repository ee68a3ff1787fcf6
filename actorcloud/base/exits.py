"""Exit reasons: every actor ends with exactly one.

`normal`, `shutdown` and `Shutdown(info)` are *normal-class*: they are no failure, are not logged
as errors and do not restart a transient child. Everything else is abnormal.

Reference: Erlang's exit reasons; otp-semantics 1.3.
"""

from __future__ import annotations

import enum
import traceback
from typing import Any

import msgspec

#: A longer traceback keeps its head and its tail.
TRACEBACK_LIMIT_CHARS = 16_000


class ExitReason(enum.Enum):
    """The reasons that carry no information of their own."""

    #: The actor stopped because its work was done.
    NORMAL = "normal"
    #: A supervisor ordered the end, or gave up.
    SHUTDOWN = "shutdown"
    #: As a signal: cannot be trapped. As a reason: the actor raised it about itself.
    KILL = "kill"
    #: An explicit kill was received.
    KILLED = "killed"
    #: The target of a link, monitor or ask does not exist.
    NOPROC = "noproc"
    #: The peer of the target is unreachable or lost; the target itself may be alive.
    NOCONNECTION = "noconnection"

    @property
    def is_normal(self) -> bool:
        """Whether this reason is no failure."""
        return self in {ExitReason.NORMAL, ExitReason.SHUTDOWN}

    def __str__(self) -> str:
        return self.value


class Shutdown(msgspec.Struct, frozen=True):
    """An orderly end that carries information; normal-class."""

    info: object

    @property
    def is_normal(self) -> bool:
        """Always True."""
        return True


class Crash(msgspec.Struct, frozen=True, eq=False):
    """An uncaught exception, kept as text: it must be readable on a peer that lacks the class."""

    #: The class's name with its module, unless that is builtins.
    type: str
    message: str
    #: The whole formatted traceback, causes and notes included, cut at `TRACEBACK_LIMIT_CHARS`.
    traceback: str
    #: The exception itself where it was raised; None after crossing to another process.
    exception: BaseException | None = None
    #: How the actor was, a `CrashReport`; None after crossing to another process, and where none was made.
    report: Any = None

    @property
    def is_normal(self) -> bool:
        """Always False."""
        return False

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"

    @classmethod
    def of(cls, error: BaseException) -> Crash:
        """Describe `error`; never raises, whatever its `__str__` does."""
        return cls(type_name(error), safe_str(error), format_traceback(error), error)


class ProcessDied(msgspec.Struct, frozen=True):
    """The OS process of an isolated actor ended under it: a segfault, `os._exit`, a `kill -9` from outside."""

    #: For people: "signal 11 (SIGSEGV)", "exit code 3".
    status: str
    #: The exit code; negative for a signal; None if the process never ran.
    code: int | None = None

    @property
    def is_normal(self) -> bool:
        """Always False."""
        return False

    def __str__(self) -> str:
        return f"its process ended with {self.status}"


class MemoryExceeded(msgspec.Struct, frozen=True):
    """An isolated actor wanted more memory than it may have."""

    limit_bytes: int

    @property
    def is_normal(self) -> bool:
        """Always False."""
        return False

    def __str__(self) -> str:
        return f"it took more than its {self.limit_bytes:,} bytes of memory"


#: What an actor may end with: one of the above, or any value given to `exit` or `stop`.
Reason = object


def is_normal(reason: object) -> bool:
    """Tell whether `reason` is normal-class; a value of the user's own is not."""
    return bool(getattr(reason, "is_normal", False))


def type_name(error: BaseException) -> str:
    """Return the name under which people know this exception's class."""
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def safe_str(value: object) -> str:
    """Return `str(value)`, or a text that says that it raised."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  a broken __str__ must not hide the failure it describes
        return f"<{type(value).__name__} whose str() raised {type(error).__name__}>"


def format_traceback(error: BaseException) -> str:
    """Return the traceback of `error` as text, bounded; never raises."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001  as above
        text = f"{type_name(error)}: {safe_str(error)}\n"
    if len(text) <= TRACEBACK_LIMIT_CHARS:
        return text
    half = TRACEBACK_LIMIT_CHARS // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"

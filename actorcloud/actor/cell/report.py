"""Reports of crashes: what the actor was, what it handled, in what state, as text that is bounded.

Nothing here raises, whatever `__repr__` or `format_status` do; and what `format_status` was to hide
is not shown when that fails.

Thread: any; `format_status` runs in the actor's turn.

Reference: OTP's crash reports and `format_status`; otp-semantics 2.8 and 5.6.
"""

from __future__ import annotations

from typing import Any

import msgspec

from actorcloud.actor.errors import Unwound
from actorcloud.actor.mailbox.mail import Ask
from actorcloud.base.brief import DEPTH_DEFAULT, brief, outline
from actorcloud.base.errors import ConfigError
from actorcloud.base.exits import Crash, safe_str

#: Characters of one value: some twenty lines on a screen.
CHARS_DEFAULT = 2_000

#: Linked actors that are named.
_LINKS = 30


class ReportFormat(msgspec.Struct, frozen=True, kw_only=True):
    """How a system writes its crash reports; its attribute `report_format`."""

    #: How deep, >= 1.
    depth: int = DEPTH_DEFAULT
    #: Characters of each value, >= 20.
    chars: int = CHARS_DEFAULT
    #: One line for each report; the traceback is left to its extra keys.
    single_line: bool = False

    def __post_init__(self) -> None:
        for name, least in (("depth", 1), ("chars", 20)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} of a ReportFormat is {value!r}; it must be an integer >= {least}")


class Status(msgspec.Struct, frozen=True, eq=False, kw_only=True, repr_omit_defaults=True):
    """What `format_status` is given, and returns with whatever it wants changed.

    >>> Status(state={"password": "x"})
    Status(state={'password': 'x'})
    """

    #: What `system_get_state` returned.
    state: Any
    #: The message that was being handled at a crash; None otherwise.
    message: Any = None
    #: What the actor ends with; None while it lives.
    reason: Any = None
    #: The `Event`s of `debug.log`.
    log: list[Any] = []
    #: Of a `StateMachine`: the events that it handles next.
    queue: list[Any] = []
    #: As above: the events that wait for another state, oldest first.
    postponed: list[Any] = []
    #: As above: the timeouts that run, by the key of `cancel_timeout`, and their contents.
    timeouts: dict[Any, Any] = {}


class CrashReport(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """How an actor was when it crashed; all text, so that it keeps nothing alive."""

    actor: str
    actor_class: str
    #: What it was handling; None if that was no message.
    last_message: str | None
    #: Whether someone waited for the answer.
    is_ask: bool
    state: str
    #: The `Crash`, or what `format_status` made of it.
    reason: str
    #: Empty if the reason is not told as it was, and of an outage: what it says is all there is to know.
    traceback: str
    #: The last ones, if `debug.log` was on.
    events: list[str]
    #: Messages that waited.
    mailbox: int
    parent: str | None
    links: list[str]
    trap_exit: bool

    @property
    def extra(self) -> dict[str, object]:
        """The keys of the log record."""
        return msgspec.structs.asdict(self)

    @property
    def details(self) -> list[str]:
        """What the first line does not tell."""
        lines = [f"state: {self.state}", *(f"event: {event}" for event in self.events)]
        if self.links:
            lines.append(f"linked to: {', '.join(self.links)}")
        return [*lines, f"messages left: {self.mailbox}"]

    def text(self, *, single_line: bool = False) -> str:
        """Return the report as it is logged, but for the traceback: a line, or several."""
        last = "" if self.last_message is None else f"; its last message: {self.last_message}"
        return join_lines([f"{self.actor} crashed: {self.reason}{last}", *self.details], single_line=single_line)


def join_lines(lines: list[str], *, single_line: bool) -> str:
    """Return the lines of a record as its text."""
    return "; ".join(line.replace("\n", "\\n") for line in lines) if single_line else "\n  ".join(lines)


class _Hidden(str):
    """What stands for a value that is not shown."""

    __slots__ = ()


def shown(actor: Any, status: Status) -> Status:
    """Return what `format_status` makes of `status`; if it fails, a text that says so instead of everything."""
    name = type(actor).__name__
    try:
        found = actor.format_status(status)
    except Unwound:
        raise
    except BaseException as error:  # noqa: BLE001  whatever it is, it must not show what was to be hidden
        text = _Hidden(f"<format_status of {name} raised {type(error).__name__}: not shown>")
    else:
        if isinstance(found, Status):
            return _outlined(found) if actor.hides_values else found
        text = _Hidden(f"<format_status of {name} returned {type(found).__name__}, no Status: not shown>")
    return Status(state=text, message=text, reason=status.reason, log=[])


def traceback_of(crash: Crash) -> str:
    """Return the traceback that a record has; none of an error that is an outage."""
    return "" if getattr(crash.exception, "is_outage", False) else crash.traceback


def _outlined(status: Status) -> Status:
    state = status.state
    return Status(
        state={name: outline(value) for name, value in state.items()} if type(state) is dict else outline(state),
        message=None if status.message is None else outline(status.message),
        reason=status.reason,
        log=[outline(event) for event in status.log],
    )


def report_crash(cell: Any, crash: Crash, handled: tuple[Any, bool] | None, style: ReportFormat) -> CrashReport:
    """Describe the actor that ends with `crash`, before it is dead.

    Args:
        cell: the actor's.
        crash: its reason.
        handled: the message that was being handled, and whether it was asked; None if there was none.
        style: how to write values.
    """
    message, is_ask = handled or (None, False)
    log = None if cell.debug is None else cell.debug.functions.get("log")
    try:
        state = cell.actor.system_get_state()
    except Unwound:
        raise
    except BaseException as failure:  # noqa: BLE001  the rest of the report is still worth having
        state = _Hidden(f"<system_get_state raised {type(failure).__name__}>")
    events = [] if log is None else list(log.state)
    status = shown(cell.actor, Status(state=state, message=message, reason=crash, log=events))

    def write(value: object) -> str:
        return str(value) if isinstance(value, _Hidden) else brief(value, depth=style.depth, chars=style.chars)

    told = status.reason is crash
    return CrashReport(
        actor=str(cell.ref),
        actor_class=f"{cell.kind.__module__}.{cell.kind.__qualname__}",
        last_message=None if handled is None else write(status.message),
        is_ask=is_ask,
        state=write(status.state),
        reason=(safe_str(crash) if told else write(status.reason))[: style.chars],
        traceback=traceback_of(crash) if told else "",
        events=[safe_str(event)[: style.chars] for event in status.log],
        mailbox=cell.queued(),
        parent=None if cell.parent is None else str(cell.parent),
        links=[str(peer) for peer in list((cell.links or {}).values())[:_LINKS]],
        trap_exit=cell.is_trapping(),
    )


def handled_at(error: BaseException, loops: set[Any], aside: Any) -> tuple[Any, bool] | None:
    """Find the message whose handling raised `error`, in the traceback: so no turn need note it.

    Args:
        error: what was raised.
        loops: the code objects of the functions that take messages; each calls them `message`.
        aside: the code object of what they do between two messages.

    Returns:
        The message, and whether someone waits for the answer; None if there was none.
    """
    trace = error.__traceback__
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        if frame.f_code is aside:
            return None
        if frame.f_code in loops and "message" in frame.f_locals:
            message = frame.f_locals["message"]
            if trace is not None and trace.tb_frame.f_code is aside:
                return None
            return (message.message, True) if type(message) is Ask else (message, False)
    return None

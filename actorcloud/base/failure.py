"""What a job raised, on its way to whoever asks for the result.

The text travels first (`JobError`): it can be read everywhere. The exception object travels as
bytes beside it, and is a favour only: where it cannot be had, a class of that name which this
program has already loaded is used, and else `RemoteError`. Each is raised `from` the remote
traceback, so that the printed traceback begins where the job failed.

No name in a text is ever imported. `load_error` raises nothing, whatever the bytes hold.

Thread: any.

Reference: concurrent.futures' _RemoteTraceback.
"""

from __future__ import annotations

from types import TracebackType

from actorcloud.base.codec import dump, load_here
from actorcloud.base.errors import ActorCloudError, RemoteError, from_code
from actorcloud.base.exits import format_traceback, safe_str, type_name
from actorcloud.base.origin import find
from actorcloud.base.states import JobError

#: A message longer than this keeps its beginning.
MESSAGE_LIMIT_CHARS = 8_000

#: A pickled exception larger than this stays behind; the text says what it was.
OBJECT_LIMIT_BYTES = 1024 * 1024

#: Frames of these modules, at the top of a traceback, ran the job and are none of its business.
_RUNNERS = ("actorcloud.worker", "actorcloud.base", "actorcloud.client", "actorcloud.actor")


def dump_error(error: BaseException) -> tuple[JobError, bytes]:
    """Describe what a job raised; never raises.

    Args:
        error: as caught, with its traceback; the frames of our own above the user's are cut off.

    Returns:
        The text, and the pickled exception: empty if it is no `Exception` or cannot be pickled.
    """
    return describe_error(error), _pickled(error)


def describe_error(error: BaseException) -> JobError:
    """Return the text of what a job raised; never raises."""
    error.__traceback__ = _users_part(error.__traceback__)
    message = safe_str(error)
    if len(message) > MESSAGE_LIMIT_CHARS:
        message = f"{message[:MESSAGE_LIMIT_CHARS]} ... {len(message) - MESSAGE_LIMIT_CHARS} characters left out"
    return JobError(type_name(error), message, format_traceback(error))


def load_error(value: bytes, error: JobError, code: str = "") -> Exception:
    """Return the exception to raise for a failed job; never raises.

    Args:
        value: the pickled exception, or empty.
        error: its text.
        code: `ActorCloudError.code` when the failure is ours; then the class of that code is used.

    Returns:
        An exception whose `__cause__` carries the remote traceback.
    """
    found = (from_code(code, error.message) if code else None) or _unpickled(value) or _rebuilt(error)
    result = found or RemoteError(f"{error.type}: {error.message}")
    if error.traceback:
        result.__cause__ = RemoteError(f"\n{error.traceback.rstrip()}")
    return result


def code_of(error: BaseException) -> str:
    """Return the code under which a failure of our own travels, or an empty text."""
    return error.code if isinstance(error, ActorCloudError) else ""


def _users_part(traceback: TracebackType | None) -> TracebackType | None:
    part = traceback
    while part is not None and str(part.tb_frame.f_globals.get("__name__")).startswith(_RUNNERS):
        part = part.tb_next
    # All of it ours (a result that cannot be pickled): the whole is better than nothing.
    return part or traceback


def _pickled(error: BaseException) -> bytes:
    if not isinstance(error, Exception):
        return b""
    try:
        data = dump(error, "the error")
    except Exception:  # noqa: BLE001  the text travels anyway
        return b""
    return data if len(data) <= OBJECT_LIMIT_BYTES else b""


def _unpickled(data: bytes) -> Exception | None:
    if not data:
        return None
    try:
        found = load_here(data)
        # Whoever prints it calls these: an exception that cannot be shown is of no use.
        str(found), repr(found)
    except (Exception, SystemExit):  # noqa: BLE001  a constructor of the user's may do anything
        return None
    return found if isinstance(found, Exception) else None


def _rebuilt(error: JobError) -> Exception | None:
    """Return an exception of a class that is loaded here, made without its constructor."""
    cls = _loaded_class(error.type)
    if cls is None:
        return None
    try:
        made = cls.__new__(cls, error.message)
        made.args = (error.message,)
        str(made), repr(made)
    except (Exception, SystemExit):  # noqa: BLE001  as above
        return None
    return made


def _loaded_class(name: str) -> type[Exception] | None:
    parts = name.split(".")
    found = find("builtins", name)
    # The longest name that is a loaded module; what is left is the path in it.
    for length in range(len(parts) - 1, 0, -1):
        if found is None:
            found = find(".".join(parts[:length]), ".".join(parts[length:]))
    return found if isinstance(found, type) and issubclass(found, Exception) else None

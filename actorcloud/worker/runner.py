"""One job: from its bytes to how it ended.

::

    RunItem -- load function, arguments --> call it --> pickle the result --> DoneItem
                     |                        |                 |
                     +-- any exception -------+-----------------+--> DoneItem "failed"

Every exception is the job's, `SystemExit` and `KeyboardInterrupt` too: the process goes on. What
ends the process is no business of this file; the agent sees the end of the socket.

Thread: the main thread of the worker, so that a job may set signal handlers.
"""

from __future__ import annotations

import contextvars
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from actorcloud.base.code import load_function
from actorcloud.base.codec import dump_value, load_call
from actorcloud.base.errors import JobsError, PayloadTooLarge, Unpicklable
from actorcloud.base.failure import describe_error, dump_error
from actorcloud.protocol.node import RunItem
from actorcloud.protocol.record import Outcome

#: Functions kept as objects.
LOADED_LIMIT = 256

#: Functions kept as bytes; an agent sends each only once, so a worker that has more is replaced.
CODE_LIMIT = 4096

#: The same, in bytes.
CODE_LIMIT_BYTES = 64 * 1024 * 1024


#: In the pickle of a function that holds a `Cloud` (`client.cloud.cloud_of_this_job`).
_CAPTURED_CLOUD = b"cloud_of_this_job"


class Functions:
    """The functions that this worker has been sent, by digest; the least recently used go first.

    A function is unpickled once: what a job changes in its globals, the next job of the same
    function on this worker sees, as in any process that runs several calls.
    """

    def __init__(self) -> None:
        self._code: dict[bytes, bytes] = {}
        self._size = 0
        self._loaded: OrderedDict[bytes, Callable[..., Any]] = OrderedDict()

    @property
    def is_full(self) -> bool:
        """Whether this worker has seen so much code that a new one should take its place."""
        return len(self._code) > CODE_LIMIT or self._size > CODE_LIMIT_BYTES

    def add(self, digest: bytes, code: bytes) -> None:
        """Keep a pickled function. Thread: the reader; the job that needs it comes after it."""
        self._code[digest] = code
        self._size += len(code)

    def get(self, digest: bytes) -> Callable[..., Any]:
        """Return the function; raises what its unpickling raises."""
        found = self._loaded.get(digest)
        if found is not None:
            self._loaded.move_to_end(digest)
            return found
        code = self._code.get(digest)
        if not code:
            raise JobsError(f"the function of this job ({digest.hex()}) did not come with it; add the job again")
        loaded = load_function(code)
        if _CAPTURED_CLOUD in code:
            # It was bound to the job that runs now, and is no good for the next.
            return loaded
        self._loaded[digest] = loaded
        if len(self._loaded) > LOADED_LIMIT:
            self._loaded.popitem(last=False)
        return loaded


def run(item: RunItem, functions: Functions) -> Outcome:
    """Run one job; raises nothing."""
    tracer = sys.gettrace()
    try:
        function, args, kwargs = _loaded(item, functions)
        # A context of its own: no variable set by an earlier job is seen.
        value = contextvars.Context().run(function, *args, **kwargs)
        # A debugger that the job has called stops here, and finds nobody to ask: that is the job's failure.
        if sys.gettrace() is not tracer:
            sys.settrace(tracer)
    except BaseException as error:  # noqa: BLE001  whatever a job raises is its outcome
        return failed(error)
    try:
        return Outcome("done", dump_value(value, "the result"))
    except (Unpicklable, PayloadTooLarge) as error:
        # Its message says it all; the frames are ours.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        return Outcome("failed", b"", describe_error(error), error.code)
    except BaseException as error:  # noqa: BLE001  __reduce__ and __getstate__ are the user's
        return failed(error)


def _loaded(item: RunItem, functions: Functions) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    what = "function"
    try:
        function = functions.get(item.function)
        what = "arguments"
        return function, *load_call(item.arguments)
    except Exception as error:
        error.add_note(f"(raised on the node while it unpickled the job's {what})")
        raise


def failed(error: BaseException) -> Outcome:
    """Return the outcome of a job that raised `error`."""
    text, value = dump_error(error)
    return Outcome("failed", value, text)

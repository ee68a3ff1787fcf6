"""How a transaction ends, as its caller sees it: `Commit(value)` or `Fail(reason)`, or an error.

::

    match cloud.mutate_store(transfer):
        case Commit(balance): ...
        case Fail("too poor"): ...
"""

from __future__ import annotations

from typing import Generic, NoReturn, TypeVar

import msgspec

from actorcloud.base.errors import TransactionError

T = TypeVar("T")


class Abort(Exception):
    """Raised in a transaction's function: nothing is written, `mutate_store` returns `Fail(reason)`.

    >>> str(Abort("too poor"))
    'too poor'
    """

    def __init__(self, reason: object = None) -> None:
        super().__init__(reason)
        #: What `Fail.reason` will hold.
        self.reason = reason


class Commit(msgspec.Struct, Generic[T], frozen=True):
    """The transaction is durable.

    >>> Commit(41 + 1).value
    42
    """

    #: What the function returned.
    value: T


class Fail(msgspec.Struct, frozen=True):
    """The function raised `Abort`: nothing was written.

    >>> bool(Fail("too poor"))
    False
    """

    #: What `Abort` was raised with.
    reason: object

    @property
    def value(self) -> NoReturn:
        """There is none.

        Raises:
            TransactionError: always.
        """
        raise TransactionError(f"the transaction was aborted and has no value: {self.reason!r}")

    def __bool__(self) -> bool:
        return False


class FencedRun(BaseException):
    """This run of the job is no longer its current one: another has taken over, and this process is to end.

    A BaseException, so that a job's `except Exception` does not keep it going; it never leaves the worker.
    """

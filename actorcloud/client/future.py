"""A job as a future: for `concurrent.futures`, for asyncio, and for those who do not want to wait.

The future holds the outcome as bytes; it is unpickled by the first who asks for the value, never by
the thread that delivers answers.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Generator
from typing import Any, Generic, Protocol, TypeVar, cast

from actorcloud.base.ids import JobRef
from actorcloud.protocol.record import Outcome

T = TypeVar("T")


class Owner(Protocol):
    """Whoever settles a future."""

    def wait_done(self, future: JobFuture[Any], timeout: float | None) -> None:
        """Block until `future` is done; None: for as long as the head answers."""
        ...

    def cancel(self, future: JobFuture[Any]) -> bool:
        """Cancel the job of `future`."""
        ...

    def read(self, ref: bytes, outcome: Outcome | None) -> Any:
        """Return the value in `outcome`, or raise the error in it."""
        ...


class JobFuture(concurrent.futures.Future[T], Generic[T]):
    """The result of a job, to come.

    Works with `concurrent.futures.wait` and `as_completed`, and `await future` works in asyncio.
    Callbacks run on the thread that delivers answers: they must not wait for anything of this cloud.

    Made by `Cloud.submit` and `Cloud.future`.
    """

    def __init__(self, ref: JobRef[T], owner: Owner) -> None:
        super().__init__()
        #: Names the job, in every call and on every machine.
        self.ref = ref
        self._owner = owner
        self._read: tuple[T] | Exception | None = None

    def result(self, timeout: float | None = None) -> T:
        """Return the job's value.

        Args:
            timeout: seconds to wait; None waits as long as the head answers.

        Raises:
            ResultTimeout: if it did not come in time (a `TimeoutError`); the job goes on.
            CancelledError: if this future was cancelled.
            Exception: what the job raised, and what `Cloud.result` raises.
        """
        read = self._outcome(timeout)
        if isinstance(read, Exception):
            raise read
        return read[0]

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what `result` would raise of the job's own, or None.

        Raises:
            ResultTimeout: if the job did not end in time.
            CancelledError: if this future was cancelled.
        """
        read = self._outcome(timeout)
        return read if isinstance(read, Exception) else None

    def cancel(self) -> bool:
        """Cancel the job, whether it runs or not; does not block.

        Returns:
            False if its end was already known here. The job's record stays, `Failed(JobCancelled)`;
            a job that ends in the same moment may still be `Done`.
        """
        return self._owner.cancel(self)

    def cancel_here(self) -> None:
        """Become cancelled; for the room's own use, by whoever took this future from the pending ones."""
        super().cancel()
        # Tells concurrent.futures.wait and as_completed, too.
        self.set_running_or_notify_cancel()

    def __await__(self) -> Generator[Any, None, T]:
        import asyncio  # noqa: PLC0415  40 ms, for those who have it loaded already

        return asyncio.wrap_future(self).__await__()

    def __repr__(self) -> str:
        state = "cancelled" if self.cancelled() else "ended" if self.done() else "pending"
        return f"<JobFuture {self.ref} {state}>"

    def _outcome(self, timeout: float | None) -> tuple[T] | Exception:
        if not self.done():
            self._owner.wait_done(self, timeout)
        error = super().exception(0)
        if error is not None:
            # Set by us and by nobody else: never a BaseException.
            return cast("Exception", error)
        if self._read is None:
            self._read = self._load(cast("Outcome | None", super().result(0)))
        return self._read

    def _load(self, outcome: Outcome | None) -> tuple[T] | Exception:
        try:
            return (cast("T", self._owner.read(self.ref.raw, outcome)),)
        except Exception as error:  # noqa: BLE001  the job's own error is this future's value
            return error

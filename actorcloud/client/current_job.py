"""The job that runs here, if one does: what `actorcloud.current()` gives.

A slot that the worker process fills before it runs a job (`fill`) and empties after it; threads of
the job see it too. `workers=0` and the simulation run jobs on threads of a process that is no
worker: they fill the slot for that thread alone (`filled`).

The handle in it is bound to one run of one job, and is never looked up again at a call: a thread
that outlives its job keeps a handle that has been closed (design 6.1, rule 3).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from actorcloud.base.ids import JobRef

#: The class of handle: `Cloud`, which knows this file and not the other way round.
C = TypeVar("C")


class CurrentJob(Generic[C]):
    """The running job, seen from inside.

    Args:
        ref: of the job.
        attempt: counts the runs of the job from 1; for people, never for decisions.
        open_cloud: makes the job's own handle, bound to this run; called at the first use, as most
            jobs never talk to their cloud.
    """

    def __init__(self, ref: JobRef[Any], attempt: int, open_cloud: Callable[[], C]) -> None:
        self.ref = ref
        self.attempt = attempt
        self._open_cloud = open_cloud
        #: What `on_done` was given, in order; run by the worker after the job's function.
        self.staged: list[Callable[[], object]] = []

    @functools.cached_property
    def cloud(self) -> C:
        """The job's own handle; its changes count only while this run is the job's current one."""
        return self._open_cloud()

    @property
    def has_cloud(self) -> bool:
        """Whether the job has used its handle, so that it must be closed."""
        return "cloud" in self.__dict__

    def on_done(self, fun: Callable[[], object]) -> None:
        """Stage a transaction that commits together with the job's end and its result.

        Args:
            fun: as for `mutate_store`; runs after the job's function returned, and again if what it
                read has changed. Its writes exist if and only if this run's result does.

        Raises:
            TypeError: it cannot be called.
        """
        if not callable(fun):
            raise TypeError(f"on_done takes a function without arguments, not {fun!r}")
        self.staged.append(fun)

    def __repr__(self) -> str:
        return f"<CurrentJob {self.ref}, attempt {self.attempt}>"


class _Slot(threading.local):
    """The job of one thread, for those who run jobs on threads of a program."""

    job: CurrentJob[Any] | None = None


_thread = _Slot()
_process: CurrentJob[Any] | None = None


def current_or_none() -> CurrentJob[Any] | None:
    """Return the job that runs here, or None."""
    return _thread.job or _process


def fill(job: CurrentJob[Any] | None) -> None:
    """Name the job that this process runs from now on; None: none."""
    global _process
    _process = job


@contextmanager
def filled(job: CurrentJob[C]) -> Iterator[CurrentJob[C]]:
    """Name the job that this thread alone runs within the block."""
    outer, _thread.job = _thread.job, job
    try:
        yield job
    finally:
        _thread.job = outer

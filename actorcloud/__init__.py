"""Supervised actors and durable jobs across machines, with a serializable store.

::

    from actorcloud import Cloud

    with Cloud() as cloud:
        refs = cloud.add_jobs(render, frames)
        for image in cloud.results(refs): ...

The names here are the whole of what most programs need; actors have more in `actorcloud.actor`.
Everything is loaded at its first use: importing this module loads no engine and starts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actorcloud.actor import Actor, ChildSpec, Supervisor, named, process
    from actorcloud.base.errors import (
        ActorCloudError,
        HeadUnreachable,
        JobCancelled,
        JobSuspended,
        JobTimeout,
        NoSuchJob,
        RemoteError,
        ResultTimeout,
        TransactionError,
    )
    from actorcloud.base.ids import JobRef, NodeRef
    from actorcloud.base.states import Done, Failed, JobError, Queued, Running, Suspended
    from actorcloud.base.version import VERSION as __version__  # noqa: N811  Python's name for it
    from actorcloud.client import Cloud, JobFuture, current
    from actorcloud.store import Abort, Commit, Fail

__all__ = [
    "Abort",
    "Actor",
    "ActorCloudError",
    "ChildSpec",
    "Cloud",
    "Commit",
    "Done",
    "Fail",
    "Failed",
    "HeadUnreachable",
    "JobCancelled",
    "JobError",
    "JobFuture",
    "JobRef",
    "JobSuspended",
    "JobTimeout",
    "NoSuchJob",
    "NodeRef",
    "Queued",
    "RemoteError",
    "ResultTimeout",
    "Running",
    "Supervisor",
    "Suspended",
    "TransactionError",
    "__version__",
    "current",
    "named",
    "process",
]

#: Where each name lives; the block above says the same to type checkers, and a test compares.
_HOMES = {
    "actorcloud.actor": ("Actor", "ChildSpec", "Supervisor", "named", "process"),
    "actorcloud.base.errors": (
        "ActorCloudError",
        "HeadUnreachable",
        "JobCancelled",
        "JobSuspended",
        "JobTimeout",
        "NoSuchJob",
        "RemoteError",
        "ResultTimeout",
        "TransactionError",
    ),
    "actorcloud.base.ids": ("JobRef", "NodeRef"),
    "actorcloud.base.states": ("Done", "Failed", "JobError", "Queued", "Running", "Suspended"),
    "actorcloud.client": ("Cloud", "JobFuture", "current"),
    "actorcloud.store": ("Abort", "Commit", "Fail"),
}


def __getattr__(name: str) -> object:
    # Called once a name: what is found becomes an attribute.
    import importlib

    if name == "__version__":
        found: object = importlib.import_module("actorcloud.base.version").VERSION
    else:
        home = next((home for home, names in _HOMES.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

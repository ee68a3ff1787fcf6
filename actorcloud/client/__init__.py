"""The client: `Cloud` over the head's two actors, the job manager and the store.

A worker opens the job's own cloud by `Cloud.over(head, fence=...)` with a `Head` of its own, and
names the running job by `fill(CurrentJob(...))`.

Everything is loaded at its first use: a worker that runs plain jobs never needs the most of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actorcloud.client.adder import JobAdder
    from actorcloud.client.cloud import Cloud, current
    from actorcloud.client.current_job import CurrentJob, fill, filled
    from actorcloud.client.finishing import finish_job
    from actorcloud.client.future import JobFuture
    from actorcloud.client.headcommand import child_environment, hide_store, start_head
    from actorcloud.client.info import CloudInfo, NodeInfo
    from actorcloud.client.link import Asking, Head, OnReply, Waiters
    from actorcloud.client.listing import listed
    from actorcloud.client.localhead import Connection, find_head, is_locked, read_connection
    from actorcloud.client.options import JobOptions
    from actorcloud.client.private import runtime_directory, sweep_runtime_directories, usable_cpus
    from actorcloud.client.session import HEAD_TIMEOUT_DEFAULT
    from actorcloud.client.temporary import remove_abandoned
    from actorcloud.client.watching import Watch

__all__ = [
    "HEAD_TIMEOUT_DEFAULT",
    "Asking",
    "Cloud",
    "CloudInfo",
    "Connection",
    "CurrentJob",
    "Head",
    "JobAdder",
    "JobFuture",
    "JobOptions",
    "NodeInfo",
    "OnReply",
    "Waiters",
    "Watch",
    "child_environment",
    "current",
    "fill",
    "filled",
    "find_head",
    "finish_job",
    "hide_store",
    "is_locked",
    "listed",
    "read_connection",
    "remove_abandoned",
    "runtime_directory",
    "start_head",
    "sweep_runtime_directories",
    "usable_cpus",
]

_HOMES = {
    "adder": ("JobAdder",),
    "cloud": ("Cloud", "current"),
    "current_job": ("CurrentJob", "fill", "filled"),
    "finishing": ("finish_job",),
    "future": ("JobFuture",),
    "headcommand": ("child_environment", "hide_store", "start_head"),
    "info": ("CloudInfo", "NodeInfo"),
    "link": ("Asking", "Head", "OnReply", "Waiters"),
    "listing": ("listed",),
    "localhead": ("Connection", "find_head", "is_locked", "read_connection"),
    "options": ("JobOptions",),
    "private": ("runtime_directory", "sweep_runtime_directories", "usable_cpus"),
    "session": ("HEAD_TIMEOUT_DEFAULT",),
    "temporary": ("remove_abandoned",),
    "watching": ("Watch",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    # Called once a name: what is found becomes an attribute.
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = found
    return found

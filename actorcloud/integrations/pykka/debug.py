"""The stacks of all threads in the log; see `pykka.debug`."""

from __future__ import annotations

from actorcloud.actor import log_thread_tracebacks

__all__ = ["log_thread_tracebacks"]

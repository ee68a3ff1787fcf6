"""The options of a job: how often it may be run again, how long one run may take, its own name.

They are given to `cloud.options(...)`, never beside a job's arguments: a function may have a
parameter named `timeout` too.
"""

from __future__ import annotations

import math

import msgspec

from actorcloud.base.errors import ConfigError
from actorcloud.protocol.border import RETRIES_LIMIT

#: UTF-8 bytes of the name that people give to a job; it is part of a key in the store.
KEY_LIMIT_BYTES = 256


class JobOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What may be said of a job beside its function and arguments.

    Raises:
        ConfigError: if a value is not allowed; the message names it.
    """

    #: Re-runs after an exception or a `JobTimeout`; lost nodes count nothing.
    retries: int = 0
    #: Seconds that one run may take; None: no limit.
    timeout: float | None = None
    #: The job's own name: adding it again gives the existing JobRef, and with other content a WARNING.
    key: str | None = None

    def __post_init__(self) -> None:
        if type(self.retries) is not int or not 0 <= self.retries <= RETRIES_LIMIT:
            raise ConfigError(f"retries={self.retries!r}: a whole number from 0 to {RETRIES_LIMIT:,} is needed")
        if self.timeout is not None and not _is_duration(self.timeout):
            raise ConfigError(f"timeout={self.timeout!r}: seconds greater than 0 are needed, or None for no limit")
        if self.key is not None and not _is_key(self.key):
            raise ConfigError(f"key={self.key!r}: a text of 1 to {KEY_LIMIT_BYTES} bytes is needed, or None")

    def for_many(self) -> JobOptions:
        """Return these options for a call that adds several jobs.

        Raises:
            ConfigError: if there is a `key`, which names one job.
        """
        if self.key is not None:
            raise ConfigError(f"key={self.key!r} names one job, and this call adds several; use add_job for it")
        return self


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _is_key(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value.encode("utf-8", "surrogatepass")) <= KEY_LIMIT_BYTES

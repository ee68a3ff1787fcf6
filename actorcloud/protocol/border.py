"""What a request must be beyond its shape; checked by whoever takes it in, before anything looks at it.

A client, or a job, may send anything that decodes. What gets past here is handled by code that raises
only for bugs of ours. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from actorcloud.base.code import DIGEST_BYTES, digest_of
from actorcloud.base.errors import BadJobRef, ConfigError, JobConflict
from actorcloud.base.ids import JOB_REF_BYTES
from actorcloud.protocol.record import Fence

#: More than anyone waits for; keeps the count in a small integer.
RETRIES_LIMIT = 1_000_000

#: Bytes of a run: the head's incarnation and a counter.
RUN_BYTES = 16


def check_refs(refs: Iterable[bytes]) -> None:
    """Refuse what cannot be references.

    Raises:
        BadJobRef: one has another length.
    """
    if any(len(ref) != JOB_REF_BYTES for ref in refs):
        raise BadJobRef(f"a job reference has {JOB_REF_BYTES} bytes")


def check_fence(fence: Fence | None) -> None:
    """Refuse what cannot be a fence.

    Raises:
        BadJobRef: its reference or its run has another length.
    """
    if fence is not None:
        check_refs(fence[:1])
        if len(fence[1]) != RUN_BYTES:
            raise BadJobRef(f"a run has {RUN_BYTES} bytes, not {len(fence[1])}")


def check_limits_of_job(retries: int, timeout: float | None) -> None:
    """Refuse options that no job can have.

    Raises:
        ConfigError: naming the option.
    """
    if not 0 <= retries <= RETRIES_LIMIT:
        raise ConfigError(f"retries={retries!r}: a whole number from 0 to {RETRIES_LIMIT:,} is needed")
    if timeout is not None and not (math.isfinite(timeout) and timeout > 0):
        raise ConfigError(f"timeout={timeout!r}: seconds greater than 0 are needed, or None for no limit")


def check_function(digest: bytes, code: bytes = b"") -> None:
    """Refuse a function under a digest that is not its own: every job of that digest would run it.

    Raises:
        JobConflict: the digest has another length, or is not that of `code`, where that is given.
    """
    if len(digest) != DIGEST_BYTES:
        raise JobConflict(f"a function's digest has {DIGEST_BYTES} bytes, not {len(digest)}")
    if code and digest_of(code) != digest:
        raise JobConflict(f"the function that came with digest {digest.hex()} is another one")

"""What a request that counts writes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from actorcloud.protocol.record import JobRecord


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """A request that counts."""

    #: Its number.
    seq: int
    #: key -> stored value; None: deleted.
    writes: dict[bytes, bytes | None]
    #: The jobs it changes.
    records: tuple[tuple[bytes, JobRecord | None], ...] = ()
    #: Those of the writes that are users' own.
    users: Mapping[bytes, bytes | None] = MappingProxyType({})

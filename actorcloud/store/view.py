"""What the store would hold if everything accepted so far were committed.

Pure. Layers of stored values, newest first: the batch that gathers, the batch in flight, and what
the engine had under the keys that were asked for. A key missing everywhere was forgotten in the
plan of the read: a bug, so `KeyError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from actorcloud.protocol.record import JobRecord
from actorcloud.protocol.transaction import COMMIT_LIMIT_BYTES, Conflict, Found, ReadEntry, Snapshot
from actorcloud.store import keys, stored

#: key -> stored value; None: absent.
Layer = Mapping[bytes, bytes | None]

_records = msgspec.msgpack.Decoder(JobRecord)


class Moment(NamedTuple):
    """Where in history a view stands."""

    #: Of the store.
    incarnation: bytes
    #: Number of the last transaction that the view contains.
    seq: int
    #: Seconds since 1970.
    now: float

    @property
    def snapshot(self) -> Snapshot:
        """The same, as callers name it."""
        return self.incarnation, self.seq


class View:
    """Layers, newest first.

    >>> View({b"k": None}, {b"k": b"old"}).value(b"k") is None
    True
    """

    __slots__ = ("_layers",)

    def __init__(self, *layers: Layer) -> None:
        self._layers = layers

    def value(self, key: bytes) -> bytes | None:
        """Return the stored value of `key`."""
        for layer in self._layers:
            if key in layer:
                return layer[key]
        raise KeyError(key)

    def seq(self, key: bytes) -> int:
        """Return the number of the commit that wrote `key`; 0: it is absent."""
        return stored.seq_of(self.value(key))

    def found(self, key: bytes) -> Found:
        """Return the state of `key` as answers have it."""
        value = self.value(key)
        return None if value is None else (stored.seq_of(value), stored.payload_of(value))

    def record(self, ref: bytes) -> JobRecord | None:
        """Return the record of a job."""
        value = self.value(keys.record(ref))
        return None if value is None else _records.decode(stored.payload_of(value))

    def has_job(self, ref: bytes) -> bool:
        """Tell whether a job has a record."""
        return self.value(keys.record(ref)) is not None

    def still_holds(self, reads: Iterable[ReadEntry]) -> bool:
        """Tell whether each key is as it was read."""
        return all(self.seq(key) == seq for key, seq in reads)

    def conflict(self, moment: Moment, wanted: Iterable[bytes]) -> Conflict:
        """Return a `Conflict` with the present state of these keys, as far as one answer holds it."""
        fresh: list[tuple[bytes, Found]] = []
        room = COMMIT_LIMIT_BYTES
        for key in dict.fromkeys(wanted):
            found = self.found(key)
            room -= len(key) + (len(found[1]) if found else 0)
            if room < 0:
                return Conflict(moment.snapshot)
            fresh.append((key, found))
        return Conflict(moment.snapshot, tuple(fresh))

"""Identities: jobs, nodes, peers, actors.

A `JobRef` is 128 bits: 48 of milliseconds since 1970 and 80 random, so that references sort by
the time they were made and two clients never make the same. Clients make them, so that a re-sent
`add_job` is the same job. Order in the queue is commit order, never this clock.

An `ActorId` names an actor on any peer: the peer, the incarnation of its process and a serial
number there. A restarted peer has a new incarnation: its ids never equal those of its predecessor.

Reference: ULID (Crockford's base 32); Erlang's pid with its creation number.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from actorcloud.base.errors import BadJobRef

T = TypeVar("T", covariant=True)

#: Bytes of a job reference.
JOB_REF_BYTES = 16

#: Names of peers: short, printable, safe in a file name and in a log line.
PEER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {digit: value for value, digit in enumerate(_DIGITS)}
_TEXT_LENGTH = 26

#: Letters of a reference, the last ones, which differ: they stand before what a job prints.
SHORT_LENGTH = 6


def is_end_of_ref(text: str) -> bool:
    """Tell whether a text may be the end of a job's reference, long enough to find the job by.

    >>> [is_end_of_ref(text) for text in ("06sdvq", "SDVQ", "06SDVU", "0" * 26)]
    [True, False, False, False]
    """
    return SHORT_LENGTH <= len(text) < _TEXT_LENGTH and set(text.upper()) <= _VALUE.keys()


class JobRef(Generic[T]):
    """The name of a job, good on every machine and in every process.

    Immutable, hashable, ordered by the time it was made, picklable; `str(ref)` gives 26 letters and
    digits, which every call accepts in its place.

    >>> ref = JobRef(bytes(16))
    >>> str(ref)
    '00000000000000000000000000'
    >>> JobRef.parse(str(ref)) == ref
    True
    """

    __slots__ = ("raw",)

    #: The 16 bytes that travel and that key the store.
    raw: bytes

    def __init__(self, raw: bytes) -> None:
        if not isinstance(raw, bytes) or len(raw) != JOB_REF_BYTES:
            raise BadJobRef(f"a job reference has {JOB_REF_BYTES} bytes, not {raw!r}")
        object.__setattr__(self, "raw", raw)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a JobRef is immutable: cannot set {name}")

    @classmethod
    def parse(cls, text: str | bytes | JobRef[T]) -> JobRef[T]:
        """Return the reference that `text` names.

        Args:
            text: 26 letters and digits of Crockford's base 32, in either case; or a JobRef.

        Raises:
            BadJobRef: if it is anything else.
        """
        if isinstance(text, JobRef):
            return text
        if isinstance(text, bytes):
            return cls(text)
        if not isinstance(text, str) or len(text) != _TEXT_LENGTH:
            raise BadJobRef(f"{text!r} is not a job reference (26 letters and digits, like 01JD6X0Q2V8Z3N7YB5K4M9RHTC)")
        try:
            number = 0
            for digit in text.upper():
                number = number << 5 | _VALUE[digit]
            return cls(number.to_bytes(JOB_REF_BYTES, "big"))
        except (KeyError, OverflowError):
            raise BadJobRef(f"{text!r} is not a job reference: it holds a character that none has") from None

    def __str__(self) -> str:
        number = int.from_bytes(self.raw, "big")
        return "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))

    def __repr__(self) -> str:
        return f"JobRef({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobRef) and self.raw == other.raw

    def __lt__(self, other: JobRef[object]) -> bool:
        return self.raw < other.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __reduce__(self) -> tuple[type[JobRef[T]], tuple[bytes]]:
        return type(self), (self.raw,)


class JobRefs:
    """Makes job references: time-ordered, and strictly increasing within one maker.

    Thread: any; one lock guards the last number, so that bulk calls keep their order.

    Args:
        now: seconds since 1970.
        random: n -> n random bytes; `os.urandom` outside the simulation, so that a forked child
            never repeats its parent.
    """

    def __init__(self, now: Callable[[], float] = time.time, random: Callable[[int], bytes] = os.urandom) -> None:
        self._now = now
        self._random = random
        self._last = 0
        self._lock = threading.Lock()

    def make(self) -> bytes:
        """Return 16 new bytes, greater than all that this maker has made."""
        fresh = int(self._now() * 1000) << 80 | int.from_bytes(self._random(10), "big")
        with self._lock:
            # The same millisecond, or a clock set back: count on from the last one.
            self._last = max(fresh, self._last + 1)
            return self._last.to_bytes(JOB_REF_BYTES, "big")


class NodeRef(msgspec.Struct, frozen=True, order=True):
    """The name of a machine in the cloud."""

    #: As given by `actorcloud node --name`, or made from the host's name.
    name: str

    def __str__(self) -> str:
        return self.name


class Peer(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """One start of one process that takes part in a cluster."""

    #: Matches `PEER_NAME`; kept over restarts.
    name: str
    #: 63 random bits of this start of the process.
    incarnation: int

    def __str__(self) -> str:
        return f"{self.name}#{self.incarnation & 0xFFFF:04x}"


class ActorId(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """The unforgeable identity of one actor; never used again after its death."""

    peer: Peer
    #: Counts the actors of that process, from 1.
    serial: int

    def __str__(self) -> str:
        return f"<{self.peer.name}.{self.serial}>"


def new_incarnation(random: Callable[[int], bytes] = os.urandom) -> int:
    """Return 63 random bits, never 0: the name of one start of a process."""
    return int.from_bytes(random(8), "big") >> 1 or 1

"""Between callers and the store (tags 30-59).

Every request is an ask to the actor named "store". Keys are engine keys as `store.keys` builds
them; the store refuses all but users' own (prefix 03) and the once-names of the fence's own job
(prefix 07). A value begins with one byte, its codec (see `store.value`); the rest is opaque.

::

    caller                                       store
      | -- Read(snapshot, reads, keys, scans) ---> |
      | <------- Values | Conflict | Refused       |   at one snapshot, of durable state only
      | -- Commit(id, attempt, reads, writes) ---> |
      | <- Committed | Conflict | Fenced | Refused |   once durable

      | -- Status(id) -------------------------> |   whatever was sent before is judged before
      | <- Committed | NotCommitted              |
      | -- WatchKey(key, seen) ----------------> |   once the key is not as it was seen,
      | <-- KeyChanged | Refused ---------------- |   as soon as that is durable

A Commit may be sent again as it is: its id is remembered in the same batch as its writes, until
the caller acknowledges it with a later request (or for a day).

What a scan has found is told as a `RangeEntry`: its bounds are those up to which all was found, so
that a scan stopped by its limit does not depend on what comes behind the last item.

History: version 1, the first.

Reference: store-design 2.3-2.12.
"""

from __future__ import annotations

import msgspec

from actorcloud.protocol.message import Message
from actorcloud.protocol.record import Fence, NewJob

#: (incarnation of the store, number of the last commit it contains).
Snapshot = tuple[bytes, int]

#: (key, number of the commit that wrote it); 0: the key was absent.
ReadEntry = tuple[bytes, int]

#: (key, value); None: the key is deleted.
Write = tuple[bytes, bytes | None]

#: A key's state in an answer: (number of the commit that wrote it, value); None: absent.
Found = tuple[int, bytes] | None

#: Bytes of a transaction's id.
TXN_ID_BYTES = 16

#: Keys read, keys written, jobs added, ids acknowledged: each at most this in one message.
ENTRY_LIMIT = 10_000

#: Bytes of one value; larger data belongs into files.
VALUE_LIMIT_BYTES = 1024 * 1024

#: Bytes of keys, values and arguments of one Commit, and of the values of one answer.
COMMIT_LIMIT_BYTES = 4 * 1024 * 1024


#: Ranges in one message, of what was scanned and what is to be.
RANGE_LIMIT = 64

#: Records in all ranges of one transaction: the store goes through them again at the commit.
RECORD_LIMIT = 10_000

#: Bytes of `RangeEntry.digest`.
DIGEST_BYTES = 16


class RangeEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All that was found at lo <= key < hi."""

    lo: bytes
    hi: bytes
    count: int
    #: BLAKE2b over the keys, in order, and the numbers of the commits that wrote them; see `store.range`.
    digest: bytes


class RangeRead(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The first `limit` items with lo <= key < hi; the last ones, from the end on, if `reverse`."""

    lo: bytes
    hi: bytes
    #: At most `RECORD_LIMIT`.
    limit: int
    reverse: bool = False


class RangeFound(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The answer to a `RangeRead`."""

    #: (key, number of the commit that wrote it, value), in the order asked for.
    items: tuple[tuple[bytes, int, bytes], ...]
    #: It would have been too large: ask for the rest, which begins after the last item.
    more: bool


class RangeNow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All that is at lo <= key < hi."""

    lo: bytes
    hi: bytes
    #: (key, number of the commit that wrote it, value), in the order of the keys.
    items: tuple[tuple[bytes, int, bytes], ...]


class AtomicStep(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Something that the store does with a value at the commit; see `store.atomic`."""

    #: "add", "append", "compare_and_set", ...
    op: str
    #: The operand, or the new value.
    value: bytes = b""
    #: What the value must be.
    expected: bytes = b""
    #: Bytes that the value may have afterwards.
    cap: int = 0
    #: If the condition does not hold, it is a `Conflict`.
    retry: bool = False


class Atomic(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the store does with a key at the commit, whatever its value is then."""

    #: For "push", what the key begins with: a tuple without its end.
    key: bytes
    #: At least one; "push" only with others of its kind.
    steps: tuple[AtomicStep, ...]


class Read(Message, tag=30, frozen=True):
    """What is there, as of a snapshot at which everything read so far still holds?"""

    keys: tuple[bytes, ...]
    #: None: the transaction has read nothing yet.
    snapshot: Snapshot | None = None
    #: All that the transaction has read so far.
    reads: tuple[ReadEntry, ...] = ()
    #: Whose once-names may be read; stamped by the node's agent.
    fence: Fence | None = None
    #: What is to be scanned.
    scans: tuple[RangeRead, ...] = ()
    #: All that the transaction has scanned so far.
    ranges: tuple[RangeEntry, ...] = ()


class Values(Message, tag=31, frozen=True):
    """The answer to `Read`, in the order of its keys, and of its scans."""

    #: Everything the transaction has read, these included, holds here.
    snapshot: Snapshot
    values: tuple[Found, ...]
    scans: tuple[RangeFound, ...] = ()


class Conflict(Message, tag=32, frozen=True):
    """Something that was read has changed: run the function again.

    `fresh` has the present state of the keys read (and, after `Read`, asked for), all at `snapshot`;
    it is empty where that would be more than `COMMIT_LIMIT_BYTES`. `ranges` has that of what was scanned, or of its
    beginning; only of short ranges of small values, as these are read at every check: the others are to be asked for.
    """

    snapshot: Snapshot
    fresh: tuple[tuple[bytes, Found], ...] = ()
    #: The commit asked for a ticket and has one: run again at once, others will wait for it.
    has_ticket: bool = False
    ranges: tuple[RangeNow, ...] = ()
    #: Nothing that was read has changed: a condition that is to be tried again does not hold yet.
    unmet: bool = False


class Commit(Message, tag=33, frozen=True):
    """Apply these writes if everything read still holds."""

    #: `TXN_ID_BYTES`, the same for all attempts of one transaction.
    txn: bytes
    #: Counts the runs of the function from 1.
    attempt: int
    #: Where the reads hold; None if nothing was read.
    snapshot: Snapshot | None = None
    reads: tuple[ReadEntry, ...] = ()
    writes: tuple[Write, ...] = ()
    jobs: tuple[NewJob, ...] = ()
    #: The commit counts only while this run is the job's current one.
    fence: Fence | None = None
    #: Ids of this caller's earlier transactions whose answers have arrived.
    acked: tuple[bytes, ...] = ()
    #: All that was scanned.
    ranges: tuple[RangeEntry, ...] = ()
    #: Of keys that are not in `writes`.
    atomics: tuple[Atomic, ...] = ()
    #: Not None: this transaction has conflicted often and wants its turn; seconds that one attempt takes.
    ticket: float | None = None


class Committed(Message, tag=34, frozen=True):
    """The transaction is durable."""

    #: Number of the commit.
    seq: int
    #: The attempt that was committed: its value is the transaction's.
    attempt: int


class Fenced(Message, tag=35, frozen=True):
    """Nothing was written: this run is no longer the job's current one."""


class Refused(Message, tag=36, frozen=True):
    """Nothing was written, and sending it again will not help, but where `code` is "busy"."""

    #: `ActorCloudError.code`, or "busy", or "need-function" (then `text` is the digest in hex).
    code: str
    text: str


class Status(Message, tag=45, frozen=True):
    """What became of a transaction? Asked by a caller that will send no more commits of it."""

    txn: bytes


class NotCommitted(Message, tag=46, frozen=True):
    """It was not committed and never will be: the store refuses a copy that comes late."""


class WatchKey(Message, tag=47, frozen=True):
    """Tell me once, when this key is not as I have seen it; at once, if that is so already."""

    key: bytes
    #: Number of the commit that wrote what was seen; 0: the key was absent.
    seen: int


class KeyChanged(Message, tag=48, frozen=True):
    """The key has changed; what it is now is to be read."""

    #: Number of the commit that wrote it; 0: it is absent.
    seq: int

"""The registry of engine keys: one prefix byte each, one function each.

Pure. Nobody else builds or takes apart an engine key. `REGISTRY` has an example of each; a prefix
is never given twice, nor used again after its records are gone.

======  =====================  ======================================================
prefix  key                    value
======  =====================  ======================================================
00      meta: a name           the engine's own (fmt, incarnation, epoch, seq, clean)
01      record: ref            `protocol.record.JobRecord`
02      arguments: ref         pickled arguments of the job
03      user: space, key       users' data; space is 01 + ref, or 02 + a name
04      commit id: txn         (seq, attempt, time) of a committed transaction
05      garbage: ref           empty: this job's user keys are to be collected
06      tombstone: ref         when the job was deleted
07      once: ref, name        value of the transaction that this job ran once
08      function: digest       a pickled function
09      result: ref            `protocol.record.Outcome`
0a      job key: name          the ref that the user's name stands for
0b      pinned: peer name      the peer's public key
0c      usage: space           keys and bytes that a job or a named space has
======  =====================  ======================================================

Reference: store-design 2.10; FoundationDB's directory of subspaces.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import NamedTuple

from actorcloud.base.errors import BadKey
from actorcloud.base.ids import JOB_REF_BYTES
from actorcloud.store.key_codec import escape, find_end

#: LMDB's limit; all engines keep to it.
ENGINE_KEY_LIMIT_BYTES = 511

#: UTF-8 bytes of a named space; what it takes is missing from its keys.
SPACE_LIMIT_BYTES = 64

#: UTF-8 bytes of a once-name, a job's key, a peer's name.
NAME_LIMIT_BYTES = 256

#: Keys whose space is remembered: a request names each of its keys several times, and its caller soon again.
REMEMBERED = 1024

META = b"\x00"
RECORD = b"\x01"
ARGUMENTS = b"\x02"
USER = b"\x03"
COMMIT_ID = b"\x04"
GARBAGE = b"\x05"
TOMBSTONE = b"\x06"
ONCE = b"\x07"
FUNCTION = b"\x08"
RESULT = b"\x09"
JOB_KEY = b"\x0a"
PINNED = b"\x0b"
USAGE = b"\x0c"

_JOB_SPACE = b"\x01"
_NAMED_SPACE = b"\x02"
_JOB_SPACE_PREFIX = USER + _JOB_SPACE
_NAMED_SPACE_PREFIX = USER + _NAMED_SPACE
_JOB_SPACE_BYTES = len(_JOB_SPACE_PREFIX) + JOB_REF_BYTES


def meta(name: str) -> bytes:
    """Return the key of one of the engine's own facts."""
    return META + name.encode()


def record(ref: bytes) -> bytes:
    """Return the key of a job's record."""
    return RECORD + ref


def arguments(ref: bytes) -> bytes:
    """Return the key of a job's arguments."""
    return ARGUMENTS + ref


def user(name: bytes | str, key: bytes) -> bytes:
    """Return the key of a user's value.

    Args:
        name: the 16 bytes of a job's reference, or the name of a space.
        key: made by `key_codec.encode_key`.

    Raises:
        BadKey: the space's name is empty, broken or too long, or name and key together are.
    """
    whole = space(name) + key
    if isinstance(name, str) and len(whole) > ENGINE_KEY_LIMIT_BYTES:
        over = len(whole) - ENGINE_KEY_LIMIT_BYTES
        raise BadKey(f"a key of {len(key)} bytes in the space {name!r} is {over} bytes too long: shorten either")
    return whole


def commit_id(txn: bytes) -> bytes:
    """Return the key under which a committed transaction is remembered."""
    return COMMIT_ID + txn


def garbage(ref: bytes) -> bytes:
    """Return the key that asks for a deleted job's user keys to be collected."""
    return GARBAGE + ref


def tombstone(ref: bytes) -> bytes:
    """Return the key that remembers that a job was deleted."""
    return TOMBSTONE + ref


def once(ref: bytes, name: str) -> bytes:
    """Return the key of what a job did once under `name`.

    Raises:
        BadKey: the name is empty, broken or too long.
    """
    return ONCE + ref + _name(name, "a once-name", NAME_LIMIT_BYTES)


def function(digest: bytes) -> bytes:
    """Return the key of a pickled function."""
    return FUNCTION + digest


def result(ref: bytes) -> bytes:
    """Return the key of a job's outcome."""
    return RESULT + ref


def job_key(name: str) -> bytes:
    """Return the key of the user's own name for a job: its reference, and perhaps the client's fingerprint of it.

    Raises:
        BadKey: the name is empty, broken or too long.
    """
    return JOB_KEY + _name(name, "the key of a job", NAME_LIMIT_BYTES)


def pinned(peer: str) -> bytes:
    """Return the key of a peer's pinned public key.

    Raises:
        BadKey: the name is empty, broken or too long.
    """
    return PINNED + _name(peer, "the name of a peer", NAME_LIMIT_BYTES)


@lru_cache(REMEMBERED)
def usage(space: bytes) -> bytes:
    """Return the key of what a space has.

    Args:
        space: what all its user keys begin with.
    """
    return USAGE + space[len(USER) :]


def usages(*, of_jobs: bool) -> bytes:
    """Return what the keys of all usage records of jobs begin with, or of named spaces."""
    return USAGE + (_JOB_SPACE if of_jobs else _NAMED_SPACE)


# -- taking keys apart ----------------------------------------------------------------------------


def ref_of(key: bytes) -> bytes:
    """Return the reference in the key of a record, garbage, tombstone, arguments or result."""
    return key[1 : 1 + JOB_REF_BYTES]


def digest_of(key: bytes) -> bytes:
    """Return the digest in the key of a function."""
    return key[1:]


def space(name: bytes | str) -> bytes:
    """Return what all user keys of a space begin with.

    Args:
        name: the 16 bytes of a job's reference, or the name of a space.

    Raises:
        BadKey: the space's name is empty, broken or too long.
    """
    if isinstance(name, bytes):
        return _JOB_SPACE_PREFIX + name
    return _named_space(name)


@lru_cache(REMEMBERED)
def _named_space(name: str) -> bytes:
    return _NAMED_SPACE_PREFIX + escape(_name(name, "the name of a space", SPACE_LIMIT_BYTES))


def job_space(ref: bytes) -> bytes:
    """Return what all user keys of this job begin with."""
    return _JOB_SPACE_PREFIX + ref


def once_names(ref: bytes) -> bytes:
    """Return what the keys of all once-names of this job begin with."""
    return ONCE + ref


def after_prefix(prefix: bytes) -> bytes:
    """Return the least key that is greater than all which begin with `prefix` (not all FF)."""
    head = prefix.rstrip(b"\xff")
    return head[:-1] + bytes((head[-1] + 1,))


def owner_of(key: bytes, stamps: Collection[bytes]) -> bytes | None:
    """Return the job whose existence a caller's key depends on; None for a named space.

    Args:
        key: as it came over the wire: any bytes.
        stamps: references of the caller's own jobs, whose once-names it may touch.

    Raises:
        BadKey: callers may not touch this key.
    """
    return next(iter(owners_of((key,), stamps)), None)


def owners_of(touched: Iterable[bytes], stamps: Collection[bytes]) -> set[bytes]:
    """Return the jobs whose existence a caller's keys depend on.

    Args:
        touched: the keys, as they came over the wire: any bytes.
        stamps: references of the caller's own jobs, whose once-names it may touch.

    Raises:
        BadKey: callers may not touch one of these.
    """
    owners: set[bytes] = set()
    for key in touched:
        # What is too long is not to be remembered either.
        space = space_of(key) if len(key) <= ENGINE_KEY_LIMIT_BYTES else b""
        if 0 < len(space) < len(key):
            if space.startswith(_JOB_SPACE_PREFIX):
                owners.add(space[len(_JOB_SPACE_PREFIX) :])
        elif _is_once(key, stamps):
            owners.add(ref_of(key))
        else:
            raise BadKey(f"a caller may not touch the key {key[:32].hex()}; only its spaces and its own once-names")
    return owners


def _is_once(key: bytes, stamps: Collection[bytes]) -> bool:
    is_sized = 1 + JOB_REF_BYTES < len(key) <= ENGINE_KEY_LIMIT_BYTES
    return is_sized and key[:1] == ONCE and ref_of(key) in stamps


def is_space(space: bytes) -> bool:
    """Tell whether these bytes, as they came over the wire, are what the keys of some space begin with."""
    return 0 < len(space) <= ENGINE_KEY_LIMIT_BYTES and space_of(space) == space


def space_of_usage(key: bytes) -> bytes:
    """Return the space of a usage record."""
    return USER + key[1:]


def name_of_space(space: bytes) -> bytes | str:
    """Return the name that `space` was given: a job's reference, or a text."""
    if space.startswith(_JOB_SPACE_PREFIX):
        return space[len(_JOB_SPACE_PREFIX) :]
    return space[len(_NAMED_SPACE_PREFIX) : -1].replace(b"\x00\xff", b"\x00").decode(errors="replace")


def owner_of_range(lo: bytes, hi: bytes) -> bytes | None:
    """Return the job whose existence a caller's range depends on; None for a range of a named space.

    Args:
        lo: the first key, as it came over the wire: any bytes.
        hi: the first key behind it.

    Raises:
        BadKey: the range is not within one space, so callers may not read it.
    """
    # The key that is next to the longest one has a byte more.
    space = space_of(lo) if max(len(lo), len(hi)) <= ENGINE_KEY_LIMIT_BYTES + 1 else b""
    if space and lo <= hi <= after_prefix(space):
        return space[len(_JOB_SPACE_PREFIX) :] if space.startswith(_JOB_SPACE_PREFIX) else None
    raise BadKey(f"a caller may not scan from {lo[:32].hex()} to {hi[:32].hex()}; only within one of its spaces")


@lru_cache(REMEMBERED)
def space_of(key: bytes) -> bytes:
    """Return what all user keys of the same space as `key` begin with; empty: it is in none.

    Args:
        key: not much longer than `ENGINE_KEY_LIMIT_BYTES`: the last ones are remembered.
    """
    if key.startswith(_JOB_SPACE_PREFIX) and len(key) >= _JOB_SPACE_BYTES:
        return key[:_JOB_SPACE_BYTES]
    if key.startswith(_NAMED_SPACE_PREFIX):
        try:
            return key[: find_end(key, len(_NAMED_SPACE_PREFIX)) + 1]
        except IndexError:
            pass
    return b""


def _name(name: str, what: str, limit: int) -> bytes:
    if not isinstance(name, str):
        raise BadKey(f"{what} is a text, not {name!r}")
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise BadKey(f"{what}, {name!r}, holds half a surrogate pair, which has no UTF-8") from None
    if not 0 < len(encoded) <= limit:
        raise BadKey(f"{what} has 1 to {limit} bytes, not the {len(encoded)} of {name[:40]!r}")
    return encoded


# -- the registry ---------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A prefix, what its keys are called, and one of them."""

    prefix: bytes
    name: str
    example: bytes


_REF = bytes.fromhex("0193a1f0c0de0102030405060708090a")

#: Every prefix, in order.
REGISTRY = (
    Entry(META, "meta", meta("seq")),
    Entry(RECORD, "record", record(_REF)),
    Entry(ARGUMENTS, "arguments", arguments(_REF)),
    Entry(USER, "user", user("prices", b"\x02tea\x00")),
    Entry(COMMIT_ID, "commit_id", commit_id(bytes(range(16)))),
    Entry(GARBAGE, "garbage", garbage(_REF)),
    Entry(TOMBSTONE, "tombstone", tombstone(_REF)),
    Entry(ONCE, "once", once(_REF, "paid")),
    Entry(FUNCTION, "function", function(bytes(range(16)))),
    Entry(RESULT, "result", result(_REF)),
    Entry(JOB_KEY, "job_key", job_key("avg-2024")),
    Entry(PINNED, "pinned", pinned("n1")),
    Entry(USAGE, "usage", usage(space("prices"))),
)

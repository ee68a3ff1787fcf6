"""The room that is kept free, so that deletions and the ends of jobs still fit when all else is refused.

A full LMDB map, or a full disk, cannot be emptied by deleting: each commit copies the pages that it
changes. So what grows is refused before that::

    the map is used to 85 %, or the disk has less than 5 % free (of a large one, 512 MiB)
        users' writes, new jobs        refused as `NoSpace`
        deletions, transitions, results of jobs that run       go on, as long as there is any room at all

How full it is is looked at again when an eighth of the room that was left, or 8 MiB, has been
accepted since, and whenever a commit has found no space. Pure, but for the look.

Reference: store-design 1.3 and 2.10; ext4's reserved blocks.
"""

from __future__ import annotations

from collections.abc import Callable

from actorcloud.store import change as own
from actorcloud.store import keys
from actorcloud.store.engine import EngineStats
from actorcloud.store.validation import Accepted

#: Of the largest map; the rest is for copies of pages.
MAP_SHARE = 0.85

#: Of a disk; on a large one, no more than `FREE_LIMIT_BYTES`: the reserve is for pages, not for people.
FREE_SHARE = 0.05
FREE_LIMIT_BYTES = 512 * 1024 * 1024

#: Bytes accepted between two looks, at most.
LOOK_EVERY_BYTES = 8 * 1024 * 1024

#: The part of the room above the reserve after which it is looked at again.
_LOOK_PART = 8

#: What each commit writes beside what it was asked to.
_BOOKS = frozenset({keys.COMMIT_ID, keys.USAGE})


class Reserve:
    """See the module. Owned by the store actor.

    Args:
        look: how full is the engine?
    """

    def __init__(self, look: Callable[[], EngineStats]) -> None:
        self._look = look
        self._next_look = 0
        self._shortage: str | None = None

    def __repr__(self) -> str:
        return f"<Reserve, {self._shortage or 'untouched'}>"

    def shortage(self, accepted_bytes: int) -> str | None:
        """Tell why nothing may grow now; None: it may.

        Args:
            accepted_bytes: of all commits since the start.
        """
        if accepted_bytes >= self._next_look:
            room, self._shortage = room_of(self._look())
            step = 0 if self._shortage else min(room // _LOOK_PART, LOOK_EVERY_BYTES)
            self._next_look = accepted_bytes + step
        return self._shortage

    def look_again(self) -> None:
        """A commit has found no space: be sure of nothing."""
        self._next_look = 0


def room_of(stats: EngineStats) -> tuple[int, str | None]:
    """Return how many bytes may be added before the reserve is touched, and why none, if none may."""
    limit = int(stats.limit_bytes * MAP_SHARE)
    if stats.used_bytes >= limit:
        return 0, (
            f"the store uses {stats.used_bytes} of {stats.limit_bytes} bytes, and the rest is kept for deletions and "
            "for jobs to end: delete jobs or data"
        )
    room = limit - stats.used_bytes
    if stats.free_bytes is None or stats.disk_bytes is None:
        return room, None
    kept = min(int(stats.disk_bytes * FREE_SHARE), FREE_LIMIT_BYTES)
    if stats.free_bytes <= kept:
        return 0, (
            f"the disk of the store is full: {stats.free_bytes} bytes are left, of which {kept} are kept for deletions "
            "and for jobs to end: make room, or delete jobs or data"
        )
    return min(room, stats.free_bytes - kept), None


def grows(body: object, accepted: Accepted) -> bool:
    """Tell whether a request that was accepted adds something that nobody has been promised."""
    if isinstance(body, own.Change):
        return any(expect.state is None for expect in body.expect)
    return any(value is not None and key[:1] not in _BOOKS for key, value in accepted.writes.items())

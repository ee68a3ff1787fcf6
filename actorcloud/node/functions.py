"""The functions that a node has, by digest: fetched from the head once, kept in bounded memory.

Pure. Owned by the agent.
"""

from __future__ import annotations

from collections import OrderedDict

#: Bytes of functions kept; the least recently used go first.
FUNCTIONS_LIMIT_BYTES = 256 * 1024 * 1024


class Functions:
    """A bounded map of digests to pickled functions."""

    def __init__(self, limit_bytes: int = FUNCTIONS_LIMIT_BYTES) -> None:
        self._code: OrderedDict[bytes, bytes] = OrderedDict()
        self._asked: set[bytes] = set()
        self._size = 0
        self._limit = limit_bytes

    def __contains__(self, digest: object) -> bool:
        return digest in self._code

    def __getitem__(self, digest: bytes) -> bytes:
        self._code.move_to_end(digest)
        return self._code[digest]

    def missing(self, digests: set[bytes]) -> tuple[bytes, ...]:
        """Return those that are not here and were not asked for; they count as asked from now on."""
        wanted = tuple(sorted(digests - self._code.keys() - self._asked))
        self._asked.update(wanted)
        return wanted

    def put(self, digest: bytes, code: bytes) -> None:
        """Keep a function; at least the newest is always kept."""
        self._asked.discard(digest)
        if digest in self._code:
            return
        self._code[digest] = code
        self._size += len(code)
        while self._size > self._limit and len(self._code) > 1:
            _, dropped = self._code.popitem(last=False)
            self._size -= len(dropped)

    def forget_asked(self) -> None:
        """The head was reset: what it was asked for will not come by itself."""
        self._asked.clear()

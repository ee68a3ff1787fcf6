"""How much of an isolated actor's mail may be under way to its process: the rest stays in its mailbox.

So `max_mailbox` counts here what it counts for every actor, and a slow actor fills no pipe.

Thread: `sent` is for one, `free` for one; each counts for itself.
"""

from __future__ import annotations

from collections import deque

#: Messages sent and not handled: enough to keep the other process busy over one round trip.
MESSAGES_LIMIT = 64

#: Bytes of them, unless one alone is larger.
BYTES_LIMIT = 8 * 1024 * 1024


class Window:
    """Counts what is under way.

    >>> window = Window()
    >>> window.sent(100)
    >>> window.has_room(100)
    True
    >>> window.free(1)
    >>> window.bytes_under_way
    0
    """

    def __init__(self) -> None:
        self._sizes: deque[int] = deque()
        self._sent_bytes = 0
        self._freed = 0
        self._freed_bytes = 0

    @property
    def bytes_under_way(self) -> int:
        """Bytes sent and not handled."""
        return self._sent_bytes - self._freed_bytes

    def has_room(self, size: int) -> bool:
        """Whether a message of `size` bytes may be sent now."""
        if not self._sizes:
            return True
        return len(self._sizes) < MESSAGES_LIMIT and self.bytes_under_way + size <= BYTES_LIMIT

    def sent(self, size: int) -> None:
        """A message of `size` bytes is about to be sent."""
        self._sent_bytes += size
        self._sizes.append(size)

    def free(self, freed: int) -> None:
        """The other side has handled so many messages, from the beginning on; more than were sent is no more."""
        while self._freed < freed and self._sizes:
            self._freed_bytes += self._sizes.popleft()
            self._freed += 1

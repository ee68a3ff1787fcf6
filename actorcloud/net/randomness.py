"""The operating system's randomness, as the `Random` port."""

from __future__ import annotations

import os
import random


class SystemRandom:
    """The operating system's randomness: a forked child never repeats its parent's."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def random(self) -> float:
        """See `Random.random`."""
        return self._random.random()

    def randbytes(self, n: int, /) -> bytes:
        """See `Random.randbytes`."""
        return os.urandom(n)

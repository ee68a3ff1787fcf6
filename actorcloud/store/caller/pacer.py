"""When a transaction is tried again: the pauses between attempts, and the deadline.

The second attempt starts at once, from the values that came with the conflict; later ones back off
with full jitter.

Reference: store-design 2.6; dbos' back-off; "Exponential backoff and jitter" (AWS, 2015).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from actorcloud.base.errors import TransactionError

#: Seconds of the first pause; a conflict's round trip is about as long.
BACKOFF_FIRST = 0.001
BACKOFF_FACTOR = 1.5
#: Seconds that no pause exceeds: a free store is noticed soon.
BACKOFF_LIMIT = 0.1


class Means(NamedTuple):
    """What is injected: time and chance."""

    #: Seconds that never go back.
    monotonic: Callable[[], float]
    #: Waits that many seconds.
    sleep: Callable[[float], None]
    #: A float in [0, 1).
    random: Callable[[], float]
    #: n -> n random bytes.
    randbytes: Callable[[int], bytes]
    #: Seconds since 1970: what `Transaction.now` tells.
    time: Callable[[], float]


class Pacer:
    """Pauses between attempts, and knows the deadline.

    Args:
        means: time and chance.
        timeout: seconds from now to the deadline.
    """

    def __init__(self, means: Means, timeout: float) -> None:
        self._means = means
        self._timeout = timeout
        self._start = means.monotonic()
        #: Runs on what was remembered, which are no tries.
        self.guesses = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the transaction began."""
        return self._means.monotonic() - self._start

    def is_over(self) -> bool:
        """Tell whether the deadline has passed."""
        return self.elapsed >= self._timeout

    def pause(self, number: int) -> None:
        """Pause after attempt `number`: not at all after the first."""
        if number > 1:
            # The exponent is capped, for 1.5 ** 1751 is more than a float holds.
            longest = min(BACKOFF_LIMIT, BACKOFF_FIRST * BACKOFF_FACTOR ** min(number - 2, 32))
            self._means.sleep(longest * self._means.random())

    def error(self, number: int, why: str, advice: str = "make it shorter, or let it read less") -> TransactionError:
        """Return what to raise when the deadline has passed."""
        return TransactionError(
            f"the transaction did not commit within {self._timeout} s and {number} attempts: {why}; {advice}"
        )

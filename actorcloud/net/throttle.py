"""Log lines that strangers can cause: one a period and kind, with the number of those left out. Pure."""

from __future__ import annotations

import logging

#: Seconds between two lines of one kind.
THROTTLE_PERIOD = 10.0

#: Kinds that are told apart; more share one.
KINDS_LIMIT = 64


class Throttle:
    """Limits warnings by kind. Thread: its owner's only.

    Args:
        logger: where the lines go.
        period: seconds of quiet after the first line of a kind.
        longest: seconds of quiet, which doubles with each line of a kind, at most; `period` unless given.
    """

    def __init__(
        self, logger: logging.Logger, period: float = THROTTLE_PERIOD, *, longest: float | None = None
    ) -> None:
        self._logger = logger
        self._period = period
        self._longest = period if longest is None else longest
        #: Kind -> (quiet until, left out since, seconds of the next quiet).
        self._kinds: dict[str, tuple[float, int, float]] = {}

    def warning(self, now: float, kind: str, text: str) -> bool:
        """Log `text`, unless a line of this kind was logged a short while ago.

        Returns:
            Whether it was logged.
        """
        if kind not in self._kinds and len(self._kinds) >= KINDS_LIMIT:
            kind = "others"
        until, left_out, quiet = self._kinds.get(kind, (now, 0, self._period))
        if now < until:
            self._kinds[kind] = (until, left_out + 1, quiet)
            return False
        self._kinds[kind] = (now + quiet, 0, min(2 * quiet, self._longest))
        more = f" ({left_out} more of these in the meantime)" if left_out else ""
        self._logger.warning("%s%s", text, more)
        return True

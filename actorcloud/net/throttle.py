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
        period: seconds of quiet after each line.
    """

    def __init__(self, logger: logging.Logger, period: float = THROTTLE_PERIOD) -> None:
        self._logger = logger
        self._period = period
        #: Kind -> (quiet until, left out since).
        self._kinds: dict[str, tuple[float, int]] = {}

    def warning(self, now: float, kind: str, text: str) -> bool:
        """Log `text`, unless a line of this kind was logged a short while ago.

        Returns:
            Whether it was logged.
        """
        if kind not in self._kinds and len(self._kinds) >= KINDS_LIMIT:
            kind = "others"
        until, left_out = self._kinds.get(kind, (now, 0))
        if now < until:
            self._kinds[kind] = (until, left_out + 1)
            return False
        self._kinds[kind] = (now + self._period, 0)
        more = f" ({left_out} more of these in the meantime)" if left_out else ""
        self._logger.warning("%s%s", text, more)
        return True

"""How long is waited for an answer.

Thread: any.
"""

from __future__ import annotations

#: How long an ask waits unless told otherwise: Erlang's five seconds, long enough for a healthy answer.
ASK_TIMEOUT_DEFAULT = 5.0


class Unset:
    """The type of `DEFAULT`."""

    def __repr__(self) -> str:
        return "DEFAULT"


#: As a timeout: the usual one. `None` means to wait for ever.
DEFAULT = Unset()

Timeout = float | None | Unset


def check_timeout(timeout: object) -> None:
    """Refuse what is no time to wait.

    Raises:
        ValueError: it is neither None nor a number of seconds >= 0.
    """
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout >= 0:
        raise ValueError(f"timeout is {timeout!r}; it must be seconds >= 0, or None to wait for ever")

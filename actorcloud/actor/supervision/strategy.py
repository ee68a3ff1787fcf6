"""What a supervisor does when a child ends. Pure.

Reference: OTP's `supervisor`; otp-semantics 3.3, 3.4, 3.7.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable, Sequence
from typing import Literal, TypeVar, get_args

from actorcloud.base.errors import ConfigError
from actorcloud.base.exits import is_normal

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]

STRATEGIES: tuple[str, ...] = get_args(Strategy)
AUTO_SHUTDOWNS: tuple[str, ...] = get_args(AutoShutdown)

K = TypeVar("K", bound=Hashable)


class Decision(enum.Enum):
    """What becomes of a child that ended by itself."""

    RESTART = "restart"
    #: It stays in the list, not running.
    KEEP = "keep"
    REMOVE = "remove"


def decide(restart: str, reason: object) -> Decision:
    """Say what becomes of a child with this `restart` type that ended with `reason`."""
    if restart == "permanent":
        return Decision.RESTART
    if restart == "temporary":
        return Decision.REMOVE
    return Decision.KEEP if is_normal(reason) else Decision.RESTART


def is_reported(restart: str, reason: object) -> bool:
    """Whether the end of a child is an error in the log: also the normal end of a permanent one."""
    return restart == "permanent" or not is_normal(reason)


def affected(strategy: str, ids: Sequence[K], failed: K) -> list[K]:
    """Return the children that are restarted together with `failed`, itself included, in start order.

    Args:
        strategy: one of `STRATEGIES`.
        ids: all children, in start order.
        failed: one of them.
    """
    if strategy == "one_for_one":
        return [failed]
    if strategy == "one_for_all":
        return list(ids)
    return list(ids[ids.index(failed) :])


def one_of(field: str, value: str, allowed: tuple[str, ...]) -> str:
    """Return `value`.

    Raises:
        ConfigError: it is none of those that are allowed.
    """
    if value not in allowed:
        raise ConfigError(f"{field} is {value!r}; it must be one of {', '.join(allowed)}")
    return value


def shuts_down(auto: str, *, significant: bool, others_left: bool) -> bool:
    """Whether the supervisor ends because a child ended by itself and is not restarted.

    Args:
        auto: one of `AUTO_SHUTDOWNS`.
        significant: the child was significant.
        others_left: another significant child runs, or is being restarted.
    """
    if not significant or auto == "never":
        return False
    return auto == "any_significant" or not others_left

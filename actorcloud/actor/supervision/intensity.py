"""How many restarts are too many. Pure.

Reference: OTP's `supervisor:add_restart/1`; otp-semantics 3.6. Times are floats here, whole seconds there.
"""

from __future__ import annotations

import msgspec

from actorcloud.base.errors import ConfigError

#: Elixir's defaults: three restarts in five seconds are an accident, four a pattern.
MAX_RESTARTS_DEFAULT = 3
MAX_SECONDS_DEFAULT = 5.0


class Intensity(msgspec.Struct, frozen=True, kw_only=True):
    """The limit, and the restarts that count towards it."""

    #: Restarts allowed within the period; 0 gives up at the first.
    max_restarts: int = MAX_RESTARTS_DEFAULT
    #: The period in seconds, > 0.
    max_seconds: float = MAX_SECONDS_DEFAULT
    #: Monotonic seconds of the restarts that count, newest first; at most `max_restarts + 1`.
    restarts: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.max_restarts, bool) or not isinstance(self.max_restarts, int) or self.max_restarts < 0:
            raise ConfigError(f"max_restarts is {self.max_restarts!r}; it must be an integer >= 0")
        is_number = isinstance(self.max_seconds, int | float) and not isinstance(self.max_seconds, bool)
        if not is_number or not 0 < self.max_seconds < float("inf"):
            raise ConfigError(f"max_seconds is {self.max_seconds!r}; it must be a number of seconds > 0")

    def add(self, now: float) -> Intensity:
        """Return the intensity after one more restart at `now`; called before every attempt."""
        recent = [at for at in self.restarts if at >= now - self.max_seconds]
        kept = (now, *recent)[: self.max_restarts + 1]
        return Intensity(max_restarts=self.max_restarts, max_seconds=self.max_seconds, restarts=kept)

    @property
    def is_exceeded(self) -> bool:
        """Whether the supervisor gives up."""
        return len(self.restarts) > self.max_restarts

"""Waiting for what nothing announces to a stranger: look, and look again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds between two looks.
_LOOK_EVERY = 0.05


def wait_for(look: Callable[[], T | None], seconds: float) -> T | None:
    """Look until there is something, and return it.

    Args:
        look: returns None while there is nothing; what it raises passes.
        seconds: to look for; at least one look is taken.

    Returns:
        What was found; None if there was nothing in time.

    Blocks:
        up to `seconds`.
    """
    deadline = time.monotonic() + seconds
    while (found := look()) is None and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
    return found

"""Slips: errors by which code that does not fit together ends, as against an invariant that does not hold.

A mutant that has fallen behind the code it patches crashes it, is "noticed" by whatever waits then, and
proves nothing. So mutants are run under `sound`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from actorcloud.base.exits import Crash

SLIPS = (TypeError, AttributeError, ImportError, NameError)


@contextmanager
def sound(mutant: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    """Be under a mutant; fails at the end if an actor crashed of a slip. One outside actors is raised as ever."""
    seen: list[str] = []
    original = Crash.of

    def of(error: BaseException) -> Crash:
        crash = original(error)
        if isinstance(error, SLIPS):
            seen.append(crash.traceback)
        return crash

    with patch.object(Crash, "of", of), mutant():
        yield
    name = getattr(mutant, "__name__", mutant)
    assert not seen, f"{name} crashes the code, which proves nothing: {seen[0]}"

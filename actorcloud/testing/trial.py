"""`@simulated`: a test that runs for many seeds, and says in one line how to repeat one that fails."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, Concatenate, ParamSpec

from actorcloud.testing.repetition import seed_of_environment
from actorcloud.testing.simulation import Simulation

P = ParamSpec("P")

#: Seeds of a test that says nothing: enough for most races, and done in a moment.
SEEDS_DEFAULT = 100

_Test = Callable[Concatenate[Simulation, P], object]


def simulated(seeds: int | Iterable[int] = SEEDS_DEFAULT, **options: Any) -> Callable[[_Test[P]], Callable[P, None]]:
    """Run a test once for each seed, each time in a new simulation.

    >>> @simulated(seeds=20)
    ... def test_addition(sim, left=1):
    ...     assert left + 1 == 2
    >>> test_addition()

    The first seed that fails ends it; a line on stderr, and a note of the error, say how to run that
    seed alone: with `SIMULATION_SEED=4711` in the environment no other runs. What the test takes
    beside the simulation (fixtures, parameters) it gets as usual.

    Args:
        seeds: how many, from 0 on, >= 1; or which, one at least.
        options: of each `Simulation`.

    Raises:
        TypeError: it was used without parentheses.
        ValueError: there is no seed.
    """
    if callable(seeds):
        raise TypeError("write @simulated() with parentheses: it takes seeds, and returns what takes the test")
    kept = tuple(range(seeds) if isinstance(seeds, int) else seeds)
    if not kept:
        raise ValueError(f"seeds is {seeds!r}, which is none: the test would never run; give a number >= 1, or seeds")

    def decorate(test: _Test[P]) -> Callable[P, None]:
        @functools.wraps(test)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            for seed in _chosen(kept):
                with Simulation(seed, **options) as sim:
                    test(sim, *args, **kwargs)

        # What pytest reads to know the fixtures: all but the simulation.
        signature = inspect.signature(test)
        run.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]  # functions take attributes
        return run

    return decorate


def _chosen(seeds: tuple[int, ...]) -> tuple[int, ...]:
    alone = seed_of_environment()
    return seeds if alone is None else (alone,)

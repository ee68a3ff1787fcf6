"""How a run is repeated: the one line that is printed for a seed that fails."""

from __future__ import annotations

import os
import shlex
import sys

#: The environment variable by which `simulated` tests run one seed only.
SEED_VARIABLE = "SIMULATION_SEED"


def how_to_repeat(seed: int) -> str:
    """Return the command that runs `seed` again: the test that runs now, or the program.

    >>> "SIMULATION_SEED=7 python" in how_to_repeat(7)
    True
    """
    # pytest's own: "tests/test_bank.py::test_transfer[3] (call)".
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    command = shlex.join(["python", "-m", "pytest", test] if test else ["python", *sys.argv])
    return f"repeat it: {SEED_VARIABLE}={seed} {command}"


def seed_of_environment() -> int | None:
    """Return the seed that `SIMULATION_SEED` asks for; None if it asks for none.

    Raises:
        ValueError: it is no number.
    """
    given = os.environ.get(SEED_VARIABLE)
    if given is None:
        return None
    try:
        return int(given)
    except ValueError:
        raise ValueError(f"{SEED_VARIABLE} is {given!r}; it must be one seed, a whole number") from None

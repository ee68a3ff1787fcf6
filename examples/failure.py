# /// script
# requires-python = ">=3.11"
# dependencies = ["actorcloud"]
# ///
"""How does a failure look? As in one process: the same exception, with the traceback of where it happened.

Prints:
    ZeroDivisionError: ...division by zero
    failed: ZeroDivisionError: ...division by zero
    in the line: return sum((degrees - mean) ** 2 for degrees in days) / (len(days) - 1)
    the others are done: [2.3, 0.0]
"""

from __future__ import annotations

from actorcloud import Cloud, Failed


def variance(days: list[float]) -> float:
    """Return how much the temperatures of some days differ; one day is too few."""
    mean = sum(days) / len(days)
    return sum((degrees - mean) ** 2 for degrees in days) / (len(days) - 1)


with Cloud(workers=2) as cloud:
    good = cloud.add_jobs(variance, [[12.8, 10.6, 14.2, 12.0], [12.8, 13.0, 12.8]])
    bad = cloud.add_job(variance, [12.8])

    try:
        cloud.result(bad)
    except ZeroDivisionError as error:  # not caught, it would be printed with the job's traceback first
        print(f"{type(error).__name__}: {error}")

    match cloud.status(bad):
        case Failed(error) as state:
            print(state)
            print("in the line:", next(line.strip() for line in error.traceback.splitlines() if "return" in line))

    print(f"the others are done: {[round(value, 1) for value in cloud.results(good)]}")

# /// script
# requires-python = ">=3.11"
# dependencies = ["actorcloud"]
# ///
"""How do I run several functions at once, and outlive the one that fails? With a task supervisor.

The data: daily weather of Seattle, see data/README.md.

Prints:
    2012: 1226 mm of rain
    2013: 828 mm of rain
    2014: 1233 mm of rain
    2015: 1139 mm of rain
    2016: no data for 2016
    nobody else was hurt
"""

from __future__ import annotations

import csv
import logging
from pathlib import Path

from actorcloud.actor import Exited, Returned, TaskSupervisor

WEATHER = Path(__file__).parent / "data" / "seattle-weather.csv"

# Each task that fails is logged, with its arguments; here the answer tells it.
logging.getLogger("actorcloud.actor").setLevel(logging.CRITICAL)


def rain_of(year: int) -> float:
    """Return the rain of a year in millimetres."""
    with WEATHER.open(newline="", encoding="utf-8") as file:
        days = [float(row["precipitation"]) for row in csv.DictReader(file) if row["date"].startswith(str(year))]
    if not days:
        raise LookupError(f"no data for {year}")
    return sum(days)


tasks = TaskSupervisor.start(max_children=10)
years = range(2012, 2017)

for year, outcome in zip(years, tasks.stream_nolink(rain_of, years, max_concurrency=3), strict=True):
    match outcome:
        case Returned(rain):
            print(f"{year}: {rain:.0f} mm of rain")
        case Exited(reason):  # a crash of the task, and of nobody else
            print(f"{year}: {reason.message}")

print("nobody else was hurt" if tasks.is_alive() else "the supervisor ended too")
tasks.stop()

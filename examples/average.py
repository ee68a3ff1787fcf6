# /// script
# requires-python = ">=3.11"
# dependencies = ["actorcloud"]
# ///
"""How warm is a day in Seattle? The average of four years of observations, computed in three ways.

Alone it starts a head of its own; with ACTORCLOUD_HEAD set it uses that one. `docs/tutorial.md`
goes through it step by step.

Prints:
    jobs and a reduce   16.44 degrees
    jobs and the store  16.44 degrees
    supervised actors   16.44 degrees
    statistics.fmean    16.44 degrees
"""

from __future__ import annotations

import csv
import math
import statistics
from pathlib import Path

from actorcloud import Actor, Cloud, Supervisor

with (Path(__file__).with_name("data") / "seattle-weather.csv").open(newline="", encoding="utf-8") as file:
    temperatures = [float(row["temp_max"]) for row in csv.DictReader(file)]
months = [temperatures[day : day + 30] for day in range(0, len(temperatures), 30)]


def sum_up(month: list[float]) -> tuple[float, int]:
    """Return the sum of some temperatures, and how many they are."""
    return math.fsum(month), len(month)


def add_to_store(month: list[float]) -> None:
    """Add some temperatures to the sums in the store: once, however often this job is run."""

    def add() -> None:
        total, days = cloud.fetch("seattle", "sums")
        cloud.store("seattle", "sums", (total + math.fsum(month), days + len(month)))

    cloud.mutate_store(add, once="add")


class Adder(Actor):
    """Adds up what it is given."""

    def __init__(self) -> None:
        self.total, self.days = 0.0, 0

    def add(self, month: list[float]) -> tuple[float, int]:
        """Add some temperatures; return the sums so far."""
        self.total += math.fsum(month)
        self.days += len(month)
        return self.total, self.days


def average(parts: list[tuple[float, int]]) -> float:
    """Reduce sums to their average."""
    return sum(total for total, _ in parts) / sum(days for _, days in parts)


averages = {}
with Cloud() as cloud:
    averages["jobs and a reduce"] = average(list(cloud.map(sum_up, months)))

    cloud.mutate_store(lambda: cloud.store("seattle", "sums", (0.0, 0)))
    cloud.results(cloud.add_jobs(add_to_store, months))
    averages["jobs and the store"] = average([cloud.fetch("seattle", "sums")])

family = Supervisor.start([Adder.child_spec(id=number) for number in range(2)])
sums = [family.child(number % 2).proxy().add(month) for number, month in enumerate(months)]
averages["supervised actors"] = average([answer.get() for answer in sums[-2:]])
family.stop()

averages["statistics.fmean"] = statistics.fmean(temperatures)
for way, value in averages.items():
    assert math.isclose(value, averages["statistics.fmean"]), way
    print(f"{way:<19} {value:.2f} degrees")

# /// script
# requires-python = ">=3.11"
# dependencies = ["actorcloud"]
# ///
"""How hot did it get in Seattle, year by year? One job a year, on the processors of this machine.

Prints:
    2012: 34.4 degrees on 2012/08/16
    2013: 33.9 degrees on 2013/06/30
    2014: 35.6 degrees on 2014/08/11
    2015: 35.0 degrees on 2015/07/19
"""

from __future__ import annotations

import csv
from pathlib import Path

from actorcloud import Cloud

DAYS = Path(__file__).with_name("data") / "seattle-weather.csv"


def hottest_day(year: str) -> tuple[float, str]:
    """Return the highest temperature of a year, in degrees Celsius, and its first day."""
    with DAYS.open(newline="", encoding="utf-8") as file:
        days = [row for row in csv.DictReader(file) if row["date"].startswith(year)]
    hottest = max(days, key=lambda day: float(day["temp_max"]))
    return float(hottest["temp_max"]), hottest["date"]


with Cloud(workers=2) as cloud:
    years = ["2012", "2013", "2014", "2015"]
    for year, (degrees, day) in zip(years, cloud.map(hottest_day, years), strict=True):
        print(f"{year}: {degrees} degrees on {day}")

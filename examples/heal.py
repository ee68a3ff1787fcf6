# /// script
# requires-python = ">=3.11"
# dependencies = ["actorcloud"]
# ///
"""Who mends what breaks? A supervisor: it starts an actor that crashed anew, under the same name.

The crash is reported on stderr, by the supervisor; nobody has to catch it.

Prints:
    readings: 2
    the station crashed: could not convert string to float: 'n/a'
    readings: 0, it was started anew
    readings: 1
"""

from __future__ import annotations

from actorcloud import Actor, Supervisor, named


class Station(Actor):
    """Counts readings; a reading that is no number is a bug somewhere, and it lets it crash."""

    def __init__(self) -> None:
        self.readings: list[float] = []

    def add(self, reading: str) -> int:
        """Add a reading; return how many there are."""
        self.readings.append(float(reading))
        return len(self.readings)

    def count(self) -> int:
        """Return how many readings there are."""
        return len(self.readings)


family = Supervisor.start([Station.child_spec(name="seattle")], max_restarts=3, max_seconds=60)
station = named("seattle").proxy()  # whoever has the name when the message is sent

station.add("12.8")
print(f"readings: {station.add('10.6').get()}")

try:
    station.add("n/a").get()
except ValueError as error:
    print(f"the station crashed: {error}")

family.child("seattle")  # returns when it runs again
print(f"readings: {station.count().get()}, it was started anew")
print(f"readings: {station.add('11.7').get()}")

family.stop()

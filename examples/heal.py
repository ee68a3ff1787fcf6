# /// script
# requires-python = ">=3.11"
# dependencies = ["actorcloud"]
# ///
"""Who mends what breaks? A supervisor: it starts a crashed actor anew, with what depends on it.

A station counts the readings of a feed. When the feed sends what is no number, the station crashes; nobody catches
that. Its supervisor restarts it under its name, and the average after it, which had lived on its readings.
Each crash is a record on stderr. What is broken for good is not mended so: after the third restart in a minute the
supervisor gives up, and whoever watches it hears of it.

Prints:
    readings: 2, average 11.7
    the station crashed: could not convert string to float: 'n/a'
    readings: 0, restarted 1 time
    readings: 2, average 11.5
    the family ended: shutdown
"""

from __future__ import annotations

from actorcloud import Actor, Supervisor, named


class Station(Actor):
    """Takes readings; one that is no number is a bug elsewhere, and it lets it crash."""

    def __init__(self) -> None:
        self.readings = 0

    def add(self, reading: str) -> None:
        """Count a reading and pass it on."""
        degrees = float(reading)
        self.readings += 1
        named("average").tell(degrees)

    def count(self) -> int:
        """Return how many readings there were."""
        return self.readings


class Average(Actor):
    """Knows the average of what it was told."""

    def __init__(self) -> None:
        self.degrees: list[float] = []

    def on_receive(self, message: float | None) -> float:
        """Take a number; answer with the average so far."""
        if message is not None:
            self.degrees.append(message)
        return sum(self.degrees) / len(self.degrees)


children = [Station.child_spec(name="station"), Average.child_spec(name="average")]
family = Supervisor.start(children, strategy="rest_for_one", max_seconds=60)
station = named("station").proxy()  # whoever has the name when the message is sent


def measure(*readings: str) -> None:
    """Add readings, and print what has become of them."""
    for reading in readings:
        station.add(reading).get()
    print(f"readings: {station.count().get()}, average {named('average').ask(None):.1f}")


measure("12.8", "10.6")
try:
    station.add("n/a").get()
except ValueError as error:
    print(f"the station crashed: {error}")

family.child("average")  # returns when it runs again, and so does what is before it
print(f"readings: {station.count().get()}, restarted {family.which_child('station').restarts} time")
measure("11.7", "11.3")

ended = family.monitor()
for _ in range(3):
    family.child("station").kill()
print(f"the family ended: {ended.get(timeout=10).reason}")

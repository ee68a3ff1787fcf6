# /// script
# requires-python = ">=3.11"
# dependencies = ["actorcloud"]
# ///
"""What is an actor? Something with a state of its own, reached only by messages: a thermometer.

Prints:
    12.8 degrees
    warmest so far: 15.2
    the actor has ended
"""

from __future__ import annotations

from actorcloud import Actor


class Thermometer(Actor):
    """Remembers what it was told; handles one message at a time, so it needs no lock."""

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees
        self.warmest = degrees

    def read(self) -> float:
        """Return the temperature."""
        return self.degrees

    def change(self, by: float) -> float:
        """Let it get warmer or colder; return the warmest so far."""
        self.degrees += by
        self.warmest = max(self.warmest, self.degrees)
        return self.warmest


ref = Thermometer.start(12.8)
thermometer = ref.proxy()

print(f"{thermometer.read().get()} degrees")  # a call is a message; `get` waits for the answer
for step in (-0.5, 2.9):
    thermometer.change(step)  # nobody waits: messages are handled in order
print(f"warmest so far: {thermometer.change(-3.0).get():.1f}")

ref.stop()
print("the actor has ended" if not ref.is_alive() else "it lives")

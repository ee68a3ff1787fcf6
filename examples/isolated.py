# /// script
# requires-python = ">=3.11"
# dependencies = ["actorcloud"]
# ///
"""What if a library segfaults? Then only the actor that calls it is gone, and its supervisor starts it anew.

The actor lives in a process of its own, behind a ref like any other. The traceback of the segfault, which
the process writes as it dies, and the supervisor's report are on stderr.

Prints:
    parsed: [1, 2, 3], in another process: True
    the parser died: its process ended with signal 11 (SIGSEGV)
    parsed by its successor: [4, 5], in another process: True
    the greedy one: it took more than its 67,108,864 bytes of memory
"""

from __future__ import annotations

import ctypes
import os

from actorcloud.actor import Actor, ActorDeadError, Supervisor, named


class Parser(Actor):
    """Calls a library in C that does not check what it reads."""

    isolation = "process"
    memory = 64 * 1024 * 1024

    def parse(self, text: str) -> list[int]:
        """Return the numbers in `text`."""
        if text == "corrupt":
            ctypes.string_at(0)
        return [int(word) for word in text.split()]

    def where(self) -> int:
        """Return the process it lives in."""
        return os.getpid()

    def grow(self, size: int) -> int:
        """Take so many bytes."""
        return len(bytearray(size))


family = Supervisor.start([Parser.child_spec(name="parser")], max_restarts=3, max_seconds=60)
parser = named("parser").proxy()  # whoever has the name when the message is sent

elsewhere = parser.where().get() != os.getpid()
print(f"parsed: {parser.parse('1 2 3').get()}, in another process: {elsewhere}")

ended = family.child("parser").monitor()
try:
    parser.parse("corrupt").get()
except ActorDeadError:
    print(f"the parser died: {ended.get().reason}")

family.child("parser")  # returns when it runs again
elsewhere = parser.where().get() != os.getpid()
print(f"parsed by its successor: {parser.parse('4 5').get()}, in another process: {elsewhere}")

ended = family.child("parser").monitor()
try:
    parser.grow(1_000_000_000).get()
except MemoryError:
    print(f"the greedy one: {ended.get().reason}")

family.stop()

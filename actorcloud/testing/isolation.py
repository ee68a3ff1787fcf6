"""Isolated actors in the simulation: each lives in a simulated process of its own, behind a pipe with delays.

The process crashes as a real one is killed: in the middle of what it does, what it had written arrives
first. It crashes with the process that started it, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorcloud.actor import System
from actorcloud.actor.isolation.host import Host
from actorcloud.base.ports import Exited, Said, Sink
from actorcloud.protocol.isolation import Launch
from actorcloud.protocol.message import Message, decode, encode
from actorcloud.testing.pipe import SimPipe
from actorcloud.testing.scheduler import SimulationError

if TYPE_CHECKING:
    from actorcloud.testing.simulation import Simulation

#: Seconds that a process takes to start.
START_LATENCY = (0.02, 0.2)


class SimChild:
    """The simulated process of one isolated actor; a `ports.Child`."""

    def __init__(self, sim: Simulation, name: str, sink: Sink) -> None:
        self.is_dead = False
        self._sim = sim
        self._sink = sink
        self._to_warden = SimPipe(sim, self._say)
        self._to_host = SimPipe(sim, self._receive)
        self.system: System = sim.system(name)
        sim.on_crash(self.system, self._crashed)
        self._host = Host(self.system, self._write, lambda: None)

    def send(self, message: Message) -> None:
        """See `Child.send`; as bytes, so that what could not cross does not."""
        latency = START_LATENCY if isinstance(message, Launch) else None
        self._to_host.write(encode(message), latency)

    def kill(self) -> None:
        """See `Child.kill`."""
        self._sim.crash(self.system)

    def _crashed(self) -> None:
        if not self.is_dead:
            self.is_dead = True
            self._to_warden.write(Exited("signal 9 (SIGKILL)", -9))

    def _write(self, message: Message) -> None:
        if not self.is_dead:
            self._to_warden.write(encode(message))

    def _say(self, event: object) -> None:
        self._sink(event if isinstance(event, Exited) else Said((decode(event),)))  # type: ignore[arg-type]  # bytes

    def _receive(self, data: object) -> None:
        if self.is_dead:
            return
        message = decode(data)  # type: ignore[arg-type]  # what `send` wrote
        if isinstance(message, Launch):
            self._sim.thread(self.system, self._run, message)
        else:
            self._host.receive(message)

    def _run(self, launch: Launch) -> None:
        self._host.launch(launch)
        self.system.wait(self._host.over)
        while self._host.is_at_work:
            self.system.sleep(0.0)
        self.is_dead = True
        self._to_warden.write(Exited("exit code 0", 0))
        self._sim.crash(self.system)


class SimSpawner:
    """Starts the simulated processes of one simulated process's isolated actors; a `ports.Spawner`.

    Args:
        sim: the simulation.
        name: of the process that starts them.
    """

    def __init__(self, sim: Simulation, name: str) -> None:
        self._sim = sim
        self._name = name
        self._count = 0
        self._children: dict[str, SimChild] = {}

    def spawn(self, name: str, sink: Sink) -> SimChild:
        """See `Spawner.spawn`."""
        self._count += 1
        self._children = {known: child for known, child in self._children.items() if not child.is_dead}
        self._children[name] = child = SimChild(self._sim, f"{self._name}.i{self._count}", sink)
        return child

    def process_of(self, name: str) -> System:
        """Return the system of the process of the live actor that is called so.

        Raises:
            SimulationError: there is none.
        """
        child = self._children.get(name)
        if child is None or child.is_dead:
            raise SimulationError(f"{name} has no process: it is not isolated, or it is dead")
        return child.system

    def close(self) -> None:
        """See `Spawner.close`."""
        for child in self._children.values():
            if not child.is_dead:
                child.is_dead = True
                self._sim.crash(child.system)

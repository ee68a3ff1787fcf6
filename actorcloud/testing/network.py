"""A network in memory, on the simulation's clock: delays, cuts, partitions, crashes, restarts.

Each transport is the real `actorcloud.net.Exchange`, the same state machines that the reactor drives
with sockets; only the wires are simulated, and behave like TCP: bytes come in order or not at all,
but the end of a connection may be noticed late, or never.

============================  ==================================================================
fault                         what the two ends see
============================  ==================================================================
`cut(a, b)`                   what is in flight is lost, both ends learn of it after a delay
`partition(a, b)`, `heal`     nothing passes, nobody is told; what is in flight waits
`crash(name)`                 the peer is gone without goodbye; the others get a reset
`crash(name, silent=True)`    as if the machine lost its power: the others get nothing
============================  ==================================================================

Thread: the simulation's; everything happens in its timers. The same seed gives the same run.

Example::

    network = SimNetwork(simulation)
    head = network.transport("head", "head", 1, listen=("head:7710",))
    node = network.transport("n1", "node", 2)
    head.start(head_sink); node.start(node_sink); node.dial("head:7710")

Reference: FoundationDB's Sim2; net-design 1.8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from actorcloud.base.clock import Clock
from actorcloud.base.errors import AddressInUse
from actorcloud.base.ids import Peer
from actorcloud.base.ports import CLOSED, Guest, Random, TimerHandle, Timers, TransportEvent
from actorcloud.net import Close, Conn, Desk, Effect, Exchange, Gate, LinkLimits, NoPins, Open, ReactorOptions, Transmit
from actorcloud.testing.wire import End, Wire

#: Seconds a frame is under way: from the same switch to another town.
LATENCY_DEFAULT = (0.0002, 0.005)


class World(Protocol):
    """What the network needs of a simulation."""

    @property
    def clock(self) -> Clock:
        """The virtual clock."""
        ...

    @property
    def timers(self) -> Timers:
        """Run on that clock."""
        ...

    @property
    def random(self) -> Random:
        """Seeded."""
        ...


class SimNetwork:
    """All transports of one simulated cluster and the wires between them.

    Args:
        world: clock, timers and randomness.
        latency: shortest and longest delay of a frame, seconds.
    """

    def __init__(self, world: World, *, latency: tuple[float, float] = LATENCY_DEFAULT) -> None:
        self._world = world
        self._latency = latency
        self._transports: dict[str, SimTransport] = {}
        self._endpoints: dict[str, SimTransport] = {}
        self._partitions: set[frozenset[str]] = set()
        self._wires: list[Wire] = []

    def transport(  # noqa: PLR0913  what a process is told at its start
        self,
        name: str,
        role: str,
        incarnation: int,
        *,
        listen: Sequence[str] = (),
        node_timeout: float = 15.0,
        facts: dict[str, str] | None = None,
        limits: LinkLimits | None = None,
    ) -> SimTransport:
        """Return the transport of a new process; one of the same name that still lives crashes first.

        Args:
            name: of the peer.
            role: "head", "node" or "client".
            incarnation: of this start.
            listen: endpoints to bind, any strings; a node waits there for the head to dial it.
            node_timeout: seconds; the head's holds.
            facts: told to the others.
            limits: of its links.
        """
        if name in self._transports:
            self.crash(name)
        options = ReactorOptions(
            name=name,
            role=role,
            incarnation=incarnation,
            node_timeout=node_timeout,
            facts=facts or {},
            limits=limits or LinkLimits(),
        )
        transport = SimTransport(self, self._world, options, tuple(listen))
        self._transports[name] = transport
        return transport

    # -- faults -------------------------------------------------------------------------------------

    def cut(self, a: str, b: str) -> None:
        """Break every connection between two peers; new ones may be made at once."""
        for wire in self._between(a, b):
            wire.snap()

    def partition(self, a: str, b: str) -> None:
        """Let nothing pass between two peers until `heal`."""
        self._partitions.add(frozenset((a, b)))

    def heal(self, a: str | None = None, b: str | None = None) -> None:
        """End the partition between two peers, or all partitions."""
        if a is None or b is None:
            self._partitions.clear()
        else:
            self._partitions.discard(frozenset((a, b)))
        for wire in tuple(self._wires):
            wire.move()

    def crash(self, name: str, *, silent: bool = False) -> None:
        """End a peer without goodbye; its sink is never called again.

        Args:
            name: of the peer.
            silent: the others are not told that its connections are gone.
        """
        transport = self._transports.pop(name, None)
        if transport is not None:
            transport.vanish()
            for wire in tuple(self._wires):
                if transport in wire.ends and not silent:
                    wire.snap()

    # -- for the transports -------------------------------------------------------------------------

    def bind(self, endpoint: str, transport: SimTransport) -> None:
        """Let `transport` be found at `endpoint`.

        Raises:
            AddressInUse: if a living one is already there.
        """
        holder = self._endpoints.get(endpoint)
        if holder is not None and holder is not transport and not holder.is_gone:
            raise AddressInUse(f"{endpoint} is in use by {holder.options.name}")
        self._endpoints[endpoint] = transport

    def connect(self, source: SimTransport, conn: int, endpoint: str) -> None:
        """Carry out an attempt to connect; the outcome is reported to `source` later."""
        target = self._endpoints.get(endpoint)
        if target is None or target.is_gone:
            self.later(lambda: source.lost(conn, "no-route", f"nobody listens at {endpoint}"))
            return
        if self.is_partitioned(source, target):
            # The packets are gone; the attempt ends by its own timeout.
            return

        def arrive() -> None:
            other = None if target.is_gone else target.accept(endpoint)
            if other is None or source.is_gone:
                source.lost(conn, "no-route", f"nobody listens at {endpoint}")
                return
            wire = Wire(self, (source, target), (conn, other))
            self._wires.append(wire)
            source.plug(conn, wire)
            target.plug(other, wire)
            # A head that dials is plugged first: the node's hello must find it ready.
            source.opened(conn)
            target.opened(other)

        self.later(arrive)

    def later(self, function: Callable[[], None]) -> float:
        """Call `function` after one random delay; returns when that is."""
        due = self.delay()
        self._world.timers.call_at(due, function)
        return due

    def delay(self) -> float:
        """Return the time at which something sent now arrives."""
        shortest, longest = self._latency
        return self._world.clock.monotonic() + shortest + (longest - shortest) * self._world.random.random()

    def at(self, due: float, function: Callable[[], None]) -> None:
        """Call `function` at `due`."""
        self._world.timers.call_at(due, function)

    def is_partitioned(self, a: End, b: End) -> bool:
        """Tell whether nothing passes between the two."""
        return frozenset((a.name, b.name)) in self._partitions

    def forget(self, wire: Wire) -> None:
        """A wire is of no use to either end any more."""
        if wire in self._wires:
            self._wires.remove(wire)

    def _between(self, a: str, b: str) -> list[Wire]:
        return [wire for wire in self._wires if {end.name for end in wire.ends} == {a, b}]


class SimTransport:
    """One peer's `Transport` on a `SimNetwork`; made by `SimNetwork.transport`."""

    def __init__(self, network: SimNetwork, world: World, options: ReactorOptions, listen: tuple[str, ...]) -> None:
        #: Who this is.
        self.options = options
        #: Whether it has crashed or was closed.
        self.is_gone = False
        self._network = network
        self._world = world
        self._listen = listen
        self._desk = Desk()
        self._exchange = Exchange(options, Gate(NoPins()), world.random, self._desk)
        self._wires: dict[Conn, Wire] = {}
        #: Endpoint -> connection that waits there for the head to dial.
        self._open_doors: dict[str, int] = {}
        self._accepted = 0
        self._sink: Callable[[TransportEvent], None] | None = None
        self._timer: TimerHandle | None = None
        self._timer_due = float("inf")

    def __repr__(self) -> str:
        return f"<SimTransport {self.options.me}{' gone' if self.is_gone else ''}>"

    @property
    def name(self) -> str:
        """Of the peer."""
        return self.options.name

    # -- Transport ----------------------------------------------------------------------------------

    def start(self, sink: Callable[[TransportEvent], None], guests: Sequence[Guest] = ()) -> None:
        """See `Transport.start`; there is no thread that could take guests in.

        Raises:
            AddressInUse: if another living transport listens at one of its endpoints.
        """
        assert not guests, "in the simulation everybody runs on one thread already"
        self._sink = sink
        for endpoint in self._listen:
            self._network.bind(endpoint, self)
            if not self.options.is_head:
                self._exchange.dial(endpoint, self._now(), is_listening=True)
        self._wake()

    def send(self, peer: Peer, messages: Sequence[bytes]) -> bool:
        """See `Transport.send`."""
        if self.is_gone or not self._exchange.send(peer, messages):
            return False
        self._wake()
        return True

    def dial(self, endpoint: str) -> None:
        """See `Transport.dial`."""
        self._exchange.dial(endpoint, self._now())
        self._wake()

    def hang_up(self, endpoint: str) -> None:
        """See `Transport.hang_up`."""
        self._exchange.hang_up(endpoint)
        self._wake()

    def reset(self, peer: Peer) -> None:
        """See `Transport.reset`."""
        self._exchange.reset(peer, self._now())
        self._wake()

    def drop(self, peer: Peer, reason: str) -> None:
        """See `Transport.drop`."""
        self._exchange.drop(peer, reason, self._now())
        self._wake()

    def close(self, reason: str = CLOSED) -> None:
        """See `Transport.close`."""
        if self.is_gone:
            return
        self._exchange.leave(reason)
        self._perform()
        for conn in tuple(self._wires):
            self._unplug(conn)
        self.vanish()

    # -- for the network ----------------------------------------------------------------------------

    def vanish(self) -> None:
        """Stop existing: no timer and no wire reaches it any more."""
        self.is_gone = True
        self._wires.clear()
        self._open_doors.clear()
        if self._timer is not None:
            self._timer.cancel()

    def accept(self, endpoint: str) -> Conn | None:
        """Somebody connects: return the connection's name here; None if nobody waits there."""
        if not self.options.is_head:
            return self._open_doors.pop(endpoint, None)
        self._accepted += 1
        return ("accepted", self._accepted)

    def plug(self, conn: Conn, wire: Wire) -> None:
        """A wire is ready for use."""
        self._wires[conn] = wire

    def opened(self, conn: Conn) -> None:
        """A connection stands."""
        if not self.is_gone:
            self._exchange.opened(conn, self._now())
            self._wake()

    def lost(self, conn: Conn, code: str = "", text: str = "") -> None:
        """A connection is gone, or never stood."""
        if not self.is_gone:
            self._wires.pop(conn, None)
            self._exchange.lost(conn, self._now(), code, text)
            self._wake()

    def arrived(self, conn: Conn, frame: bytes) -> None:
        """A frame came in."""
        if not self.is_gone and conn in self._wires:
            self._exchange.received(conn, "local:0", frame, self._now())
            self._wake()

    # -- within -------------------------------------------------------------------------------------

    def _now(self) -> float:
        return self._world.clock.monotonic()

    def _wake(self) -> None:
        """Run before time moves on: what happens at one instant shares an envelope."""
        self._set_timer(self._now())

    def _set_timer(self, due: float) -> None:
        if self.is_gone or due >= self._timer_due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._world.timers.call_at(due, self._run)

    def _run(self) -> None:
        self._timer = None
        self._timer_due = float("inf")
        if self.is_gone:
            return
        self._exchange.settle(self._now())
        self._perform()
        for event in self._desk.take_events():
            if self._sink is not None and not self.is_gone:
                self._sink(event)
        deadline = self._exchange.deadline
        if deadline != float("inf"):
            self._set_timer(deadline)

    def _perform(self) -> None:
        for effect in self._desk.take_effects():
            self._effect(effect)

    def _effect(self, effect: Effect) -> None:
        match effect:
            case Transmit(conn, frame):
                wire = self._wires.get(conn)
                if wire is not None:
                    wire.put(self, frame)
            case Open(conn, endpoint, True):
                self._open_doors[endpoint] = conn
            case Open(conn, endpoint, _):
                self._network.connect(self, conn, endpoint)
            case Close(conn):
                self._unplug(conn)

    def _unplug(self, conn: Conn) -> None:
        wire = self._wires.pop(conn, None)
        if wire is not None:
            wire.put(self, None)
        for endpoint, waiting in tuple(self._open_doors.items()):
            if waiting == conn:
                del self._open_doors[endpoint]

"""The transport with sockets: one I/O thread per process that runs them all.

What to do is decided by the pure `Exchange`; here is only how: poll, drain, perform, tell the sink.

::

    any thread: send, dial ... --Inbox--> I/O thread: Exchange --effects--> Sockets
                                              |    ^                        |
                                            sink   +------ frames, losses --+

Between two turns the thread runs its guests, if it has taken any in: the actors that the messages are
for, the pipes of a node. One that waits, or closes this transport, calls back for turns.

All signals are blocked in the I/O thread. ZAP is answered there too, so it is the thread that lets
people in; the start-up canary runs in the starting thread meanwhile.

Reference: net-design 1.2, 1.8, 1.10; the reactor pattern.
"""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Sequence

from actorcloud.base.errors import ConfigError
from actorcloud.base.ids import Peer
from actorcloud.base.ports import CLOSED, Guest, PeerDown, PeerUp, Random, TransportEvent
from actorcloud.net.effect import Close, Desk, Effect, Open, Transmit
from actorcloud.net.enrolment import Gate, NoPins, Pins
from actorcloud.net.exchange import Exchange
from actorcloud.net.hub import ExchangeHub
from actorcloud.net.loop import Loop
from actorcloud.net.options import ReactorOptions
from actorcloud.net.randomness import SystemRandom
from actorcloud.net.resolver import Resolver, is_literal, parse_tcp, probe_port
from actorcloud.net.route import Route, Taken
from actorcloud.net.sockets import Sockets

#: Seconds `close` waits for the peers to acknowledge what was sent.
DRAIN_TIMEOUT = 1.0

#: Seconds `close` waits for the I/O thread, where that has guests.
CLOSE_TIMEOUT = 10.0

Sink = Callable[[TransportEvent], None]

logger = logging.getLogger("actorcloud.net")


class Reactor:
    """A `Transport` over ZeroMQ.

    Thread: every public method any. Used once: `start`, ..., `close`.

    Args:
        options: who we are and where we listen.
        pins: where a head keeps the keys it has let in.
        random: jitter and nonces.

    Example::

        reactor = Reactor(ReactorOptions(name="n1", role="node", incarnation=new_incarnation()))
        reactor.start(print)
        reactor.dial("ipc:///run/user/1000/actorcloud/head.sock")
    """

    def __init__(self, options: ReactorOptions, *, pins: Pins | None = None, random: Random | None = None) -> None:
        self._options = options
        self._desk = Desk()
        key = options.key_pair.public if options.key_pair is not None else None
        gate = Gate(pins or NoPins(), key, options.secret)
        self._exchange = Exchange(options, gate, random or SystemRandom(), self._desk)
        self._loop = Loop()
        self._sockets = Sockets(options, gate, ExchangeHub(self._exchange), self._loop)
        self._resolver = Resolver()
        self._routes: dict[Peer, Route] = {}
        self._sink: Sink = logger.debug
        self._thread: threading.Thread | None = None
        self._guests: Sequence[Guest] = ()
        #: Monotonic; when there is work although nothing happens.
        self._deadline = -math.inf
        self._has_work = True
        #: Monotonic; set by `close`.
        self._closing_deadline: float | None = None
        self._goodbye = CLOSED
        #: Nothing is owned any more.
        self._freed = threading.Event()

    def __repr__(self) -> str:
        state = "idle" if self._thread is None else "running" if self._closing_deadline is None else "closed"
        return f"<Reactor {self._options.me} {self._options.role} {state} peers={len(self._routes)}>"

    @property
    def endpoints(self) -> Sequence[str]:
        """Where a started head listens, with the real ports."""
        return self._sockets.endpoints

    # -- Transport ----------------------------------------------------------------------------------

    def start(self, sink: Sink, guests: Sequence[Guest] = ()) -> None:
        """See `Transport.start`.

        Raises:
            AddressInUse: if another process listens at one of the endpoints.
            ConfigError: if an endpoint is malformed.
            CurveMissing: if libzmq cannot encrypt and an endpoint is tcp.
            OpenDoor: if a tcp endpoint lets strangers in.
            InsecureKey: if the directory of an ipc endpoint is open to others.

        Blocks: for the canary, some milliseconds.
        """
        self._sink = sink
        self._guests = guests
        try:
            self._sockets.start()
            self._listen()
        except BaseException:
            self._free()
            raise
        name = f"actorcloud-net-{self._options.name}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        try:
            self._sockets.check_doors()
        except BaseException:
            self.close()
            raise

    def send(self, peer: Peer, messages: Sequence[bytes]) -> bool:
        """See `Transport.send`.

        Raises:
            MessageTooLarge: if one of them can never travel.
        """
        route = self._routes.get(peer)
        if route is None or self._closing_deadline is not None:
            return False
        taken = route.put(messages)
        if taken is Taken.FIRST:
            self._loop.inbox.put(lambda: self._post(route))
        return taken is not Taken.REFUSED

    def dial(self, endpoint: str) -> None:
        """See `Transport.dial`.

        Raises:
            ConfigError: if the endpoint is malformed, or tcp without keys.
        """
        if endpoint.startswith("tcp://"):
            parse_tcp(endpoint)
            if self._options.key_pair is None or (self._options.head_key is None and not self._options.is_head):
                raise ConfigError(f"dialling {endpoint} needs key_pair, and head_key unless this is the head")
        elif not endpoint.startswith("ipc:///"):
            raise ConfigError(f"{endpoint!r} is no endpoint; it looks like tcp://host:7710 or ipc:///path")
        self._loop.inbox.put(lambda: self._exchange.dial(endpoint, time.monotonic()))

    def hang_up(self, endpoint: str) -> None:
        """See `Transport.hang_up`."""
        self._loop.inbox.put(lambda: self._exchange.hang_up(endpoint))

    def reset(self, peer: Peer) -> None:
        """See `Transport.reset`."""
        self._loop.inbox.put(lambda: self._reset(peer))

    def drop(self, peer: Peer, reason: str) -> None:
        """See `Transport.drop`."""
        self._loop.inbox.put(lambda: self._exchange.drop(peer, reason, time.monotonic()))

    def close(self, reason: str = CLOSED) -> None:
        """See `Transport.close`.

        Blocks: until the peers have acknowledged what was sent, at most `DRAIN_TIMEOUT`.
        """
        thread = self._thread
        if thread is None:
            return
        if self._closing_deadline is None:
            self._goodbye = reason
            self._closing_deadline = time.monotonic() + DRAIN_TIMEOUT
            self._loop.inbox.put(self._exchange.ask_acks)
        if threading.current_thread() is thread:
            # A guest ends us: as good a moment as any, since it runs between two turns.
            with contextlib.ExitStack() as stack:
                for guest in self._guests:
                    stack.enter_context(guest.away())
                while self.turn(math.inf):
                    pass
            return
        if not self._freed.wait(CLOSE_TIMEOUT):
            logger.error("the reactor of %s does not end: an actor holds up its thread", self._options.name)
        if not self._guests:
            thread.join()

    # -- starting -----------------------------------------------------------------------------------

    def _listen(self) -> None:
        for endpoint in self._options.listen:
            if endpoint.startswith("tcp://"):
                parse_tcp(endpoint)
            if self._options.is_head:
                self._sockets.listen(endpoint)
            else:
                probe_port(endpoint)
                self._exchange.dial(endpoint, time.monotonic(), is_listening=True)

    # -- the I/O thread -----------------------------------------------------------------------------

    def wake(self) -> None:
        """See `HostThread.wake`."""
        self._loop.inbox.nudge()

    def watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        """See `HostThread.watch`."""

        def guarded() -> None:
            try:
                handler()
            except Exception:
                logger.exception("a guest of %s could not handle its descriptor", self._options.name)

        self._loop.watch(descriptor, guarded)

    def unwatch(self, descriptor: int) -> None:
        """See `HostThread.unwatch`."""
        self._loop.unwatch(descriptor)

    def turn(self, seconds: float) -> bool:
        """See `HostThread.turn`."""
        if self._freed.is_set():
            return False
        try:
            if self._loop.run_inbox() or self._has_work:
                self._work()
            self._has_work = self._loop.turn(self._patience(seconds)) or time.monotonic() >= self._deadline
            # The guests first; what they send goes out with what this turn has caused.
            self._tell()
            is_over = self._is_over()
        except Exception:
            # A bug here ends all networking of the process; what depends on it must not hang in ignorance.
            logger.exception("the reactor of %s failed", self._options.name)
            self._end_all()
            is_over = True
        if is_over:
            self._end()
        return not is_over

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            for guest in self._guests:
                guest.arrive(self)
            while self.turn(0.0 if self._run_guests() else math.inf):
                pass
        except Exception:
            # As in `turn`; here it is a guest's.
            logger.exception("the reactor of %s failed", self._options.name)
            self._end_all()
            self._end()

    def _run_guests(self) -> bool:
        # Called for up to now, they run now; that is no reason not to sleep afterwards.
        self._loop.inbox.wake()
        has_more = False
        for guest in self._guests:
            has_more |= guest.run()
        return has_more

    def _work(self) -> None:
        """Do what is due, and tell what has happened."""
        now = time.monotonic()
        self._exchange.settle(now)
        self._sockets.sweep(now)
        self._perform()
        self._tell()

    def _patience(self, seconds: float) -> float:
        """Return for how many seconds to poll."""
        self._deadline = self._exchange.deadline
        # Performing may have caused more (a send that failed): do that before sleeping.
        if self._desk.effects or self._desk.events:
            self._deadline = -math.inf
        if self._closing_deadline is not None:
            self._deadline = min(self._deadline, self._closing_deadline)
        return min(seconds, self._deadline - time.monotonic())

    def _is_over(self) -> bool:
        if self._closing_deadline is None:
            return False
        # What was sent before `close` may still wait to be taken over.
        is_drained = self._loop.inbox.is_empty and self._exchange.is_drained
        return is_drained or time.monotonic() >= self._closing_deadline

    def _perform(self) -> None:
        for effect in self._desk.take_effects():
            try:
                self._effect(effect)
            except Exception:
                logger.exception("the reactor of %s could not do %s", self._options.name, type(effect).__name__)
                if not isinstance(effect, Close):
                    self._exchange.lost(effect.conn, time.monotonic(), "internal", "see the log")

    def _effect(self, effect: Effect) -> None:
        match effect:
            case Transmit():
                self._sockets.transmit(effect.conn, effect.frame)
            case Open(conn, endpoint, is_listening):
                self._open(conn, endpoint, is_listening=is_listening)
            case Close(conn):
                self._sockets.close(conn)

    def _tell(self) -> None:
        for event in self._desk.take_events():
            self._follow(event)
            try:
                self._sink(event)
            except Exception:
                logger.exception("the sink of %s raised on %s", self._options.name, type(event).__name__)

    def _follow(self, event: TransportEvent) -> None:
        """Keep the routes in step, before the sink is told: what it sends in answer must find them."""
        if isinstance(event, PeerUp) and event.reset:
            session = self._exchange.table.of(event.peer)
            if session is not None:
                self._routes[event.peer] = Route(event.peer, session.link, self._options.limits)
        elif isinstance(event, PeerDown):
            self._routes.pop(event.peer, None)

    def _post(self, route: Route) -> None:
        # Another route means a reset in between: the messages belong to the stream that is gone.
        if self._routes.get(route.peer) is route:
            self._exchange.send(route.peer, route.take())

    def _reset(self, peer: Peer) -> None:
        self._routes.pop(peer, None)
        self._exchange.reset(peer, time.monotonic())

    # -- connections --------------------------------------------------------------------------------

    def _open(self, conn: int, endpoint: str, *, is_listening: bool) -> None:
        if endpoint.startswith("tcp://") and not is_listening and not is_literal(parse_tcp(endpoint)[0]):

            def reply(found: str | None, why: str) -> None:
                self._loop.inbox.put(lambda: self._resolved(conn, found, why))

            if not self._resolver.resolve(endpoint, reply):
                self._exchange.lost(conn, time.monotonic(), "no-route", f"{endpoint}: still resolving its name")
            return
        self._sockets.open(conn, endpoint, is_listening=is_listening)

    def _resolved(self, conn: int, endpoint: str | None, why: str) -> None:
        if endpoint is None:
            self._exchange.lost(conn, time.monotonic(), "no-route", why)
        elif self._exchange.is_opening(conn):
            self._sockets.open(conn, endpoint, is_listening=False)

    # -- the end ------------------------------------------------------------------------------------

    def _end_all(self) -> None:
        self._desk.take_events()
        for peer in tuple(self._routes):
            self._desk.events.append(PeerDown(peer, "our own networking failed"))
        self._tell()

    def _end(self) -> None:
        try:
            self._routes.clear()
            self._exchange.leave(self._goodbye)
            self._perform()
            self._desk.take_events()
            for guest in self._guests:
                self._see_off(guest)
        finally:
            try:
                self._free()
            finally:
                self._freed.set()

    def _see_off(self, guest: Guest) -> None:
        try:
            guest.leave()
        except Exception:
            logger.exception("a guest of %s could not leave", self._options.name)

    def _free(self) -> None:
        self._sockets.close_all()
        self._loop.close()

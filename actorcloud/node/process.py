"""The process of a node.

::

    main thread      starts the worker processes, waits for signals
    reactor thread   the network, its guests: the actors, and the workers' sockets
    pipes thread     those sockets while there is no network      console thread   what jobs print

It ends with 0 when it was told to, or its head (if it belongs to one) has said goodbye; with 77 when
the head refuses it; with 1 when it was sent away or its tree has given up.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
import platformdirs

from actorcloud.actor import Actor, Pool, System, Timer
from actorcloud.base import interpreter
from actorcloud.base.console import standard_error
from actorcloud.base.errors import ActorCloudError
from actorcloud.base.ids import new_incarnation
from actorcloud.base.ports import CLOSED, LEFT, DialFailed, PeerDown, PeerSuspect, PeerUp, Transport
from actorcloud.base.rendezvous import NODE_LOCK
from actorcloud.base.starting import Started
from actorcloud.base.version import VERSION
from actorcloud.cluster import Neighbours
from actorcloud.net import JoinString, KeyPair, load_key_pair, private_directory
from actorcloud.node.agent import FENCED
from actorcloud.node.launcher import Launcher
from actorcloud.node.options import NodeOptions
from actorcloud.node.tree import NodeParts, NodeRoot

#: Exit codes, as in sysexits.h.
EX_NOPERM, EX_SENT_AWAY, EX_INTERRUPTED = 77, 1, 130

#: Different refusals that are logged until the head lets us in.
SAID_LIMIT = 100

#: What the network calls an endpoint where somebody answers who is not the head.
WRONG_KEY = "wrong-key"

#: Held while this process lives, so that a head's successor does not start another.

logger = logging.getLogger("actorcloud.node")


def serve_node(options: NodeOptions, started: Sequence[Started] = ()) -> int:
    """Be a node until told to stop; see the module.

    Args:
        options: the settings.
        started: workers that run already.

    Returns:
        The exit code.

    Raises:
        ActorCloudError: it cannot start.
    Blocks: until then. Thread: the main thread.
    """
    interpreter.settle()
    with contextlib.ExitStack() as stack:
        # First: it refuses what is wrong, and a launcher has a thread already.
        join = JoinString.parse(options.join) if options.join is not None else None
        _hold_lock(options, stack)
        process = _NodeProcess(options, Launcher(started), join)
        return process.run(stack)


class _Orphaned(msgspec.Struct, frozen=True):
    """To the lookout itself: the head of this private node has been away for `orphan_time`."""


class Lookout(Actor):
    """Watches how the head is, for people and for the end of this process.

    Args:
        options: of the node.
        end: (exit code) -> None, ends the process; must not block.
        dialled: where the head is dialled.
    """

    def __init__(self, options: NodeOptions, end: Callable[[int], object], dialled: Iterable[str] = ()) -> None:
        self._options = options
        self._end = end
        self._said: set[tuple[str, str]] = set()
        #: Where somebody answers who is not the head, before it was met: the join string is another's.
        self._wrong_keys: set[str] = set()
        self._dialled = frozenset(dialled)
        self._orphaned: Timer | None = None
        self._wait_for_head()

    def on_receive(self, message: object) -> None:
        """Say what has changed, once."""
        match message:
            case PeerUp(peer, "head"):
                if self._orphaned is not None:
                    self._orphaned.cancel()
                    self._orphaned = None
                self._said.clear()
                self._dialled = frozenset()
                logger.info("node %s has joined %s", self._options.name, peer.name)
            case PeerDown(_, reason, True):
                self._left(reason)
            case PeerSuspect() | PeerDown():
                self._wait_for_head()
            case _Orphaned():
                logger.warning("no head has come back for %g s: this node ends", self._options.orphan_time)
                self._end(0)
            case DialFailed(code=code) if code != FENCED:
                self._not_in(message)

    def _wait_for_head(self) -> None:
        # Who would start it again may be dead too; then this node is nobody's.
        if self._options.private and self._orphaned is None:
            self._orphaned = self.send_after(self._options.orphan_time, _Orphaned())

    def _not_in(self, failed: DialFailed) -> None:
        said = (failed.code, failed.text)
        # A private head is on its way up, or will be started again.
        if (failed.final or not self._options.private) and said not in self._said and len(self._said) < SAID_LIMIT:
            self._said.add(said)
            logger.warning("the head at %s: %s", failed.endpoint, failed.text)
        if failed.code == WRONG_KEY:
            self._wrong_keys.add(failed.endpoint)
        if failed.final or (self._dialled and self._wrong_keys.issuperset(self._dialled)):
            self._end(EX_NOPERM)

    def _left(self, reason: str) -> None:
        # A head that shuts down will be back. Anything else sends us away.
        if reason != CLOSED:
            logger.error("the head has sent this node away: %s", reason)
            self._end(EX_SENT_AWAY)
        elif self._options.private:
            self._end(0)


class _NodeProcess:
    def __init__(self, options: NodeOptions, launcher: Launcher, join: JoinString | None) -> None:
        self._options = options
        self._launcher = launcher
        self._join = join
        self._code = 0
        self._is_told = False
        self._neighbours: Neighbours | None = None
        self._keys: KeyPair | None = None

    def run(self, stack: contextlib.ExitStack) -> int:
        options, launcher = self._options, self._launcher
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_end)
        stack.callback(launcher.close)
        if self._join is not None:
            own = Path(platformdirs.user_config_dir("actorcloud")) / "keys"
            directory = Path(options.keys) if options.keys else own
            self._keys = load_key_pair(private_directory(directory) / f"{options.name}.key")
        system = stack.enter_context(System(name=options.name, dispatcher=Pool(hosted=True)))
        with system.activate():
            self._start(system)
        launcher.run()
        if self._is_told and self._neighbours is not None:
            # What runs here is not to blame that it has to run again.
            self._neighbours.goodbye = LEFT
        return self._code

    def _told_to_end(self, *_: object) -> None:
        if self._is_told:
            # A second time: somebody does not want to wait. Workers die with this process.
            os._exit(EX_INTERRUPTED)
        self._is_told = True
        self._launcher.stop()

    def end(self, code: int) -> None:
        """Let the process end; any thread."""
        self._code = code
        self._launcher.stop()

    def _start(self, system: System) -> None:
        options = self._options
        neighbours = self._neighbours = Neighbours(system)
        for endpoint in self._endpoints():
            neighbours.dial(endpoint)
        parts = NodeParts(
            name=options.name,
            slots=options.workers,
            spawner=self._launcher,
            make_transport=self._transport,
            neighbours=neighbours,
            write=standard_error().write,
            orphan_time=options.orphan_time,
            subscribers=(Lookout.start(options, self.end, self._endpoints()),),
            guests=(self._launcher.pipes,),
        )
        try:
            root = NodeRoot.start(parts)
        except Exception as error:
            raise _cause(error) from error
        root.monitor().add_done_callback(lambda _: self.end(self._code or 1))

    def _endpoints(self) -> list[str]:
        if self._options.head is not None:
            return [self._options.head]
        if self._join is None or self._options.listen is not None:
            return []
        return list(self._join.endpoints)

    def _transport(self) -> Transport:
        from actorcloud.net import Reactor, ReactorOptions  # noqa: PLC0415  loads zmq, while the workers start

        options, join = self._options, self._join
        facts = {
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            "version": VERSION,
            "cpus": str(os.cpu_count() or 1),
            "workers": str(options.workers),
            "pid": str(os.getpid()),
        }
        settings = ReactorOptions(
            name=options.name,
            role="node",
            incarnation=new_incarnation(),
            node_timeout=options.node_timeout,
            listen=(f"tcp://{options.listen}",) if options.listen is not None else (),
            key_pair=self._keys,
            head_key=join.head_key if join is not None else None,
            secret=join.secret if join is not None else None,
            facts=facts,
        )
        return Reactor(settings)


def _hold_lock(options: NodeOptions, stack: contextlib.ExitStack) -> None:
    if options.lock_fd is not None:
        # Not for our children: the lock is to go with this process.
        os.set_inheritable(options.lock_fd, False)
        return
    runtime = private_directory(Path(options.runtime))
    name = NODE_LOCK if options.private else f"{options.name}.lock"
    descriptor = os.open(runtime / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = f"a node named {options.name!r} runs on this machine already: give this one another --name"
        raise ActorCloudError(text) from None
    # For a head that did not start us, and is to end us all the same.
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())


def _cause(error: BaseException) -> ActorCloudError:
    step: BaseException | None = error
    found = ActorCloudError(str(error))
    while step is not None:
        if isinstance(step, ActorCloudError):
            found = step
        step = step.__cause__
    return found

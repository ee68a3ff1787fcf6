"""The process of a head.

::

    main thread      starts the head's own node, waits for signals and for the end of the tree
    reactor thread   the network
    actor threads    everything else

It ends with 0 when it was told to, or its last client has left; with 1 when the tree has given up:
whoever started it starts it again. Codes that say that this would not help: `base.exitcode`.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import threading
from pathlib import Path

import msgspec

from actorcloud.actor import Pool, Supervisor, System
from actorcloud.base import interpreter
from actorcloud.base.errors import ActorCloudError, NoSpace, NotAStore, StoreLocked
from actorcloud.base.exitcode import ExitCode, exit_code
from actorcloud.base.ids import new_incarnation
from actorcloud.base.location import Location
from actorcloud.base.ports import Transport
from actorcloud.base.rendezvous import CONNECTION_FILE
from actorcloud.base.version import VERSION
from actorcloud.cluster import Neighbours
from actorcloud.head.clients import Clients
from actorcloud.head.identity import Identity, load_identity
from actorcloud.head.nodeprocess import NodeProcess
from actorcloud.head.options import HeadOptions
from actorcloud.head.place import Place, plan_at
from actorcloud.head.tree import GATEWAY, Core, Parts
from actorcloud.net import private_directory
from actorcloud.store import Quota

#: Seconds between two looks at whether the head's own node lives.
KEEP_EVERY = 1.0

#: Characters of an error's text that a client is told: they fit a pipe, in one piece.
FAILURE_LIMIT_CHARS = 1000

#: Where a private head counts its clients.
CLIENTS = "clients"

logger = logging.getLogger("actorcloud.head")


def serve_head(options: HeadOptions, node: NodeProcess | None = None) -> int:
    """Be a head until told to stop; see the module.

    Args:
        options: the settings.
        node: the head's own node, if it has been started already.

    Returns:
        The exit code.

    Blocks: until then. Thread: the main thread.
    """
    interpreter.settle()
    if node is None:
        node = NodeProcess(options.runtime, options.workers, options.node_timeout)
        node.begin()
    process = _HeadProcess(options, node)
    try:
        return process.run()
    except ActorCloudError as error:
        _tell_failure(options, error)
        return exit_code(error)


class _HeadProcess:
    def __init__(self, options: HeadOptions, node: NodeProcess) -> None:
        self._options = options
        self._node = node
        self._place = Place(options.store, existing=options.existing)
        self._stop = threading.Event()
        self._code = 0
        self._incarnation = 0

    def run(self) -> int:
        with contextlib.ExitStack() as stack:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self._stop.set())
            private_directory(Path(self._options.runtime))
            stack.callback(self._node.end)
            system = stack.enter_context(System(name=self._options.name, dispatcher=Pool(hosted=True)))
            with system.activate():
                self._start_first(system)
            # Whatever ends this block, the tree ends because of it, not by itself.
            stack.callback(self._stop.set)
            self._announce()
            stack.callback((Path(self._options.runtime) / CONNECTION_FILE).unlink, missing_ok=True)
            while not self._stop.wait(KEEP_EVERY if self._node.is_wanted else None):
                self._node.keep()
        if self._options.temporary:
            _remove_temporary(self._options)
        return self._code

    # -- the tree ---------------------------------------------------------------------------------

    def _start_first(self, system: System) -> None:
        try:
            self._start(system)
        except StoreLocked as error:
            # A head that came second; not one that waits for a lease, which nobody has on this machine.
            if type(error) is StoreLocked:
                self._node.leave_to_another()
            raise

    def _start(self, system: System) -> None:
        options = self._options
        if options.store.home.is_file():
            raise NotAStore(options.store.file_in_the_way)
        # Before anything is made in there.
        self._place.check()
        identity = load_identity(options.store.home) if options.listen is not None else None
        self._identity = identity
        parts = Parts(
            make_engine=self._place.engine,
            plan=plan_at(options.store),
            make_transport=lambda: self._transport(identity),
            neighbours=Neighbours(system),
            node_timeout=options.node_timeout,
            subscribers=(system.named(CLIENTS),) if options.is_private else (),
            owner=f"{options.name} in {options.runtime}",
            quota=Quota(options.quota_keys, options.quota_bytes),
        )
        supervisors = logging.getLogger("actorcloud.actor")
        # What keeps the tree from starting is told once, by us, without the way that it took.
        supervisors.disabled = True
        try:
            # Without the list of its clients, a private head would not know when to end.
            clients = Clients.child_spec(self._stop.set, system.named(GATEWAY), name=CLIENTS)
            core = Core.child_spec(parts, id="core")
            root = Supervisor.start([clients, core] if options.is_private else [core], max_restarts=0)
        except Exception as error:
            raise _cause(error, options.store) from error
        finally:
            supervisors.disabled = False
        root.monitor().add_done_callback(lambda _: self._given_up())

    def _given_up(self) -> None:
        if self._stop.is_set():
            return
        trouble = self._place.trouble()
        if trouble is not None:
            logger.critical("this process ends: %s", trouble)
            self._code = exit_code(trouble)
        else:
            logger.critical("the head's core ended too often; this process ends, to be started again")
            self._code = ExitCode.FAILED
        self._stop.set()

    def _transport(self, identity: Identity | None) -> Transport:
        from actorcloud.net import Reactor, ReactorOptions  # noqa: PLC0415  loads zmq, after the node was started

        options = self._options
        self._incarnation = new_incarnation()
        endpoints = [options.endpoint]
        if options.listen is not None:
            endpoints.append(f"tcp://{options.listen}")
        settings = ReactorOptions(
            name=options.name,
            role="head",
            incarnation=self._incarnation,
            node_timeout=options.node_timeout,
            listen=tuple(endpoints),
            key_pair=identity.key_pair if identity else None,
            secret=identity.secret if identity else None,
            facts={"version": VERSION, "private": "1" if options.is_private else ""},
        )
        return Reactor(settings, pins=identity.pins if identity else None)

    # -- the word that it is ready ----------------------------------------------------------------

    def _announce(self) -> None:
        from actorcloud.net import write_private  # noqa: PLC0415  as above

        options, identity = self._options, getattr(self, "_identity", None)
        join = str(identity.join_string(options.listen)) if identity is not None and options.listen else ""
        said = {"endpoint": options.endpoint, "incarnation": self._incarnation, "pid": os.getpid(), "join": join}
        write_private(Path(options.runtime) / CONNECTION_FILE, msgspec.json.encode(said))
        if options.ready_fd is not None:
            # A client that was interrupted meanwhile has gone; `Clients` ends a head that nobody uses.
            with contextlib.suppress(BrokenPipeError):
                os.write(options.ready_fd, b"1")
            os.close(options.ready_fd)


def _tell_failure(options: HeadOptions, error: ActorCloudError) -> None:
    if options.ready_fd is None:
        logger.error("%s", error)
        return
    # The client that started this head raises it, or knows what to do.
    said = msgspec.json.encode({"code": error.code, "text": str(error)[:FAILURE_LIMIT_CHARS]})
    with contextlib.suppress(OSError):
        os.write(options.ready_fd, b"!" + said)


def _remove_temporary(options: HeadOptions) -> None:
    """Remove what a client would have removed, had it not been killed; one that lives holds its lock."""
    from actorcloud.client import remove_abandoned  # noqa: PLC0415  only now

    remove_abandoned(options.store.home.parent)


def _cause(error: BaseException, store: Location) -> ActorCloudError:
    """Return the error at the root of a failed start that has an exit code of its own."""
    found: BaseException = error
    step: BaseException | None = error
    while step is not None:
        if exit_code(step) is not ExitCode.FAILED:
            found = step
        elif isinstance(step, OSError) and step.errno in {errno.ENOSPC, errno.EDQUOT}:
            found = NoSpace(f"the disk of {store} is full: make room, and start again")
        elif isinstance(step, OSError) and str(step.filename).startswith(str(store.home)):
            found = NotAStore(f"{store} cannot be used as a store: {step.strerror}")
        step = step.__cause__ or step.__context__
    if exit_code(found) is ExitCode.FAILED:
        logger.error("the head could not start", exc_info=error)
    return found if isinstance(found, ActorCloudError) else ActorCloudError(f"the head could not start: {error}")

"""The port of one worker process: one conversation, from its start to its end.

::

    starting --WorkerReady--> idle <----> running(first of assigned, ...)
                                              |  Finished, timeout, KillRun, exit
                                              v
                                            dead: blame the first unfinished, return the rest

It knows what it has assigned, in order: the first is the one that runs. When the process dies its
socket has been emptied before, so that the first unfinished is the one to blame, unless we killed
the worker ourselves, and all behind it were never begun (design 6.1, rules 5 and 13).

Owns the worker process. After its own death the whole node restarts and kills the worker.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

from actorcloud.actor import Actor, ActorRef, Timer
from actorcloud.base.ids import JobRef
from actorcloud.base.ports import Exited, Said
from actorcloud.base.states import JobError
from actorcloud.node.message import (
    Assign,
    Ended,
    HeadAway,
    HeadBack,
    KillRun,
    Ready,
    Results,
    Retire,
    Returned,
    Waiting,
)
from actorcloud.node.pace import PATIENCE
from actorcloud.node.printing import Printing
from actorcloud.node.relay import Answered, Relay, Stuck
from actorcloud.node.spawner import Spawner
from actorcloud.protocol.message import Message
from actorcloud.protocol.node import Code, DoneItem, RunItem
from actorcloud.protocol.record import Fence, Outcome
from actorcloud.protocol.signal import Ask, Forget
from actorcloud.protocol.worker import Finished, Outage, Output, Revoke, Revoked, Work, WorkerReady

#: How a worker may say that a run has ended; the other ends are for us to tell.
ENDS = frozenset({"done", "failed", "lost"})


class _TimedOut(msgspec.Struct, frozen=True):
    """To the port itself: this run has had its time."""

    run: Fence


class _Impatient(msgspec.Struct, frozen=True):
    """To the port itself: give back what waits behind this run, if it still runs."""

    run: Fence


class WorkerPort(Actor):
    """Child of the node's supervisor of workers.

    Args:
        number: of the worker on this node.
        agent: the node's agent.
        spawner: starts the process.
        printing: shows what jobs print.
    """

    hides_values = True
    restart = "transient"
    # So that `on_stop` kills the worker when the node's tree ends.
    trap_exit = True

    def __init__(self, number: int, *, agent: ActorRef[Any], spawner: Spawner, printing: Printing) -> None:
        self._number = number
        self._agent = agent
        self._printing = printing
        self._assigned: OrderedDict[Fence, RunItem] = OrderedDict()
        self._known: set[bytes] = set()
        self._results: list[DoneItem] = []
        self._stored: set[Fence] = set()
        self._seconds = 0.0
        self._waits = False
        self._is_watching = False
        self._is_spent = False
        self._timer: Timer | None = None
        #: Runs that we killed the process for: by order (None), or for their timeout.
        self._killed: dict[Fence, DoneItem | None] = {}
        self._relay = Relay(self._send, self.actor_ref, self.send_after)
        self._worker = spawner.spawn(number, self.actor_ref.tell)
        self._routes = self._make_routes()

    def on_receive(self, message: object) -> None:
        """Handle what the agent, the worker or a timer says."""
        self._routes[type(message)](message)

    def on_batch_end(self) -> None:
        """Tell the agent what has ended in this turn, in one message."""
        self._tell_results()
        if self._relay.waits is not self._waits:
            self._waits = self._relay.waits
            self._agent.tell(Waiting(self.actor_ref, self._waits))

    def on_stop(self) -> None:
        """Kill the worker; its jobs are the agent's to report."""
        self._worker.kill()

    def on_failure(self, *_: object) -> None:
        """Kill the worker."""
        self._worker.kill()

    def _make_routes(self) -> dict[type, Callable[[Any], object]]:
        return {
            Assign: self._assign,
            KillRun: lambda message: self._kill_run(message.run),
            Retire: lambda _: self._retire(),
            HeadAway: lambda _: self._send(Outage(away=True)),
            HeadBack: self._head_back,
            Said: self._said,
            Exited: self._exited,
            WorkerReady: lambda _: self._agent.tell(Ready(self.actor_ref)),
            Finished: self._finished,
            Output: lambda message: self._printing.show(message.run, message.text),
            Revoked: lambda message: self._return(message.runs),
            Ask: lambda message: self._relay.ask(message, self._assigned),
            Forget: self._relay.forget,
            Answered: self._relay.answered,
            Stuck: lambda _: self._relay.again(),
            _TimedOut: self._timed_out,
            _Impatient: self._impatient,
        }

    def _send(self, message: Message) -> None:
        self._worker.send(message)

    def _retire(self) -> None:
        # What is still on its way here was never begun.
        self._is_spent = True
        self._worker.kill()

    # -- the agent --------------------------------------------------------------------------------

    def _assign(self, message: Assign) -> None:
        for digest in sorted({item.function for item in message.items} - self._known):
            self._known.add(digest)
            self._send(Code(digest, message.code[digest]))
        was_idle = not self._assigned
        self._assigned.update(((item.ref, item.run), item) for item in message.items)
        self._send(Work(message.items))
        if was_idle:
            self._begin()
        self._watch_first()

    def _kill_run(self, run: Fence) -> None:
        if run not in self._assigned:
            return
        if run == next(iter(self._assigned)):
            self._killed[run] = None
            self._worker.kill()
        else:
            # It may be begun before the worker hears this: then it is the first, and killed so.
            self._killed[run] = None
            self._send(Revoke((run,)))

    def _head_back(self, message: HeadBack) -> None:
        self._relay.head_back(message.head, again=message.reset)
        self._send(Outage(away=False))

    # -- the worker -------------------------------------------------------------------------------

    def _said(self, message: Said) -> None:
        for part in message.messages:
            route = self._routes.get(type(part))
            if route is not None:
                route(part)

    def _begin(self) -> None:
        """Note that the first of the assigned runs now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._assigned or self._is_spent:
            return
        run, item = next(iter(self._assigned.items()))
        if run in self._killed:
            self._worker.kill()
        elif item.timeout is not None:
            self._timer = self.send_after(item.timeout, _TimedOut(run))

    def _finished(self, message: Finished) -> None:
        if message.item.kind not in ENDS:
            # User code wrote to our descriptor: nothing that it says can be trusted.
            self._worker.kill()
            return
        run = (message.item.ref, message.item.run)
        if self._assigned.pop(run, None) is None:
            return
        outcome = message.item.outcome
        tail = self._printing.tail(run)
        if tail:
            outcome = msgspec.structs.replace(outcome, output=tail)
        self._relay.close(run)
        self._results.append(msgspec.structs.replace(message.item, outcome=outcome) if tail else message.item)
        self._seconds += message.seconds
        if message.stored:
            self._stored.add(run)
        if not message.reusable:
            # Something of the job lives on in it, and it begins nothing more.
            self._is_spent = True
            self._worker.kill()
        self._begin()

    def _tell_results(self) -> None:
        if not self._results:
            return
        items, self._results = tuple(self._results), []
        stored, self._stored = frozenset(self._stored), set()
        seconds, self._seconds = self._seconds, 0.0
        self._agent.tell(Results(self.actor_ref, items, seconds, stored, self._is_spent))

    def _return(self, runs: tuple[Fence, ...]) -> None:
        returned = tuple(run for run in runs if self._assigned.pop(run, None) is not None)
        for run in returned:
            self._killed.pop(run, None)
        if returned:
            self._agent.tell(Returned(self.actor_ref, returned))

    def _timed_out(self, message: _TimedOut) -> None:
        if self._assigned and message.run == next(iter(self._assigned)) and message.run not in self._killed:
            item = self._assigned[message.run]
            self._killed[message.run] = _timeout(item)
            self._worker.kill()

    def _watch_first(self) -> None:
        if len(self._assigned) > 1 and not self._is_watching:
            self._is_watching = True
            self.send_after(PATIENCE, _Impatient(next(iter(self._assigned))))

    def _impatient(self, message: _Impatient) -> None:
        self._is_watching = False
        if len(self._assigned) > 1 and message.run == next(iter(self._assigned)):
            self._send(Revoke(tuple(self._assigned)[1:]))
        else:
            # Another one runs by now: it may be the long one.
            self._watch_first()

    def _exited(self, message: Exited) -> None:
        self._tell_results()
        self._relay.close_all()
        self._agent.tell(self._ending(message.status))
        self._assigned.clear()
        self.stop()

    def _ending(self, status: str) -> Ended:
        runs = list(self._assigned)
        if not runs:
            return Ended(self.actor_ref, None, (), (), status, is_crash=False)
        if self._is_spent:
            killed = tuple((run, b"") for run in runs if run in self._killed)
            returned = tuple(run for run in runs if run not in self._killed)
            return Ended(self.actor_ref, None, killed, returned, status, is_crash=False)
        first = runs[0]
        if first not in self._killed:
            return Ended(self.actor_ref, self._crash(first, status), (), tuple(runs[1:]), status, is_crash=True)
        blamed = self._killed[first]
        if blamed is None:
            killed = ((first, self._printing.tail(first)),)
            return Ended(self.actor_ref, None, killed, tuple(runs[1:]), status, is_crash=False)
        return Ended(self.actor_ref, self._with_tail(blamed), (), tuple(runs[1:]), status, is_crash=False)

    def _crash(self, run: Fence, status: str) -> DoneItem:
        error = JobError("JobSuspended", status, "")
        return self._with_tail(DoneItem(run[0], run[1], "crashed", Outcome("suspended", error=error)))

    def _with_tail(self, item: DoneItem) -> DoneItem:
        outcome = msgspec.structs.replace(item.outcome, output=self._printing.tail((item.ref, item.run)))
        return msgspec.structs.replace(item, outcome=outcome)


def _timeout(item: RunItem) -> DoneItem:
    job = f"run {item.attempt} of job {JobRef(item.ref)}"
    text = f"{job} took longer than its timeout of {item.timeout:g} s and was killed"
    error = JobError("JobTimeout", text, "")
    return DoneItem(item.ref, item.run, "timeout", Outcome("failed", error=error, code="job-timeout"))

"""A workload of supervision, by a seed: trees that crash, are killed, restarted, asked and watched.

`run(seed)` raises `Broken` when a promise is not kept; see `tests.actor.book` for the promises.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import msgspec

from actorcloud.actor import (
    Actor,
    ActorDeadError,
    ActorRef,
    AskTimeout,
    ChildSpec,
    Down,
    Exit,
    Flags,
    StartChild,
    Supervisor,
    SupervisorRef,
    TerminateChild,
)
from actorcloud.actor.supervision.strategy import STRATEGIES
from actorcloud.actor.supervision.supervisor_ref import DeleteChild, RestartChild
from actorcloud.base.errors import StartError
from actorcloud.base.exits import ExitReason
from actorcloud.testing import Simulation
from tests.actor.book import FAILED_START, Book, Family

#: Chances, one of which each seed runs with, that threads give way in the midst of the runtime.
PREEMPTIONS = (0.0, 0.05, 0.2)

#: What is done to the tree in one run, at most.
ACTS_LIMIT = 24


class Boom(Exception):
    """What goes wrong."""


class Numbered(msgspec.Struct, frozen=True, eq=False):
    """The `number`th message from its sender to its receiver."""

    sender: ActorRef[Any]
    number: int


class Late(msgspec.Struct, frozen=True):
    """Sent by a timer that was due then."""

    due: float


class Do(msgspec.Struct, frozen=True, eq=False):
    """Do this as the actor."""

    function: Callable[[Worker], object]


class Worker(Actor):
    """A child that does what it is told, and notes what it sees."""

    def __init__(self, stage: Stage, child: str, name: str | None) -> None:
        self.stage = stage
        self.is_inside = False
        self.cancelled: set[float] = set()
        ref = self.actor_ref
        if name is not None:
            stage.book.names[ref] = name
        self.trap_exit = stage.coin(0.3)
        stage.book.born(ref, child)
        if stage.coin(stage.failing_starts):
            stage.book.unborn(ref)
            raise Boom(FAILED_START)
        stage.workers.append(ref)

    def on_receive(self, message: Any) -> Any:
        self.stage.book.require(not self.is_inside, f"{self} runs twice at the same time")
        self.is_inside = True
        try:
            match message:
                case Numbered(sender, number):
                    self.stage.book.got(sender, self.actor_ref, number)
                case Late(due):
                    now = self.system.clock.monotonic()
                    self.stage.book.require(now >= due, f"a timer of {self} fired {due - now} s early")
                    self.stage.book.require(due not in self.cancelled, f"a cancelled timer of {self} fired")
                case Do(function):
                    return function(self)
            return message
        finally:
            self.is_inside = False

    def on_exit(self, message: Exit) -> None:
        self.stop(message.reason)

    def on_down(self, message: Down) -> None:
        self.stage.book.saw_down(self.actor_ref, message)

    # -- what it is told to do --------------------------------------------------------------------

    def chat(self, others: Sequence[ActorRef[Any]]) -> None:
        book, me = self.stage.book, self.actor_ref
        for other in others:
            if other.is_alive():
                number = book.sent[me, other] + 1
                other.tell(Numbered(me, number))
                book.sent[me, other] = number

    def consult(self, other: ActorRef[Any]) -> None:
        if other != self.actor_ref:
            with contextlib.suppress(ActorDeadError, AskTimeout, Boom):
                self.stage.book.require(other.ask("hm?", timeout=0.5) == "hm?", "an ask got the answer of another")

    def watch(self, other: ActorRef[Any]) -> None:
        self.stage.book.watched[self.actor_ref, self.monitor(other)] = other

    def remind(self, delay: float, *, cancel: bool) -> None:
        due = self.system.clock.monotonic() + delay
        timer = self.send_after(delay, Late(due))
        if cancel and timer.cancel():
            self.cancelled.add(due)

    def nap(self, seconds: float) -> None:
        self.system.sleep(seconds)

    def boom(self) -> None:
        raise Boom("as told")


class Boss(Supervisor):
    """A supervisor whose family the seed decides."""

    def init(self, stage: Stage, child: str, depth: int) -> Flags:  # type: ignore[override]
        coin, pick, ref = stage.coin, stage.pick, self.actor_ref
        family = Family(ref, pick(STRATEGIES), pick((0, 1, 3, 10)), pick((0.3, 2.0, 60.0)))
        self.book, self.family = stage.book, family
        stage.book.families[str(ref)] = family
        stage.book.born(ref, child)
        stage.bosses.append(cast("SupervisorRef", ref))
        specs = []
        for number in range(pick((1, 2, 3))):
            id = f"{child}{number}"
            is_boss = depth < 2 and coin(0.25)
            specs.append(stage.boss_spec(id, depth + 1) if is_boss else stage.worker_spec(id))
            family.children[id] = specs[-1].restart
        return Flags(
            children=specs,
            strategy=family.strategy,
            max_restarts=family.max_restarts,
            max_seconds=family.max_seconds,
        )

    def _restart(self, *args: Any) -> Iterator[None]:  # type: ignore[override]  # a step of the procedure
        """The one thing that is not seen from outside: that a restart is due, before it counts."""
        self.book.restarting(self.family)
        yield from super()._restart(*args)


class Stage:
    """One run of one seed."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.random = sim.random
        self.book = Book(sim)
        self.workers: list[ActorRef[Any]] = []
        self.bosses: list[SupervisorRef] = []
        self.log: list[str] = []
        self._extra = 0
        self.failing_starts = 0.0

    def coin(self, chance: float) -> bool:
        return self.random.random() < chance

    def pick(self, options: Sequence[Any]) -> Any:
        return options[int(self.random.random() * len(options))]

    def worker_spec(self, id: str) -> ChildSpec:
        restart = self.pick(("permanent", "permanent", "transient", "temporary"))
        shutdown = self.pick((5.0, 0.1, "brutal_kill"))
        name = f"the {id}" if self.coin(0.5) else None
        return Worker.child_spec(self, id, name, id=id, restart=restart, shutdown=shutdown, **_named(name))

    def boss_spec(self, id: str, depth: int) -> ChildSpec:
        return Boss.child_spec(self, id, depth, id=id)

    # -- one run ----------------------------------------------------------------------------------

    def run(self) -> None:
        Boss.start(self, "c", 0)
        if self.coin(0.3):
            self.failing_starts = 0.1
        if self.coin(0.3):
            self.sim.kill(Worker, chance=0.02)
        for _ in range(int(self.random.random() * ACTS_LIMIT)):
            living = [ref for ref in self.workers if ref.is_alive()]
            if not living:
                break
            act = self.pick(ACTS)
            self.log.append(f"{self.sim.clock.monotonic():.6f} {act.__name__}")
            act(self, self.pick(living), living)
            self.sim.run(self.random.random() * self.pick((5e-5, 5e-4, 0.5)))
        self.sim.run_idle()
        self.book.check_quiet()
        self.sim.system().close()
        self.book.check()

    def tell(self, ref: ActorRef[Any], function: Callable[[Worker], object]) -> None:
        ref.tell(Do(function))

    def _ask(self, ref: ActorRef[Any], message: object) -> None:
        self.book.asks.append(ref.ask(message, block=False))

    # -- acts -------------------------------------------------------------------------------------

    def chat(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        for sender in living:
            others = [self.pick(living) for _ in range(3)]
            self.tell(sender, lambda worker, others=others: worker.chat(others))  # type: ignore[misc]  # mypy sees one argument

    def crowd(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        """All at the same time wake one that sleeps, again and again."""
        for _ in range(3):
            for sender in living:
                if sender != ref:
                    self.tell(sender, lambda worker: worker.chat([ref]))
            self.sim.run(self.random.random() * 5e-4)

    def consult(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        other = self.pick(living)
        self.tell(ref, lambda worker: worker.consult(other))

    def question(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        for asked in (ref, self.pick(living)):
            self._ask(asked, "hm?")

    def crash(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        self.tell(ref, Worker.boom)

    def crash_asked(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        self._ask(ref, Do(Worker.boom))

    def crash_many(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        for victim in living[: self.pick((2, 3, 4))]:
            self.tell(victim, Worker.boom)

    def kill(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        ref.kill()

    def kill_asked(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        for other in (self.pick(living), self.pick(living)):
            self._ask(ref, "hm?")
            self.tell(other, lambda _: ref.kill())

    def kill_boss(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        if self.coin(0.3):
            self.pick(self.bosses).kill()

    def stop(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        reason = self.pick((ExitReason.NORMAL, "tired"))
        self.tell(ref, lambda worker: worker.stop(reason))

    def exit(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        ref.exit(self.pick((ExitReason.NORMAL, "go away")))

    def nap(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        seconds = self.random.random() * 0.2
        self.tell(ref, lambda worker: worker.nap(seconds))

    def remind(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        delay, cancel = self.random.random(), self.coin(0.3)
        self.tell(ref, lambda worker: worker.remind(delay, cancel=cancel))

    def watch(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        other = self.pick(self.workers)
        for watcher in living:
            self.tell(watcher, lambda worker: worker.watch(other))

    def start_child(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        boss, id = self.pick(self.bosses), f"x{self._extra}"
        self._extra += 1
        spec = self.worker_spec(id)
        family = self.book.families[str(boss)]
        family.children[id] = spec.restart
        self._ask(boss, StartChild(spec))

    def terminate_child(self, ref: ActorRef[Any], living: list[ActorRef[Any]]) -> None:
        boss = self.pick(self.bosses)
        family = self.book.families[str(boss)]
        id = self.pick([*family.children, "nobody"])
        family.requested.add(id)
        for request in (TerminateChild(id), self.pick((RestartChild(id), DeleteChild(id)))):
            self._ask(boss, request)


ACTS = (
    Stage.chat,
    Stage.chat,
    Stage.crowd,
    Stage.crowd,
    Stage.consult,
    Stage.question,
    Stage.crash,
    Stage.crash_asked,
    Stage.crash_many,
    Stage.kill,
    Stage.kill_asked,
    Stage.kill_boss,
    Stage.stop,
    Stage.exit,
    Stage.nap,
    Stage.remind,
    Stage.watch,
    Stage.start_child,
    Stage.terminate_child,
)


def _named(name: str | None) -> dict[str, Any]:
    return {} if name is None else {"name": name}


@contextlib.contextmanager
def _reports_to(book: Book) -> Iterator[None]:
    """Let the book alone read what supervisors report: formatting it costs more than the crash."""
    logger = logging.getLogger("actorcloud.actor")
    outer = logger.propagate, logging.root.manager.disable
    logger.addHandler(book)
    logger.propagate = False
    logging.disable(logging.NOTSET)
    try:
        yield
    finally:
        logger.propagate, disabled = outer
        logging.disable(disabled)
        logger.removeHandler(book)


def run(seed: int) -> Stage:
    """Run one seed; raises what is wrong."""
    with Simulation(seed, preempt=PREEMPTIONS[seed % len(PREEMPTIONS)]) as sim:
        stage = Stage(sim)
        sim.on_step(stage.book.check)
        with _reports_to(stage.book), contextlib.suppress(StartError):
            try:
                stage.run()
            except BaseException as error:
                error.add_note("\n".join(stage.log))
                raise
        return stage

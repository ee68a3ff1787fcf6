"""`Task`: a function that runs as an actor of its own, and what becomes of it.

Thread: of the owner, the actor or thread that starts the task.

Reference: Elixir's `Task`; otp-semantics 3.14.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Generic, Literal, ParamSpec, TypeVar, Unpack, get_args

from actorcloud.actor.child import BRUTAL_KILL, SHUTDOWN_DEFAULT, ChildSpec
from actorcloud.actor.errors import ActorDeadError, AskTimeout
from actorcloud.actor.future.timeout import DEFAULT, Timeout, Unset
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import MonitorRef
from actorcloud.actor.starter import Starter
from actorcloud.actor.task.claim import Bond, Claim, wait_for
from actorcloud.actor.task.outcome import Exited, Outcome, Returned, checked, value_of
from actorcloud.actor.task.process import TaskProcess, Work, check_function
from actorcloud.actor.task.stream import StreamOptions, TaskStream
from actorcloud.actor.thread.context import local
from actorcloud.base.errors import ConfigError
from actorcloud.base.exits import ExitReason

T = TypeVar("T")
#: What the function of a task returns.
R = TypeVar("R", covariant=True)
P = ParamSpec("P")

#: Seconds that an owner waits for a task unless told otherwise; as for the answer to an ask.
TASK_TIMEOUT_DEFAULT = 5.0

#: What `wait_many` does about tasks that take too long.
OnTimeout = Literal["nothing", "ignore", "kill_task"]


class Task(Generic[R]):
    """One function that runs by itself, and its outcome, which is taken once.

    >>> task = Task.start(sum, [1, 2, 3])
    >>> task.get()
    6

    The one who starts it is its owner; only the owner waits for it. An owner that is an actor is linked
    to it: if one fails, both end. Such an owner need not wait: when the task is done its value comes as
    a `TaskReply` and its end as a `Down`, both with `Task.ref`, unless the outcome was taken before.

    A function may block. One that fails is logged by its task, with its arguments and who started it.
    """

    __slots__ = ("_claim",)

    def __init__(self, claim: Claim[R]) -> None:
        self._claim = claim

    def __repr__(self) -> str:
        return f"<Task {self._claim.name}: {self._claim.state}>"

    # -- starting ---------------------------------------------------------------------------------

    @staticmethod
    def start(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Task[T]:
        """Start `function(*args, **kwargs)` as a task of the caller, linked to it if that is an actor."""
        work = Work.of(function, args, kwargs)
        return Task(Claim(_start_process(), work.name).hand_over(work, Bond.LINK))

    @staticmethod
    def completed(value: T) -> Task[T]:
        """Return a task that is done already; nothing was started."""
        claim: Claim[T] = Claim(None, "completed")
        claim.future.set(Returned(value))
        return Task(claim)

    @staticmethod
    def spawn(function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> ActorRef[Any]:
        """Run a function as an actor that nobody waits for."""
        return Starter(TaskProcess).start(Work.of(function, args, kwargs))

    @staticmethod
    def spawn_link(function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> ActorRef[Any]:
        """As `spawn`, linked to the actor that calls."""
        return Starter(TaskProcess).start_link(Work.of(function, args, kwargs))

    @staticmethod
    def child_spec(
        function: Callable[..., Any],
        *args: Any,
        id: Any = None,
        restart: str = "temporary",
        shutdown: float | str | None = None,
        **kwargs: Any,
    ) -> ChildSpec:
        """Return the spec by which a supervisor runs `function(*args, **kwargs)` once.

        Args:
            function: what to run.
            args: for it.
            id: the child's; "Task" unless given.
            restart: "permanent" runs it again and again.
            shutdown: as in `ChildSpec`.
            kwargs: for the function; one that is called like an option needs `functools.partial`.

        Raises:
            TypeError: `function` cannot be called.
        """
        check_function(function)
        return ChildSpec(
            id="Task" if id is None else id,
            start=TaskProcess,
            args=(Work(function, args, kwargs),),
            restart=restart,
            shutdown=shutdown,
        )

    @staticmethod
    def stream(
        function: Callable[..., T], items: Iterable[Any], *args: Any, **options: Unpack[StreamOptions]
    ) -> TaskStream[T]:
        """Return an iterable of the outcomes of `function(item, *args)`, each run as a task.

        Nothing is started before the first outcome is asked for, and never more than
        `max_concurrency` items ahead. Who stops early ends the tasks that run. An iterating actor is
        linked to the tasks: one that fails ends it, unless it traps exits.

        Args:
            function: called with each item.
            items: read one by one, as tasks start.
            args: further arguments.
            options: see `StreamOptions`.

        Returns:
            An iterable of `Returned(value)` and `Exited(reason)`; each iteration runs anew.

        Raises:
            ConfigError: an option is wrong.
        """

        def launch(item: Any) -> Claim[T]:
            work = Work.of(function, (item, *args), {})
            return Claim[T](_start_process(), work.name).hand_over(work, Bond.STREAM)

        return TaskStream(launch, items, **options)

    # -- about one --------------------------------------------------------------------------------

    @property
    def ref(self) -> MonitorRef:
        """Names the task in the messages to its owner: `TaskReply.ref`, `Down.ref`."""
        return self._claim.ref

    @property
    def actor_ref(self) -> ActorRef[Any] | None:
        """The actor that runs the function; None for a task made `completed`."""
        return self._claim.actor_ref

    def get(self, timeout: Timeout = DEFAULT) -> R:
        """Return the value of the function, waiting for it.

        Args:
            timeout: seconds; `TASK_TIMEOUT_DEFAULT` unless given, None waits for ever.

        Raises:
            AskTimeout: it takes longer. It goes on, and can be waited for again, but sends no messages.
            Exception: what the function raised.
            ActorDeadError: the task ended otherwise, `reason` tells how; or its outcome was taken before.
            NodeDown: the connection to the task was lost.
            NotOwner: another started it.
        Blocks:
            until the outcome, or `timeout`.
        """
        limit = _seconds(timeout)
        if not self._is_over(limit):
            self._claim.take_back()
            raise AskTimeout(f"{self._claim} gave no value within {limit} s")
        return _value(self._claim)

    def _is_over(self, limit: float | None) -> bool:
        """Wait for the outcome; False if `limit` seconds passed first."""
        self._claim.check_owner()
        return self._claim.is_taken or self._claim.future.wait(limit)

    def __await__(self) -> Generator[Any, None, R]:
        """As `get`, on the running asyncio loop, which goes on meanwhile; for as long as it takes.

        `asyncio.timeout` limits it: the task goes on then, and can be waited for again.
        """
        claim = self._claim
        claim.check_owner()
        if not claim.is_taken and not claim.future.is_done():
            from actorcloud.actor.future import awaiting  # noqa: PLC0415  asyncio: 30 ms, and most programs never await

            yield from awaiting.until_done(claim.future).__await__()
        return _value(claim)

    def wait(self, timeout: Timeout = DEFAULT) -> Outcome[R] | None:
        """Wait for the outcome, and take it if it comes in time.

        Args:
            timeout: seconds; `TASK_TIMEOUT_DEFAULT` unless given, None waits for ever.

        Returns:
            `Returned(value)`, `Exited(reason)`, or None: it still runs, and can be waited for again.

        Raises:
            NodeDown: the connection to the task was lost.
            NotOwner: another started it.
        Blocks:
            until the outcome, or `timeout`.
        """
        return checked(self._claim.take(), self._claim) if self._is_over(_seconds(timeout)) else None

    def shutdown(self, timeout: float | str | None = SHUTDOWN_DEFAULT) -> Outcome[R] | None:
        """End the task, and take its outcome.

        Args:
            timeout: seconds to end in, after which it is killed; None for as long as it takes;
                `BRUTAL_KILL` kills it at once.

        Returns:
            None if it ended as told; `Returned(value)` if it was done before; else `Exited(reason)`:
            `KILLED` if it took too long, `NOPROC` if its outcome was taken before.

        Raises:
            NodeDown: the connection to the task was lost.
            NotOwner: another started it.
        Blocks:
            until it has ended.
        """
        is_brutal = timeout == BRUTAL_KILL
        patience = None if is_brutal else _seconds(timeout)
        claim = self._claim
        claim.check_owner()
        if not claim.is_taken and not claim.future.is_done():
            claim.unlink()
            claim.signal(ExitReason.KILL if is_brutal else ExitReason.SHUTDOWN)
            if not claim.future.wait(patience):
                claim.signal(ExitReason.KILL)
                claim.future.wait()
        outcome = claim.take()
        as_told = ExitReason.KILLED if is_brutal else ExitReason.SHUTDOWN
        return None if isinstance(outcome, Exited) and outcome.reason is as_told else checked(outcome, claim)

    def ignore(self) -> Outcome[R] | None:
        """Let go of the task: it goes on by itself, and nothing of it reaches the owner any more.

        Returns:
            Its outcome if that is there; else None.

        Raises:
            NodeDown: the connection to the task was lost.
            NotOwner: another started it.
        """
        claim = self._claim
        claim.check_owner()
        claim.unlink()
        if claim.future.is_done() and not claim.is_taken:
            return checked(claim.take(), claim)
        claim.give_up()
        return None

    # -- about many -------------------------------------------------------------------------------

    @staticmethod
    def get_all(tasks: Iterable[Task[T]], timeout: Timeout = DEFAULT) -> list[T]:
        """Return the values of all, in their order; the first that fails is raised at once.

        Args:
            tasks: of the caller.
            timeout: seconds for all together; `TASK_TIMEOUT_DEFAULT` unless given, None waits for ever.

        Raises:
            AskTimeout: not all are done; none of them sends messages any more.
            Exception: as `get`.
        Blocks:
            until all have an outcome, one has no value, or `timeout`.
        """
        claims = _claims(tasks)
        limit = _seconds(timeout)
        wait_for(claims, len(claims), limit, fail_fast=True)
        for claim in claims:
            claim.take_back()
        for claim in claims:
            if claim.is_taken or claim.has_failed:
                _value(claim)
        late = [claim for claim in claims if not claim.future.is_done()]
        if late:
            raise AskTimeout(f"{late[0]} gave no value within {limit} s; {len(late)} of {len(claims)} did not")
        return [_value(claim) for claim in claims]

    @staticmethod
    def wait_many(
        tasks: Iterable[Task[T]],
        timeout: Timeout = DEFAULT,
        *,
        limit: int | None = None,
        on_timeout: OnTimeout = "nothing",
    ) -> dict[Task[T], Outcome[T] | None]:
        """Wait for several tasks, and take the outcomes that come in time.

        Args:
            tasks: of the caller.
            timeout: seconds for all together; `TASK_TIMEOUT_DEFAULT` unless given, None waits for ever.
            limit: return when so many have an outcome; None waits for all.
            on_timeout: what is done to those without an outcome when `timeout` has passed: "nothing"
                (they can be waited for again), "ignore" or "kill_task".

        Returns:
            task -> what `wait` would return, in the order given.

        Raises:
            NodeDown: the connection to one was lost.
            NotOwner: another started one of them.
            ConfigError: a limit below 1, or an unknown `on_timeout`.
        Blocks:
            until there are `limit` outcomes, or `timeout`.
        """
        if on_timeout not in get_args(OnTimeout):
            raise ConfigError(f"on_timeout is {on_timeout!r}; it must be one of {', '.join(get_args(OnTimeout))}")
        if limit is not None and limit < 1:
            raise ConfigError(f"limit is {limit!r}; it must be >= 1, or None to wait for all")
        known = list(dict.fromkeys(tasks))
        claims = _claims(known)
        enough = len(claims) if limit is None else min(limit, len(claims))
        is_over = not wait_for(claims, enough, _seconds(timeout))
        return {task: _outcome_of(task, on_timeout if is_over else "nothing") for task in known}


def _start_process() -> ActorRef[Any]:
    starter = Starter(TaskProcess)
    return starter.start() if local.cell is None else starter.start_link()


def _claims(tasks: Iterable[Task[T]]) -> Sequence[Claim[T]]:
    claims = [task._claim for task in tasks]  # noqa: SLF001  one class
    for claim in claims:
        claim.check_owner()
    return claims


def _value(claim: Claim[T]) -> T:
    if claim.is_taken:
        raise ActorDeadError(f"the outcome of {claim} was taken before; keep what you get", ExitReason.NOPROC)
    return value_of(claim.take(), claim)


def _outcome_of(task: Task[T], otherwise: str) -> Outcome[T] | None:
    outcome = task.wait(0)
    if outcome is None and otherwise == "kill_task":
        return task.shutdown(BRUTAL_KILL)
    if outcome is None and otherwise == "ignore":
        return task.ignore()
    return outcome


def _seconds(timeout: object) -> float | None:
    limit: Any = TASK_TIMEOUT_DEFAULT if isinstance(timeout, Unset) else timeout
    is_number = isinstance(limit, int | float) and not isinstance(limit, bool)
    if limit is not None and not (is_number and limit >= 0):
        raise ConfigError(f"timeout is {timeout!r}; it must be seconds >= 0, or None for no limit")
    return limit  # type: ignore[no-any-return]  # tested just above

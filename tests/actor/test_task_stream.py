"""Streams of tasks: the rest of block L, and those of block M."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from typing import Any

import pytest

from actorcloud.actor import (
    TIMEOUT,
    ActorRef,
    AskTimeout,
    Down,
    Exit,
    Exited,
    MaxChildren,
    NotOwner,
    Returned,
    Stop,
    System,
    Task,
    TaskStream,
    TaskSupervisor,
    callers,
    current_system,
    new_monitor,
)
from actorcloud.base.errors import BadChildSpec, ConfigError
from actorcloud.base.exits import ExitReason
from tests.actor.cast import PATIENCE, Probe, end_of, log, run, tell_run
from tests.actor.errands import leave

#: (name, how to make a stream): the tasks are the caller's own, a supervisor's, or only watched.
Make = Callable[..., TaskStream[Any]]
MAKERS: dict[str, Make] = {
    "own": Task.stream,
    "supervised": lambda *args, **options: TaskSupervisor.start().stream(*args, **options),
    "nolink": lambda *args, **options: TaskSupervisor.start().stream_nolink(*args, **options),
}

each_kind = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
each_linked_kind = pytest.mark.parametrize("make", [MAKERS["own"], MAKERS["supervised"]], ids=["own", "supervised"])

#: Fewer, as many and more items than run at once.
each_width = pytest.mark.parametrize("width", [4, 2, 1])


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")


# -- what the tasks run ---------------------------------------------------------------------------


def square(number: int) -> int:
    return number * number


def sleep(seconds: float) -> float:
    current_system().sleep(seconds)
    return seconds


def odd_leaves(number: int) -> int:
    """Return even numbers; end with odd ones."""
    if number % 2:
        raise Stop(number)
    return number


# -- who iterates ---------------------------------------------------------------------------------


def iterated(function: Callable[[], Any], *, trap: bool = True) -> Any:
    """Run `function()` as an actor, and see that nothing of its tasks is left with it.

    No link is left, and no message, be it of those tasks that end only now.
    """

    def iterate(me: Any) -> tuple[Any, list[ActorRef[Any]]]:
        found = function()
        assert not me._cell.links
        assert not me._cell.watching
        return found, [ref for ref in me.system.actors() if ref.actor_class is not Probe]

    owner = Probe.start(trap=trap)
    found, others = run(owner, iterate)
    for ref in others:
        if not issubclass(ref.actor_class, TaskSupervisor):
            end_of(ref)
    assert log(owner, 0) == []
    return found


def values(stream: Iterable[Any]) -> list[Any]:
    return [outcome.value if isinstance(outcome, Returned) else outcome for outcome in stream]


# -- all goes well --------------------------------------------------------------------------------


@pytest.mark.case(550, 552, 593, 595, 606, 608)
@each_kind
@each_width
def test_a_stream_yields_the_values_in_the_order_of_the_items(system: System, make: Make, width: int) -> None:
    assert iterated(lambda: list(make(square, [1, 2], max_concurrency=width)), trap=False) == [Returned(1), Returned(4)]
    assert values(make(square, range(5), max_concurrency=width)) == [0, 1, 4, 9, 16]


@pytest.mark.case(551, 594, 607)
@each_kind
@each_width
def test_a_stream_hands_further_arguments_on(system: System, make: Make, width: int) -> None:
    assert values(make(pow, [2, 3, 4], 2, max_concurrency=width)) == [4, 9, 16]


@pytest.mark.case(553, 596, 609)
@each_kind
@each_width
def test_the_slowest_comes_first_if_it_is_the_first(system: System, make: Make, width: int) -> None:
    assert iterated(lambda: values(make(sleep, [0.02, 0.01, 0], max_concurrency=width))) == [0.02, 0.01, 0]


@pytest.mark.case(540)
@pytest.mark.parametrize(("width", "order"), [(4, [0, 1, 2]), (1, [2, 0, 1])])
def test_an_unordered_stream_yields_what_is_ready(system: System, width: int, order: list[int]) -> None:
    # Each waits until the one before it in time was there.
    gates = [Probe.start() for _ in range(3)]

    def at_its_turn(number: int) -> int:
        if width > 1:
            log(gates[number], 1)
        return number

    found = []
    gates[0].tell("go")
    for outcome in Task.stream(at_its_turn, [2, 0, 1], ordered=False, max_concurrency=width):
        assert isinstance(outcome, Returned)
        found.append(outcome.value)
        gates[min(outcome.value + 1, 2)].tell("go")
    assert found == order


@pytest.mark.case(542)
@each_kind
def test_a_stream_may_have_no_time_limit(system: System, make: Make) -> None:
    assert values(make(square, [1, 2], timeout=None)) == [1, 4]


@pytest.mark.shared_memory
def test_a_stream_reads_its_source_as_it_goes_and_no_further(system: System) -> None:
    read: list[int] = []

    def source() -> Iterator[int]:
        for number in count():
            read.append(number)
            yield number

    stream = iter(Task.stream(square, source(), max_concurrency=2))
    assert read == []
    assert next(stream) == Returned(0)
    assert read == [0, 1]
    assert next(stream) == Returned(1)
    assert read == [0, 1, 2]
    stream.close()


@pytest.mark.case(549)
@each_kind
def test_a_stream_takes_all_of_a_source_that_ends(system: System, make: Make) -> None:
    for length in (1, 3, 5):
        assert values(make(square, (number for number in range(length)), max_concurrency=3)) == [
            number**2 for number in range(length)
        ]


def test_a_stream_of_nothing_is_empty(system: System) -> None:
    assert list(Task.stream(square, [])) == []


def test_no_more_tasks_run_at_once_than_are_allowed(system: System) -> None:
    most = 0
    for _ in Task.stream(square, range(20), max_concurrency=3):
        most = max(most, len(system.actors()))
    assert most <= 3


@pytest.mark.case(547, 601)
@each_linked_kind
def test_the_tasks_of_a_stream_know_who_asked(system: System, make: Make) -> None:
    owner = Probe.start()
    assert run(owner, lambda _: values(make(lambda _: callers(), [1]))) == [(owner,)]


@pytest.mark.case(548, 602)
@pytest.mark.shared_memory
@each_kind
def test_the_owner_is_who_iterates(system: System, make: Make) -> None:
    stream = make(lambda _: callers(), [1, 2])
    owner = Probe.start()
    assert run(owner, lambda _: values(stream)) == [(owner,)] * 2
    begun = iter(stream)
    next(begun)
    with pytest.raises(NotOwner):
        run(owner, lambda _: next(begun))


# -- some fail ------------------------------------------------------------------------------------


@pytest.mark.case(554, 597)
@each_linked_kind
@each_width
def test_a_trapping_actor_gets_failures_as_outcomes_and_no_exit_messages(
    system: System, make: Make, width: int
) -> None:
    found = iterated(lambda: list(make(odd_leaves, range(4), max_concurrency=width)))
    assert found == [Returned(0), Exited(1), Returned(2), Exited(3)]


@pytest.mark.case(610)
@each_width
def test_an_actor_that_is_not_linked_gets_failures_as_outcomes_and_lives(system: System, width: int) -> None:
    make = MAKERS["nolink"]
    found = iterated(lambda: list(make(odd_leaves, range(4), max_concurrency=width)), trap=False)
    assert found == [Returned(0), Exited(1), Returned(2), Exited(3)]


@each_linked_kind
def test_an_actor_that_is_linked_and_does_not_trap_exits_ends_with_a_failure(system: System, make: Make) -> None:
    owner = Probe.start()
    end = owner.monitor()
    tell_run(owner, lambda _: list(make(odd_leaves, range(4))))
    assert end.get(PATIENCE).reason in {1, 3}


@each_kind
def test_the_tasks_end_with_who_iterates(system: System, make: Make) -> None:
    started = Probe.start()

    def hang(_: int) -> None:
        started.tell("started")
        sleep(3_600)

    owner = Probe.start()
    tell_run(owner, lambda _: list(make(hang, range(2), max_concurrency=2, timeout=None)))
    log(started, 2)
    tasks = [ref for ref in system.actors() if ref.actor_class.__name__.endswith("Process")]
    assert len(tasks) == 2
    ends = [ref.monitor() for ref in tasks]
    owner.exit("unknown")
    # By their link, or by what the iteration does as it is unwound.
    assert {end.get(PATIENCE).reason for end in ends} <= {"unknown", ExitReason.KILLED}


@pytest.mark.case(539)
@each_kind
def test_an_item_that_takes_too_long_ends_the_iteration(system: System, make: Make) -> None:
    def iterate() -> str:
        with pytest.raises(AskTimeout) as caught:
            list(make(sleep, [3_600], timeout=0))
        return str(caught.value)

    assert "did not end within 0 s for 3600" in iterated(iterate, trap=False)


@pytest.mark.case(541)
def test_an_unordered_stream_may_kill_what_takes_too_long(virtual: System) -> None:
    found = iterated(
        lambda: list(
            Task.stream(
                sleep, [3_600, 0, 3_600, 0], timeout=0.1, on_timeout="kill_task", ordered=False, max_concurrency=4
            )
        ),
        trap=False,
    )
    assert found == [Returned(0), Returned(0), Exited(TIMEOUT), Exited(TIMEOUT)]


@pytest.mark.case(564)
@each_width
def test_a_stream_may_kill_what_takes_too_long(virtual: System, width: int) -> None:
    found = iterated(
        lambda: list(
            Task.stream(sleep, [3_600, 0, 3_600, 0], timeout=0.1, on_timeout="kill_task", max_concurrency=width)
        ),
        trap=False,
    )
    assert found == [Exited(TIMEOUT), Returned(0), Exited(TIMEOUT), Returned(0)]


@pytest.mark.case(565, 603)
@each_linked_kind
@each_width
def test_an_outcome_may_name_the_item_that_took_too_long(virtual: System, make: Make, width: int) -> None:
    stream = make(sleep, [3_600, 0], timeout=0.1, on_timeout="kill_task", zip_input_on_exit=True, max_concurrency=width)
    assert list(stream) == [Exited((3_600, TIMEOUT)), Returned(0)]


@pytest.mark.case(566, 604)
@each_linked_kind
@each_width
def test_an_outcome_may_name_the_item_that_failed(system: System, make: Make, width: int) -> None:
    def first_three() -> list[Any]:
        stream = iter(make(leave, ["a", "b", "c", "d"], zip_input_on_exit=True, max_concurrency=width))
        return list(islice(stream, 3))

    assert iterated(first_three) == [Exited(("a", "a")), Exited(("b", "b")), Exited(("c", "c"))]


@pytest.mark.case(546)
def test_forged_downs_are_of_no_account(system: System) -> None:
    def iterate(me: Any) -> list[Any]:
        for _ in range(3):
            me.actor_ref.tell(Down(new_monitor(), me.actor_ref, "forged"))
        return values(Task.stream(square, [1, 2]))

    owner = Probe.start()
    assert run(owner, iterate) == [1, 4]
    assert log(owner, 0) == []


def test_what_the_source_raises_passes_and_the_tasks_end(system: System) -> None:
    def source() -> Iterator[int]:
        yield 3_600
        raise LookupError("no further")

    def iterate() -> None:
        with pytest.raises(LookupError):
            list(Task.stream(sleep, source(), max_concurrency=2, timeout=None))

    iterated(iterate)


# -- it is stopped early --------------------------------------------------------------------------


@pytest.mark.case(555, 556, 561, 598, 599, 611, 612)
@each_kind
@each_width
@pytest.mark.parametrize("late", ["quick", "failing", "hanging"])
def test_who_stops_early_leaves_nothing_behind(system: System, make: Make, width: int, late: str) -> None:
    def act(number: int) -> int:
        if number and late == "failing":
            raise Stop(number)
        if number and late == "hanging":
            sleep(3_600)
        return number

    def first() -> list[Any]:
        return list(islice(make(act, range(4), max_concurrency=width, timeout=None), 1))

    assert iterated(first, trap=True) == [Returned(0)]


@pytest.mark.case(560)
@each_width
def test_a_source_that_is_cut_short_gives_what_it_had(system: System, width: int) -> None:
    assert values(Task.stream(square, islice(count(), 3), max_concurrency=width)) == [0, 1, 4]
    assert list(Task.stream(odd_leaves, islice(count(), 3), max_concurrency=width)) == [
        Returned(0),
        Exited(1),
        Returned(2),
    ]
    assert values(Task.stream(sleep, islice([0.01, 0, 0, 0], 3), max_concurrency=width)) == [0.01, 0, 0]


@pytest.mark.case(557, 558, 559)
@each_width
def test_two_iterations_side_by_side_do_not_touch_each_other(system: System, width: int) -> None:
    def zipped() -> list[Any]:
        pairs = []
        for function, items in ((square, [1, 2, 3]), (odd_leaves, [1, 2, 3]), (sleep, [0.01, 0, 0])):
            stream: Any = Task.stream(function, items, max_concurrency=width)
            pairs.append(list(zip(stream, stream, strict=True)))
        return pairs

    squares, leaving, sleeping = iterated(zipped)
    assert squares == [(Returned(1),) * 2, (Returned(4),) * 2, (Returned(9),) * 2]
    assert leaving == [(Exited(1),) * 2, (Returned(2),) * 2, (Exited(3),) * 2]
    assert sleeping == [(Returned(0.01),) * 2, (Returned(0),) * 2, (Returned(0),) * 2]


@pytest.mark.case(562, 563)
@pytest.mark.shared_memory
@each_width
def test_the_ends_of_source_and_consumer_are_run(system: System, width: int) -> None:
    ends: list[str] = []

    def source() -> Iterator[int]:
        try:
            yield from count()
        finally:
            ends.append("source")

    def consumer(stream: Iterable[Any]) -> Iterator[Any]:
        try:
            yield from stream
        finally:
            ends.append("consumer")

    held = source()
    outcomes = consumer(Task.stream(square, held, max_concurrency=width))
    assert next(outcomes) == Returned(0)
    outcomes.close()  # type: ignore[attr-defined]  # a generator
    assert ends == ["source", "consumer"]


def test_an_iteration_that_nobody_holds_any_more_ends_its_tasks(system: System) -> None:
    def begin(me: Any) -> list[Any]:
        me.begun = iter(Task.stream(sleep, [0, 3_600], max_concurrency=2, timeout=None))
        next(me.begun)
        return [ref for ref in me.system.actors() if ref.actor_class is not Probe and ref.is_alive()]

    def end(me: Any) -> list[Any]:
        del me.begun
        return [message for message in me.log if not isinstance(message, Exit)]

    owner = Probe.start(trap=True)
    running = run(owner, begin)[-1]
    ended = running.monitor()
    assert run(owner, end) == []
    assert ended.get(PATIENCE).reason is ExitReason.KILLED
    assert log(owner, 0) == []


@pytest.mark.case(600, 613)
@pytest.mark.parametrize("verb", ["stream", "stream_nolink"])
def test_a_supervisor_that_is_full_ends_the_iteration(system: System, verb: str) -> None:
    tasks = TaskSupervisor.start(max_children=2)

    def iterate() -> int:
        with pytest.raises(MaxChildren):
            list(getattr(tasks, verb)(sleep, [3_600] * 4, max_concurrency=4, timeout=None))
        return sum(ref.is_alive() for ref in tasks.children())

    assert iterated(iterate, trap=False) == 0


# -- wrong options --------------------------------------------------------------------------------


@pytest.mark.case(543, 544, 545)
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_concurrency", 0),
        ("max_concurrency", 1.5),
        ("max_concurrency", True),
        ("on_timeout", "nothing"),
        ("timeout", -1),
        ("timeout", "soon"),
        ("timeout", float("nan")),
    ],
)
@each_kind
def test_a_wrong_option_is_refused_when_the_stream_is_made(
    system: System, make: Make, option: str, value: object
) -> None:
    with pytest.raises(ConfigError, match=f"{option} is {value!r}"):
        make(square, [1], **{option: value})


@pytest.mark.case(605)
def test_a_wrong_shutdown_is_refused_when_the_stream_is_made(system: System) -> None:
    with pytest.raises(BadChildSpec, match="shutdown"):
        TaskSupervisor.start().stream(square, [1], shutdown="soon")

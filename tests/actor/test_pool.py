"""The pool: nobody starves, no wake-up is lost, threads come and go."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import pytest

from actorcloud.actor import Actor, Pool, System
from actorcloud.actor.dispatch import watchdog
from tests.actor.cast import PATIENCE, Probe
from tests.system.cluster import wait_for


class Blocking(Actor):
    """Blocks where the pool cannot know."""

    def __init__(self, event: threading.Event, entered: threading.Semaphore) -> None:
        self.event = event
        self.entered = entered

    def on_receive(self, message: object) -> bool:
        self.entered.release()
        return self.event.wait(2 * PATIENCE)


def test_actors_that_block_do_not_starve_others(pool: System) -> None:
    # Given 50 actors that block where we cannot see it
    event, entered = threading.Event(), threading.Semaphore(0)
    blocked = [Blocking.start(event, entered) for _ in range(50)]
    answers = [ref.ask("block", block=False, timeout=PATIENCE) for ref in blocked]
    # When all of them block, and another is asked
    for _ in blocked:
        assert entered.acquire(timeout=PATIENCE)
    assert Probe.start().ask("hello", timeout=PATIENCE) == "hello"
    # Then they go on
    event.set()
    assert all(answer.get() for answer in answers)


def test_a_handler_that_blocks_delays_nobody_once_it_is_known(pool: System, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an actor that blocks for long, which the pool has noticed
    event, entered = threading.Event(), threading.Semaphore(0)
    blocked, idle = Blocking.start(event, entered), Probe.start()
    blocked.tell("x")
    assert entered.acquire(timeout=PATIENCE)
    idle.ask("x")
    dispatcher: Any = pool.dispatcher
    # When others are asked, one after the other, and the watchdog looks seldom
    monkeypatch.setattr(watchdog, "_TICK", 0.5)
    begun = time.monotonic()
    for number in range(100):
        assert idle.ask(number) == number
        assert dispatcher.running <= 1
    took = time.monotonic() - begun
    event.set()
    # Then none of them waited for its next look, which would be 50 seconds in all
    assert took < 25
    # And all threads that end their turns count again
    blocked.stop()
    deadline = time.monotonic() + PATIENCE
    rest = threading.Event()
    while dispatcher.running and time.monotonic() < deadline:
        rest.wait(0.01)
    assert dispatcher.running == 0


def test_actors_that_wait_for_each_other_do_not_starve_others(pool: System) -> None:
    # Given a chain of 100 actors, each waiting in a call of ours for the next
    class Chained(Actor):
        def __init__(self, behind: Any) -> None:
            self.behind = behind

        def on_receive(self, message: int) -> int:
            return message if self.behind is None else int(self.behind.ask(message + 1, timeout=PATIENCE))

    first = None
    for _ in range(100):
        first = Chained.start(first)
    # When
    assert first is not None
    assert first.ask(0, timeout=PATIENCE) == 99


def test_a_handler_that_computes_for_ever_does_not_starve_others(pool: System) -> None:
    # Given
    stop = threading.Event()

    class Busy(Actor):
        def on_receive(self, message: object) -> None:
            while not stop.is_set():
                pass

    Busy.start().tell("go")
    # When
    try:
        assert Probe.start().ask("hello", timeout=PATIENCE) == "hello"
    finally:
        stop.set()


def test_a_long_turn_gives_way(pool: System) -> None:
    # Given an actor with much mail, slow until another one is answered
    answered, handled = threading.Event(), []

    class Slow(Actor):
        def on_receive(self, message: object) -> None:
            handled.append(message)
            answered.wait(0.02)

    slow = Slow.start()
    for number in range(200):
        slow.tell(number)
    # When
    Probe.start().ask("hello", timeout=PATIENCE)
    count = len(handled)
    answered.set()
    # Then that was before all of it was handled
    assert count < 200


def test_threads_retire_when_the_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr("actorcloud.actor.dispatch.pool._RETIRE_AFTER", 0.05)
    dispatcher = Pool()
    event, entered = threading.Event(), threading.Semaphore(0)
    with System(dispatcher=dispatcher) as system, system.activate():
        blocked = [Blocking.start(event, entered) for _ in range(8)]
        answers = [ref.ask("x", block=False) for ref in blocked]
        for _ in blocked:
            assert entered.acquire(timeout=PATIENCE)
        assert dispatcher.threads >= 8
        # When
        event.set()
        for answer in answers:
            answer.get()
        # Then
        gone = threading.Event()
        deadline = time.monotonic() + PATIENCE
        while dispatcher.threads > 1 and time.monotonic() < deadline:
            gone.wait(0.01)
        assert dispatcher.threads == 1


def test_no_wake_up_is_lost_under_stress(pool: System) -> None:
    # Given counters, told by many threads with pauses in between
    class Counter(Actor):
        def __init__(self) -> None:
            self.count = 0

        def on_receive(self, message: object) -> int:
            self.count += message == "tell"
            return self.count

    counters = [Counter.start() for _ in range(4)]
    per_thread = 2_000

    def tell(seed: int) -> None:
        for number in range(per_thread):
            counters[(seed + number) % 4].tell("tell")
            if number % 50 == seed:
                counters[seed % 4].ask("ask", timeout=PATIENCE)

    threads = [threading.Thread(target=tell, args=(seed,)) for seed in range(6)]
    # When
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    # Then nothing is missing and nobody sleeps on mail
    assert sum(ref.ask("ask", timeout=PATIENCE) for ref in counters) == 6 * per_thread


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_no_wake_up_is_lost_among_ten_million_messages(pool: System) -> None:
    # Given actors that pass each message on to another one, until it has been handled ten times
    threads, each, hops = 8, 125_000, 10

    class Passer(Actor):
        def __init__(self) -> None:
            self.count = 0

        def on_receive(self, message: int) -> int:
            if message:
                self.count += 1
                passers[(message * 7 + self.count) % len(passers)].tell(message - 1)
            return self.count

    passers = [Passer.start() for _ in range(64)]

    def tell(seed: int) -> None:
        for number in range(each):
            passers[(seed + number) % len(passers)].tell(hops)
            if number % 100 == seed:
                # Let them come to rest now and then: the wake-ups out of it are what may be lost.
                passers[seed].ask(0, timeout=PATIENCE)

    tellers = [threading.Thread(target=tell, args=(seed,)) for seed in range(threads)]
    # When
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join()
    # Then all is handled without another message to wake anybody, and nobody sleeps on mail
    expected, rest = threads * each * hops, threading.Event()
    while sum(ref._cell.actor.count for ref in passers) < expected and not _is_stuck(pool, passers):
        rest.wait(0.05)
    assert sum(ref.ask(0, timeout=PATIENCE) for ref in passers) == expected
    assert not _is_stuck(pool, passers)


def _is_stuck(pool: System, refs: list[Any]) -> bool:
    """Whether there is mail and nobody who will run it, which cannot change any more."""
    return pool.dispatcher.is_idle() and any(ref._cell.mail for ref in refs)  # type: ignore[attr-defined]  # a Pool


def test_every_message_is_handled_or_refused_when_an_actor_dies_among_senders(pool: System) -> None:
    # Given
    handled: list[object] = []

    class Mortal(Actor):
        def on_receive(self, message: object) -> str:
            handled.append(message)
            return "handled"

    for _ in range(20):
        handled.clear()
        before = pool.dead_letters
        ref = Mortal.start()
        asked: list[Any] = []
        barrier = threading.Barrier(4)

        def send() -> None:
            barrier.wait(PATIENCE)  # noqa: B023
            for number in range(50):
                ref.tell(number)  # noqa: B023
                asked.append(ref.ask(number, block=False, timeout=PATIENCE))  # noqa: B023

        threads = [threading.Thread(target=send) for _ in range(3)]
        for thread in threads:
            thread.start()
        # When
        barrier.wait(PATIENCE)
        ref.exit("now")
        for thread in threads:
            thread.join(PATIENCE)
        # Then every ask has an outcome, and every tell is accounted for
        answered = 0
        for future in asked:
            assert future.wait(PATIENCE)
            answered += not isinstance(future._outcome[1], BaseException)
        expected = 300 - len(handled) - (len(asked) - answered)
        # The last one may be on its way into the count: several threads refuse what a dead actor has left.
        wait_for(lambda: pool.dead_letters - before >= expected, "the count of the last dead letter")  # noqa: B023
        assert pool.dead_letters - before == expected


def test_a_batch_ends_with_each_turn(system: System) -> None:
    class Batching(Actor):
        def __init__(self) -> None:
            self.pending: list[object] = []
            self.batches: list[list[object]] = []

        def on_receive(self, message: object) -> object:
            if message == "batches":
                return list(itertools.chain(*self.batches))
            self.pending.append(message)
            return None

        def on_batch_end(self) -> None:
            if self.pending:
                self.batches.append(self.pending)
                self.pending = []

        def on_stop(self) -> None:
            stopped.append(list(itertools.chain(*self.batches)))

    stopped: list[object] = []
    ref = Batching.start()
    for number in range(20):
        ref.tell(number)
    ref.stop()
    assert stopped == [list(range(20))]


def test_a_mailbox_with_a_limit_kills_who_exceeds_it(pool: System) -> None:
    event, entered = threading.Event(), threading.Semaphore(0)
    ref = Blocking.options(mailbox=10).start(event, entered)
    end = ref.monitor()
    ref.tell("block")
    assert entered.acquire(timeout=PATIENCE)
    for number in range(11):
        ref.tell(number)
    assert str(end.get(PATIENCE).reason) == "killed"
    event.set()


def test_a_turn_leaves_the_thread_to_the_next(pool: System) -> None:
    rings: list[Any] = []
    done = threading.Event()

    class Ring(Actor):
        def on_receive(self, hops: int) -> None:
            if hops == 0:
                done.set()
            else:
                rings[hops % len(rings)].tell(hops - 1)

    rings.extend(Ring.start() for _ in range(100))
    rings[0].tell(5_000)
    assert done.wait(PATIENCE)


def test_a_thread_that_a_ctrl_c_kept_from_starting_is_not_counted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a pool of one thread, whose start is interrupted
    pool = Pool(threads=1)
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if thread.name == "actorcloud-pool":
            monkeypatch.undo()
            raise KeyboardInterrupt
        start(thread)

    with System(dispatcher=pool) as system, system.activate():
        p = Probe.start()
        monkeypatch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            p.tell("x")
        assert (pool.running, pool.threads) == (1, 1)
        # Then the actor gets its turn all the same, and the count is right again
        assert p.ask("y", timeout=PATIENCE) == "y"
        while pool.starting():
            time.sleep(0.001)
        assert pool.threads == 1


def test_a_thread_that_comes_late_is_counted_again() -> None:
    # Given a thread that was given up before it could begin
    pool = Pool(threads=1)
    begun = threading.Thread(target=pool._run, daemon=True)
    pool._threads.add(begun)
    pool._starting.add(begun)
    pool._running += 1
    pool.give_up({begun})
    assert (pool.running, pool.threads) == (0, 0)
    # When
    begun.start()
    # Then
    while pool.threads != 1:
        time.sleep(0.001)
    pool.close(PATIENCE)
    assert (pool.running, pool.starting()) == (0, set())


def test_a_thread_that_was_given_up_and_then_fails_to_start_is_discounted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = Pool(threads=1)

    def fail_late(_: threading.Thread) -> None:
        # The watchdog has waited for it in vain.
        pool.give_up(pool.starting())
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail_late)
        thread = threading.Thread(target=pool._run, daemon=True)
        pool._threads.add(thread)
        pool._starting.add(thread)
        pool._running += 1
        assert not pool._start(thread)
    assert (pool.running, pool.threads) == (0, 0)
    pool.close(PATIENCE)


def test_a_pool_closes_though_a_ctrl_c_kept_a_thread_from_starting() -> None:
    pool = Pool(threads=1)
    thread = threading.Thread(target=pool._run, daemon=True)
    pool._threads.add(thread)
    pool._starting.add(thread)
    pool._running += 1
    pool.close(PATIENCE)
    assert not thread.is_alive()
